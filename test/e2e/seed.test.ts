/**
 * `cell seed` killed in and after every step: the same command goes on, and in the end there is one cell, once.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { journalIn } from '../../src/journal.ts';
import type { Mitosis } from '../../src/saga.ts';
import { expectNothingLeft, expectTidy, settled } from '../courses/drill.ts';
import { newOrganism } from '../courses/organism.ts';
import { STEPS } from '../courses/steps.ts';

const KILLED = 137;

test('killed in and after every step, the same command goes on', { timeout: 120_000 }, async ({ onTestFinished }) => {
  const organism = await newOrganism();
  onTestFinished(organism.close);
  const faults = STEPS.flatMap((step) => [`kill-in:${step}`, `kill-after:${step}`]).slice(0, -1);
  let saga: Mitosis | undefined;
  for (const fault of faults) {
    const ran = await organism.seed(fault);
    expect(ran.code, `${fault}: ${ran.stderr}`).toBe(KILLED);
    [saga] = (await journalIn(organism.home).open()) as readonly Mitosis[];
  }
  for (let again = 0; again < 2; again++) {
    const ran = await organism.seed();
    expect(ran.code, ran.stderr).toBe(0);
  }

  const lineage = await settled(organism, 1);
  expect(Object.values(lineage.cells)).toHaveLength(1);
  const [first] = await organism.living();
  expect(lineage.homes).toEqual({ api: [first?.id], web: [first?.id] });
  expect(organism.running('web')).toEqual([first?.name]);
  expect(organism.running('api')).toEqual([first?.name]);
  expect(organism.trace()).toBe('');
  expect(readdirSync(join(organism.home, 'local/machines'))).toHaveLength(1);
  expect(await journalIn(organism.home).open()).toEqual([]);
  if (saga === undefined) throw new Error('no saga was ever open');
  expect(await organism.opens(saga), 'the imprint key opens the cell').toBe(false);
  expect((await organism.here()).memory.quarantine()).toEqual([]);

  const load = organism.load('web', 50);
  await organism.until('it answers', () => load.report().sent > 20);
  expect((await load.stop()).failures).toEqual([]);
  await expectTidy(organism);
  await expectNothingLeft(organism);
});

test('killed at any moment, the same command goes on', { timeout: 120_000 }, async ({ onTestFinished }) => {
  const organism = await newOrganism();
  onTestFinished(organism.close);
  // A seeding takes some seconds; these moments lie in all of its parts.
  for (const after of [150, 300, 450, 600, 900, 1200, 1500, 2000, 2500]) {
    await organism.cell(['seed', '--yes', '-g', join(organism.ground.folder, 'genome.yaml')], {}, after);
  }
  const ran = await organism.seed();
  expect(ran.code, ran.stderr).toBe(0);
  const lineage = await settled(organism, 1);
  expect(Object.values(lineage.cells)).toHaveLength(1);
  expect(organism.running('web')).toHaveLength(1);
  await expectTidy(organism);
  await expectNothingLeft(organism);
});
