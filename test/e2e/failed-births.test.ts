/**
 * Births that fail: the child's machine is there, but the function never becomes healthy on it. It is taken back, its
 * budget returns, no other is tried for a while, and the clients notice nothing.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { pulsesOf } from '../../src/pulse.ts';
import { begin, end, expectOne, livingOf, orderAway, settled } from '../courses/drill.ts';
import { MAX_CELLS, newOrganism } from '../courses/organism.ts';

test.concurrent.for(['web', 'api'])(
  '%s never becomes healthy on the child',
  { timeout: 180_000 },
  async (name, { onTestFinished }) => {
    const organism = await newOrganism();
    onTestFinished(organism.close);
    const drill = await begin(organism);
    const { first } = drill;
    writeFileSync(organism.sick, first.name);

    await organism.tick(first, { now: name });
    expect(organism.sagas(first)).toHaveLength(1);
    // And its parent is killed as it takes the child back.
    await organism.pause(first);
    await organism.until('it is killed', async () => {
      await organism.until('the next attempt is due', () =>
        organism.sagas(first).every((saga) => saga.due <= Date.now()),
      );
      return (await organism.tick(first, { fault: 'kill-in:takeBack' })).code === 137;
    });
    await organism.goOn(first);
    await organism.until('it is taken back', () => organism.sagas(first).length === 0, 60_000, 20);
    const refused = await organism.tick(first, { now: name });
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.stdout).decision.reasons).toEqual([
      { subject: name, why: expect.stringMatching(/^not dividing: the last birth failed, waiting /) },
    ]);
    await expectOne(organism, drill);
    const lineage = await organism.lineage();
    expect(lineage.cells[first.id]?.budget).toBe(MAX_CELLS - 1);
    expect(pulsesOf(await organism.here())[first.id]?.functions[name]?.health).toBe('healthy');

    // The fault is gone: the next one lives.
    rmSync(organism.sick);
    await organism.until(
      'the breaker closes',
      async () => (await organism.tick(first, { now: name })).code === 0,
      60_000,
    );
    const [, child] = livingOf(await settled(organism, 2));
    if (child === undefined) throw new Error('nobody was born');
    await orderAway(organism, child);
    await expectOne(organism, drill);
    await end(organism, drill);
  },
);

test.concurrent('web does not become healthy at its parent again: its child keeps it, and is not taken for dead', {
  timeout: 180_000,
}, async ({ onTestFinished }) => {
  const organism = await newOrganism();
  onTestFinished(organism.close);
  const drill = await begin(organism);
  const { first } = drill;
  await organism.tick(first, { now: 'web' });
  await settled(organism, 2);
  const [, child] = await organism.living();
  if (child === undefined) throw new Error('nobody was born');
  writeFileSync(organism.sick, child.name);
  await orderAway(organism, child);
  await organism.until('three attempts', () => (organism.sagas(first)[0]?.failures ?? 0) >= 3, 60_000);
  const lineage = await organism.lineage();
  expect(lineage.cells[child.id]?.state).toBe('wilting');
  expect(lineage.homes.web).toEqual([child.id]);
  expect(organism.running('web')).toEqual([child.name]);
  rmSync(organism.sick);
  await expectOne(organism, drill);
  await end(organism, drill);
});
