/**
 * The child's machine loses its power in the middle of a division, and of being taken in. Nothing that is one becomes
 * two or none: it is taken back, or fenced, and its functions run at its parent again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Cell } from '../../src/model.ts';
import { powerOff } from '../../src/power.ts';
import type { Mitosis } from '../../src/saga.ts';
import { begin, type Drill, expectNothingLeft, expectOne, expectTidy, livingOf, orderAway, settled } from './drill.ts';
import type { Organism } from './organism.ts';

const KILLED = 137;

/** Goes to the end of a step and no further: the cell's own ticks stand still. */
async function until(organism: Organism, cell: Cell, step: string, now?: string): Promise<void> {
  if (now !== undefined) await organism.until('the breaker closes', () => dividable(organism, cell, now));
  await organism.pause(cell);
  const fault = `kill-after:${step}`;
  const ran = await organism.tick(cell, now === undefined ? { fault } : { fault, now });
  expect(ran.code, `${fault}: ${ran.stdout}${ran.stderr}`).toBe(KILLED);
}

async function childOf(organism: Organism): Promise<Cell> {
  const [, child] = livingOf(await organism.lineage());
  if (child === undefined) throw new Error('no child was announced');
  return child;
}

async function divided(organism: Organism, drill: Drill, name: string): Promise<Cell> {
  await organism.until('a division', async () => {
    await organism.tick(drill.first, { now: name });
    return organism.sagas(drill.first).length > 0 || livingOf(await organism.lineage()).length === 2;
  });
  await settled(organism, 2);
  return childOf(organism);
}

/** Requests that failed from here on until nothing is under way. */
async function lostUntil(drill: Drill, work: () => Promise<void>): Promise<readonly string[]> {
  const before = Object.values(drill.loads).flatMap((load) => load.report().failures).length;
  await work();
  return Object.values(drill.loads)
    .flatMap((load) => load.report().failures)
    .slice(before);
}

async function end(organism: Organism, drill: Drill): Promise<void> {
  for (const load of Object.values(drill.loads)) await load.stop();
  await drill.watch.stop();
  expect(organism.trace()).toBe('');
  await expectTidy(organism);
  await expectNothingLeft(organism);
}

/** A child that dies before it was given anything is taken back, and nobody notices. */
export async function deadBeforeItWasGiven(organism: Organism): Promise<void> {
  const drill = await begin(organism);
  for (const step of ['imprint', 'birth', 'prepare']) {
    const lost = await lostUntil(drill, async () => {
      await until(organism, drill.first, step, 'web');
      const [saga] = organism.sagas(drill.first) as readonly Mitosis[];
      if (saga === undefined) throw new Error('no saga is open');
      await organism.cutPower(saga);
      await organism.goOn(drill.first);
      await expectOne(organism, drill);
    });
    expect(lost, step).toEqual([]);
  }

  // At the worst moment: it stands still here, and may have begun there.
  await organism.until('the breaker closes', () => dividable(organism, drill.first, 'web'));
  const lost = await lostUntil(drill, async () => {
    const division = organism.tick(drill.first, { now: 'web' });
    const saga = await organism.until('it stands still', () => moving(organism, drill.first), 20_000, 5);
    await organism.cutPower(saga);
    await division;
    await expectOne(organism, drill);
  });
  expect(lost, 'handOver').toEqual([]);
  expect(await drill.watch.stop()).toEqual([]);
  await end(organism, drill);
}

/** A child that dies after it was given a function is fenced, and the function runs at its parent. */
export async function deadAfterItWasGiven(organism: Organism): Promise<void> {
  const drill = await begin(organism);
  const { first } = drill;

  // Its parent still has the records, so requests wait there until it runs again.
  const whileGiven = await lostUntil(drill, async () => {
    await until(organism, first, 'handOver', 'web');
    await organism.cutPower(await childOf(organism));
    await organism.goOn(first);
    await expectOne(organism, drill);
  });
  expect(whileGiven).toEqual([]);
  expect(await drill.watch.stop()).toEqual([]);

  for (const [step, name] of [
    ['rewire', 'web'],
    ['close', 'api'],
  ] as const) {
    await until(organism, first, step, name);
    const child = await childOf(organism);
    await organism.cutPower(child);
    if (step === 'close') await fencedBetweenKills(organism, first, child);
    await organism.goOn(first);
    await expectOne(organism, drill);
    expect(await lostUntil(drill, () => requests(drill, 40)), step).toEqual([]);
  }
  await end(organism, drill);
}

/** A child that dies while it is taken in is fenced, with the data it had handed over. */
export async function deadWhileTakenIn(organism: Organism): Promise<void> {
  const drill = await begin(organism);
  const { first } = drill;
  for (const [step, name] of [
    ['enter', 'web'],
    ['takeBack', 'api'],
    ['rewire', 'web'],
  ] as const) {
    const child = await divided(organism, drill, name);
    await requests(drill, 40);
    await organism.pause(first);
    await orderAway(organism, child);
    const before = organism.served(child, name);
    await until(organism, first, step);
    await powerOff(await organism.here(), child.id);
    await organism.goOn(first);
    await expectOne(organism, drill);
    const after = new Set(organism.served(first, name));
    expect(
      before.filter((line) => !after.has(line)),
      step,
    ).toEqual([]);
    expect(await lostUntil(drill, () => requests(drill, 40)), step).toEqual([]);
  }
  await end(organism, drill);
}

/** Ticks that are killed sooner or later, until one of them has found out that the child is dead and fenced it. */
async function fencedBetweenKills(organism: Organism, cell: Cell, child: Cell): Promise<void> {
  for (let after = 0.2; after < 2; after += 0.08) {
    await organism.on(cell, `sleep 0.3; timeout -s KILL ${after} "$CELL_ROOT/opt/cell/bin/cell" divide`);
    if ((await organism.lineage()).cells[child.id]?.state === 'gone') return;
  }
}

/** The division that has stopped its function here, or false. */
function moving(organism: Organism, cell: Cell): Mitosis | false {
  const [saga] = organism.sagas(cell) as readonly Mitosis[];
  return saga?.step === 'handOver' && !organism.running('web').includes(cell.name) ? saga : false;
}

async function requests(drill: Drill, many: number): Promise<void> {
  const sent = () => drill.loads.web!.report().sent;
  const from = sent();
  while (sent() < from + many) await sleep(50);
}

/** Whether a function could be divided now. */
async function dividable(organism: Organism, cell: Cell, name: string): Promise<boolean> {
  const ran = await organism.on(cell, `"$CELL_ROOT/opt/cell/bin/cell" divide --dry-run --json --now ${name}`);
  return ran.code === 0 && JSON.parse(ran.stdout).decision?.actions.length > 0;
}
