/** The course of a drill: one division and one taking in, with a hook between, and what must hold in the end. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { say } from '../../src/here.ts';
import type { Load } from '../../src/load.ts';
import type { Cell, Lineage, TickMemory } from '../../src/model.ts';
import type { Mitosis } from '../../src/saga.ts';
import type { Status } from '../../src/status.ts';
import type { Organism, Ran, Tick } from './organism.ts';
import { type Watch, watch } from './watch.ts';

/** Requests a second of each client. */
const RATE = 20;
/** Between two looks that take a session with every cell: they are work for a cell, too. */
const SESSION_EVERY_MS = 200;

export const livingOf = (lineage: Lineage): readonly Cell[] =>
  Object.values(lineage.cells)
    .filter((cell) => cell.state !== 'gone')
    .sort((a, b) => a.bornAt - b.bornAt);

export interface Drill {
  readonly first: Cell;
  readonly watch: Watch;
  readonly loads: Readonly<Record<string, Load>>;
}

/** Seeds, and puts a steady client on both functions. */
export async function begin(organism: Organism): Promise<Drill> {
  const seeded = await organism.seed();
  expect(seeded.code, seeded.stderr).toBe(0);
  const [first] = await organism.living();
  if (first === undefined) throw new Error('nobody lives');
  const loads = { web: organism.load('web', RATE), api: organism.load('api', RATE) };
  return { first, watch: watch(organism), loads };
}

/** The code of a process that SIGKILL ended. */
export const KILLED = 137;

/** A tick, when the saga's next step may run. */
export async function dueTick(organism: Organism, cell: Cell, tick: Tick): Promise<Ran> {
  await organism.until('the next step is due', () => organism.sagas(cell).every((saga) => saga.due <= Date.now()));
  return organism.tick(cell, tick);
}

/**
 * Ticks, until one has come to the end of a step; each of them ends there at the latest. `now`: a division of this function
 * is begun, as soon as nothing forbids it.
 */
export async function upTo(organism: Organism, cell: Cell, step: string, now?: string): Promise<void> {
  const fault = `kill-after:${step}`;
  let asked = now;
  await organism.until(`${step} is done`, async () => {
    const ran = await dueTick(organism, cell, asked === undefined ? { fault } : { fault, now: asked });
    if (organism.sagas(cell).length > 0) asked = undefined;
    return ran.code === KILLED;
  });
}

/**
 * Lets the next division be at once, though births failed: what that costs in time is not what most drills are about. Its
 * ticks stand still meanwhile.
 */
export function closeBreaker(organism: Organism, cell: Cell): void {
  const file = join(organism.ground.rootOf(cell), 'var/lib/cell/beat.json');
  const beat = JSON.parse(readFileSync(file, 'utf8')) as { tick: TickMemory };
  const breaker: TickMemory['breaker'] = { ...beat.tick.breaker, openUntil: 0 };
  writeFileSync(file, JSON.stringify({ ...beat, tick: { ...beat.tick, breaker } }));
}

/** Ticks, until a function is divided and nothing of that is under way; gives the child. */
export async function divided(organism: Organism, { first }: Drill, name: string): Promise<Cell> {
  await organism.until('a division', async () => {
    await organism.tick(first, { now: name });
    return organism.sagas(first).length > 0 || livingOf(await organism.lineage()).length === 2;
  });
  await settled(organism, 2);
  return childOf(organism);
}

/** The cell that was born last. */
export async function childOf(organism: Organism): Promise<Cell> {
  const [, child] = livingOf(await organism.lineage());
  if (child === undefined) throw new Error('no child was announced');
  return child;
}

/** Waits until so many cells live, everything that was begun is done, and nothing is wrong. */
export async function settled(organism: Organism, many: number, within = 45_000): Promise<Lineage> {
  let wrong: readonly string[] = [];
  const what = `${many} cells and nothing under way`;
  return organism
    .until(
      what,
      async () => {
        const lineage = await organism.lineage();
        const cells = livingOf(lineage);
        wrong = organism.unsound(lineage);
        const quiet = cells.every((cell) => cell.state === 'living' && organism.sagas(cell).length === 0);
        return cells.length === many && quiet && wrong.length === 0 ? lineage : false;
      },
      within,
      SESSION_EVERY_MS * organism.ground.patience,
    )
    .catch((error: Error) => {
      throw new Error(`${error.message}\n${wrong.join('\n')}`);
    });
}

/** After a division that came to its end: who has what, what runs, and who is let in. */
export async function expectDivided(organism: Organism, name: string, saga: Mitosis): Promise<Cell> {
  const lineage = await settled(organism, 2);
  const [first, child] = livingOf(lineage) as [Cell, Cell];
  expect(lineage.homes[name]).toEqual((name === 'web' ? [child.id] : [child.id, first.id]).sort());
  expect([...organism.running(name)].sort()).toEqual((name === 'web' ? [child.name] : [first.name, child.name]).sort());
  expect(saga.child?.id).toBe(child.id);
  expect(await organism.opens(saga), 'the imprint key opens the child').toBe(false);
  return child;
}

/** Has the seeder order the child away, and waits until the child wants to go. */
export async function orderAway(organism: Organism, child: Cell): Promise<void> {
  await say(await organism.here(), { kind: 'order', wilt: child.id, why: 'a drill' });
  const wilts = async () => {
    const state = (await organism.lineage()).cells[child.id]?.state;
    return state !== 'living' && state !== 'born';
  };
  await organism.until('the child wilts', wilts, 30_000, SESSION_EVERY_MS * organism.ground.patience);
  // Once more, so that its parent has heard of it, too.
  await organism.lineage();
}

/** Both functions on one cell again, all that was ever answered in its data. */
export async function expectOne(organism: Organism, { first }: Drill): Promise<void> {
  const lineage = await settled(organism, 1);
  expect(lineage.homes).toEqual({ web: [first.id], api: [first.id] });
  expect(organism.running('web')).toEqual([first.name]);
  expect(organism.running('api')).toEqual([first.name]);
}

/** Ends the clients and looks at the whole: no request failed, nothing lost or astray; then takes everything apart. */
export async function end(organism: Organism, drill: Drill): Promise<void> {
  for (const [name, load] of Object.entries(drill.loads)) {
    const report = await load.stop();
    expect(report.failures, name).toEqual([]);
    expect(report.sent).toBeGreaterThan(RATE);
    // A request whose connection broke is asked again, and may be counted twice; none that was answered is lost.
    expect(organism.served(drill.first, name).length, name).toBeGreaterThanOrEqual(report.sent);
  }
  expect(await drill.watch.stop()).toEqual([]);
  await expectTidy(organism);
  await expectNothingLeft(organism);
}

/** By the commands of the CLI: budgets add up, no feed is doubted, nothing is astray. */
export async function expectTidy(organism: Organism): Promise<void> {
  const status = JSON.parse((await organism.cell(['status', '--json'])).stdout) as Status;
  expect(status.quarantined).toEqual([]);
  expect(status.cells.reduce((sum, cell) => sum + cell.budget + cell.stemCells + 1, 0)).toBe(organism.maxCells);
  const sweep = await organism.cell(['sweep', '--json']);
  expect(JSON.parse(sweep.stdout)).toEqual({ found: [], left: [] });
}

/** `cell destroy` leaves the computer as it was: no process, no port, no folder. */
export async function expectNothingLeft(organism: Organism): Promise<void> {
  const gone = await organism.cell(['destroy', '--yes']);
  expect(gone.code, gone.stderr).toBe(0);
  expect(organism.processes().map(({ line }) => line)).toEqual([]);
  expect(organism.listening()).toEqual([]);
  expect(organism.files()).toEqual([]);
  expect(await organism.ground.astray()).toEqual([]);
}
