/**
 * Stem cells: a division takes one instead of making a machine; killed at every step, dead, or left by a keeper that
 * goes or dies, none is lost and none is left behind.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { knownBirths } from '../../src/decide/lineage.ts';
import { credentialsOf, genomeOf } from '../../src/here.ts';
import type { BirthId, Cell, Lineage } from '../../src/model.ts';
import type { Mitosis } from '../../src/saga.ts';
import { strays } from '../../src/sweep.ts';
import { expectNothingLeft, expectTidy, livingOf, orderAway, settled } from './drill.ts';
import type { Organism } from './organism.ts';

const KILLED = 137;

export interface Figures {
  readonly birth: BirthId;
  readonly phases: Readonly<Record<string, number>>;
  readonly figures: Readonly<Record<string, number>>;
}

/** Seeds; gives the first cell. */
export async function seeded(organism: Organism): Promise<Cell> {
  const ran = await organism.seed();
  expect(ran.code, ran.stderr).toBe(0);
  const [first] = await organism.living();
  if (first === undefined) throw new Error('nobody lives');
  return first;
}

/** Waits until so many cells keep so many stem cells each, by age, and nothing else is under way. */
async function keeping(organism: Organism, ...stems: readonly number[]): Promise<Lineage> {
  const lineage = await settled(organism, stems.length, 90_000);
  await organism.until(
    `stem cells: ${stems}`,
    () => livingOf(lineage).every((cell, index) => organism.stems(cell).length === stems[index]),
    60_000,
  );
  return settled(organism, stems.length);
}

/** Every machine with the organism's tags, each known to the lineage. */
async function machines(organism: Organism): Promise<readonly BirthId[]> {
  const here = await organism.here();
  const known = knownBirths(await organism.lineage());
  const found = await strays(await genomeOf(here), await credentialsOf(here), new Set());
  const births = found.filter(({ kind }) => kind === 'machine').map(({ birth }) => birth);
  expect(births.filter((birth) => !known.has(birth))).toEqual([]);
  return births;
}

/** How its last division went, by its own figures; false until it has written them down. */
function lastDivision(organism: Organism, cell: Cell): Figures | false {
  const file = join(organism.ground.rootOf(cell), 'var/lib/cell/last-division.json');
  return existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as Figures);
}

async function end(organism: Organism): Promise<void> {
  expect(organism.trace()).toBe('');
  await expectTidy(organism);
  await expectNothingLeft(organism);
}

/** One division, with a stem cell where the genome keeps any. */
export async function divided(organism: Organism, stemCells: number): Promise<Figures> {
  const first = await seeded(organism);
  await keeping(organism, stemCells);
  const stems = organism.stems(first).map(({ birth }) => birth);
  await organism.pause(first);
  const before = await machines(organism);
  expect(before).toHaveLength(1 + stemCells);
  const ran = await organism.tick(first, { now: 'web' });
  expect(ran.code, ran.stderr).toBe(0);
  await organism.goOn(first);
  const figures = await organism.until('the division ends', () => {
    const done = organism.sagas(first).length === 0;
    return done && lastDivision(organism, first);
  });
  expect(stems.includes(figures.birth)).toBe(stemCells > 0);
  // Replenished, once the division is over.
  const lineage = await keeping(organism, stemCells, 0);
  expect(livingOf(lineage)[1]?.birth).toBe(figures.birth);
  expect(await machines(organism)).toHaveLength(2 + stemCells);
  await end(organism);
  return figures;
}

/** Ticks with a fault until it has struck: what the cell decides first may be something else. */
async function struck(organism: Organism, cell: Cell, fault: string, now?: string): Promise<void> {
  await organism.until(
    fault,
    async () => (await organism.tick(cell, now === undefined ? { fault } : { fault, now })).code === KILLED,
    60_000,
  );
}

/** Taken, made and taken back, each killed in and after every step. */
export async function stemKilledAtEveryStep(organism: Organism): Promise<void> {
  const first = await seeded(organism);
  await keeping(organism, 1);
  const [taken] = organism.stems(first);
  await organism.pause(first);
  await struck(organism, first, 'kill-in:imprint', 'web');
  await struck(organism, first, 'kill-after:imprint');
  const [division] = organism.sagas(first) as readonly Mitosis[];
  expect(division).toMatchObject({ kind: 'divide', birth: taken?.birth, step: 'endow', stem: true });
  await organism.until('the division ends', async () => {
    await organism.tick(first);
    return organism.sagas(first).length === 0;
  });
  expect(await machines(organism)).toHaveLength(2);

  for (const step of ['reserve', 'body', 'furnish']) {
    for (const fault of [`kill-in:${step}`, `kill-after:${step}`]) await struck(organism, first, fault);
  }
  const [made] = organism.stems(first);
  if (made === undefined) throw new Error('no stem cell is ready');
  expect(await machines(organism)).toHaveLength(3);

  // It dies, and the next look at it is due.
  await organism.ground.cutPower({ reach: reachOf(made.reach), birth: made.birth });
  const file = join(organism.ground.rootOf(first), 'var/lib/cell/journal', `${made.id}.json`);
  writeFileSync(file, JSON.stringify({ ...made, due: 0 }));
  await struck(organism, first, 'kill-in:takeBack');
  await organism.goOn(first);
  await keeping(organism, 1, 0);
  expect(organism.stems(first).map(({ birth }) => birth)).not.toContain(made.birth);
  expect(await machines(organism)).toHaveLength(3);
  await end(organism);
}

function reachOf(reach: Cell['reach'] | null): Cell['reach'] {
  if (reach === null) throw new Error('no machine was made');
  return reach;
}

/** A division finds its stem cell dead: it is given up, and another machine made. */
export async function deadStemAtDivision(organism: Organism): Promise<void> {
  const first = await seeded(organism);
  await keeping(organism, 1);
  const [stem] = organism.stems(first);
  if (stem === undefined) throw new Error('no stem cell is ready');
  await organism.pause(first);
  await organism.ground.cutPower({ reach: reachOf(stem.reach), birth: stem.birth });
  await organism.tick(first, { now: 'web' });
  await organism.goOn(first);
  await keeping(organism, 1, 0);
  const { birth, phases } = await organism.until('it is written down', () => lastDivision(organism, first));
  expect(birth).not.toBe(stem.birth);
  expect(phases.body).toBeGreaterThan(0);
  expect(await machines(organism)).toHaveLength(3);
  await end(organism);
}

/** Two keepers, of which the younger goes as it was ordered to, or dies. */
export async function keeperLeaves(organism: Organism, how: 'ordered' | 'dies'): Promise<void> {
  const first = await seeded(organism);
  await keeping(organism, 2);
  await organism.tick(first, { now: 'api' });
  // Never more than the organism's two: the child has a share now.
  const [, child] = livingOf(await keeping(organism, 1, 1));
  if (child === undefined) throw new Error('nobody was born');
  expect(await machines(organism)).toHaveLength(4);
  const [theirs] = organism.stems(child);
  if (how === 'ordered') await orderAway(organism, child);
  else await organism.cutPower(child);
  await keeping(organism, 2);
  const left = await machines(organism);
  expect(left).toHaveLength(3);
  expect(left).not.toContain(theirs?.birth);
  await end(organism);
}
