/**
 * The child's machine loses its power in the middle of a division, and of being taken in. Nothing that is one becomes
 * two or none: it is taken back, or fenced, and its functions run at its parent again. Each course begins and ends with one
 * cell that has everything.
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { HOLD_MS } from '../../src/limits.ts';
import type { LoadReport } from '../../src/load.ts';
import type { Cell } from '../../src/model.ts';
import type { Mitosis } from '../../src/saga.ts';
import {
  begin,
  childOf,
  closeBreaker,
  type Drill,
  dueTick,
  expectNothingLeft,
  expectOne,
  expectTidy,
  orderAway,
  settled,
  upTo,
} from './drill.ts';
import { type Organism, TTL_MS } from './organism.ts';

/** A request that tries to reach a dead machine finds out within this, and is not tried again once its time is over. */
const TRYING_MS = 5_000;

export type Course = (organism: Organism, drill: Drill) => Promise<void>;

/** What a machine may take to boot, where it never does. */
const IMPATIENT = { CELL_BOOT_TIMEOUT_MS: 3_000 };

/** Several courses with one organism, and what must hold after all of them. */
export async function deaths(organism: Organism, courses: readonly Course[]): Promise<void> {
  const drill = await begin(organism);
  for (const course of courses) await course(organism, drill);
  for (const load of Object.values(drill.loads)) await load.stop();
  await drill.watch.stop();
  expect(drill.watch.twice()).toEqual([]);
  expect(organism.trace()).toBe('');
  await expectTidy(organism);
  await expectNothingLeft(organism);
}

/** A child that dies before it was given anything is taken back, and nobody notices. */
export const deadBeforeItWasGiven: Course = async (organism, drill) => {
  const { first } = drill;
  const seen = drill.watch.seen().length;
  for (const step of ['body', 'imprint', 'birth', 'prepare']) {
    const lost = await lostIn(drill, async () => {
      await divideUpTo(organism, first, step, 'web');
      const saga = sagaOf(organism, first);
      await organism.cutPower(saga);
      // Of a machine that was not heard yet nobody knows that it will never boot.
      await organism.until('it is given up', async () => {
        if (step !== 'body') return true;
        await dueTick(organism, first, { env: IMPATIENT });
        return organism.sagas(first).length === 0;
      });
      await organism.goOn(first);
      await expectOne(organism, drill);
    });
    expect(lost, step).toEqual([]);
  }

  // At the worst moment: it stands still here, and may have begun there.
  await divideUpTo(organism, first, 'prepare', 'web');
  await waited(organism, drill, async () => {
    const division = organism.tick(first);
    const saga = await organism.until('it stands still', () => moving(organism, first), 20_000, 5);
    await organism.cutPower(saga);
    await division;
    await organism.goOn(first);
  });
  expect(drill.watch.seen().slice(seen)).toEqual([]);
};

/** A child that dies after it was given a function is fenced, and the function runs at its parent. */
export const deadAfterItWasGiven: Course = async (organism, drill) => {
  const { first } = drill;
  const seen = drill.watch.seen().length;
  await divideUpTo(organism, first, 'prepare', 'web');
  // Its parent has the records, and the child says none of its own: so requests wait until it runs again.
  const given = await childOf(organism);
  await organism.pause(given);
  await upTo(organism, first, 'handOver');
  await waited(organism, drill, async () => {
    await organism.cutPower(given);
    await organism.goOn(first);
  });
  expect(drill.watch.seen().slice(seen)).toEqual([]);

  for (const [step, name] of [
    ['rewire', 'web'],
    ['close', 'api'],
  ] as const) {
    await divideUpTo(organism, first, step, name);
    const child = await childOf(organism);
    await organism.cutPower(child);
    if (step === 'close') await fencedBetweenKills(organism, first, child);
    await organism.goOn(first);
    await expectOne(organism, drill);
    expect(await lostAfter(organism, drill), step).toEqual([]);
  }
};

/** A child that dies while it is taken in is fenced, or buried, with the data it had handed over. */
export const deadWhileTakenIn: Course = async (organism, drill) => {
  const { first } = drill;
  for (const [step, name] of [
    ['enter', 'web'],
    ['takeBack', 'api'],
    ['rewire', 'web'],
    ['farewell', 'web'],
  ] as const) {
    await divideUpTo(organism, first, 'close', name);
    await organism.goOn(first);
    await settled(organism, 2);
    const child = await childOf(organism);
    await requests(drill, 40);
    await organism.pause(first);
    await orderAway(organism, child);
    const before = organism.served(child, name);
    await upTo(organism, first, step);
    await organism.cutPower(child);
    await organism.goOn(first);
    await expectOne(organism, drill);
    const after = new Set(organism.served(first, name));
    expect(
      before.filter((line) => !after.has(line)),
      step,
    ).toEqual([]);
    expect(await lostAfter(organism, drill), step).toEqual([]);
  }
};

/** Begins a division, whatever failed before, and goes to the end of a step and no further. */
async function divideUpTo(organism: Organism, cell: Cell, step: string, name: string): Promise<void> {
  await organism.pause(cell);
  // One that goes on yet would write it down again.
  await organism.tick(cell);
  closeBreaker(organism, cell);
  await upTo(organism, cell, step, name);
}

/** Requests that failed while something was done. */
async function lostIn(drill: Drill, work: () => Promise<void>): Promise<readonly string[]> {
  const failures = () => Object.values(drill.loads).flatMap((load) => load.report().failures);
  const before = failures().length;
  await work();
  return failures().slice(before);
}

/** Requests that failed though they were sent once nobody need know the address of a dead machine any more. */
async function lostAfter(organism: Organism, drill: Drill): Promise<readonly string[]> {
  await sleep(2 * TTL_MS);
  const from = Date.now();
  const waitsLonger = ({ waitingSince }: LoadReport) => waitingSince !== null && waitingSince < from;
  await organism.until('those sent before have their answer, or none', () => {
    return !Object.values(drill.loads).some((load) => waitsLonger(load.report()));
  });
  return lostIn(drill, () => requests(drill, 40));
}

/**
 * Kills the only machine on which `web` may run: requests wait until it runs at its parent, and none fails, unless this
 * computer took so long for it that some had waited for as long as a request does.
 */
async function waited(organism: Organism, drill: Drill, kill: () => Promise<void>): Promise<void> {
  const began = Date.now();
  let ms = 0;
  const lost = await lostIn(drill, async () => {
    await kill();
    await organism.until('it runs here again', () => organism.running('web').includes(drill.first.name), 60_000);
    const before = answered(drill);
    await organism.until('it answers', () => answered(drill) > before, 30_000, 5);
    ms = Date.now() - began;
    await expectOne(organism, drill);
    await requests(drill, 40);
  });
  expect(lost.filter((why) => ms < HOLD_MS - TRYING_MS || !/: 503\b/.test(why))).toEqual([]);
}

/** Ticks that are killed sooner or later, and one that is as soon as it has destroyed the dead child's machine. */
async function fencedBetweenKills(organism: Organism, cell: Cell, child: Cell): Promise<void> {
  const { ground } = organism;
  const tick = `exec "$CELL_ROOT/opt/cell/bin/cell" divide`;
  for (let after = 0.2; after < 2; after += 0.08 * ground.patience) {
    await organism.on(cell, `sleep 0.3; timeout -s KILL ${after} sh -c '${tick}'`);
  }
  await organism.until('it is destroyed', async () => {
    const ran = organism.on(cell, `sh -c 'echo $$ > "$CELL_ROOT/run/fencing"; ${tick}'`);
    let over = false;
    void ran.then(() => (over = true));
    const gone = await organism.until('the machine goes', () => !existsSync(ground.rootOf(child)) || over, 60_000, 5);
    if (!existsSync(ground.rootOf(child))) await organism.on(cell, 'kill -KILL $(cat "$CELL_ROOT/run/fencing")');
    await ran;
    return gone && !existsSync(ground.rootOf(child));
  });
}

function sagaOf(organism: Organism, cell: Cell): Mitosis {
  const [saga] = organism.sagas(cell) as readonly Mitosis[];
  if (saga === undefined) throw new Error('no saga is open');
  return saga;
}

/** The division that has stopped its function here, or false. */
function moving(organism: Organism, cell: Cell): Mitosis | false {
  const [saga] = organism.sagas(cell) as readonly Mitosis[];
  return saga?.step === 'handOver' && !organism.running('web').includes(cell.name) ? saga : false;
}

function answered(drill: Drill): number {
  return Object.values(drill.loads.web!.report().byAddress).reduce((sum, many) => sum + many, 0);
}

async function requests(drill: Drill, many: number): Promise<void> {
  const sent = () => drill.loads.web!.report().sent;
  const from = sent();
  while (sent() < from + many) await sleep(50);
}
