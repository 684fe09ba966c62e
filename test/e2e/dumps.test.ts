/**
 * Functions whose data moves by their own hooks, on local machines: killed at every boundary, nothing that was answered
 * is lost; a hook that fails leaves the function at home, with the hook's own words as the reason.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { begin, end, expectOne, livingOf, orderAway, settled } from '../courses/drill.ts';
import { killedAtEveryStep } from '../courses/kills.ts';
import { newOrganism } from '../courses/organism.ts';

const TIMEOUT = { timeout: 240_000 };
const WORDS = { dump: 'the disk of the dump is full', restore: 'already exists' };

test.concurrent.for(['web', 'api'] as const)(
  '%s moves and comes home by its dumps, killed in and after every step',
  TIMEOUT,
  async (name, { onTestFinished }) => {
    const organism = await newOrganism({ dumps: true });
    onTestFinished(organism.close);
    await killedAtEveryStep(organism, name);
  },
);

test.concurrent.for(['dump', 'restore'] as const)(
  'web stays at home while its %s fails, and says why',
  TIMEOUT,
  async (hook, { onTestFinished }) => {
    const organism = await newOrganism({ dumps: true });
    onTestFinished(organism.close);
    const drill = await begin(organism);
    writeFileSync(`${organism.sick}.${hook}`, '');
    await organism.pause(drill.first);
    let told = (await organism.tick(drill.first, { now: 'web' })).stdout;
    const over = async () => {
      told += (await organism.tick(drill.first)).stdout;
      return organism.sagas(drill.first).length === 0;
    };
    await organism.until('the division to be taken back', over, 90_000);
    await organism.goOn(drill.first);
    expect(told).toMatch(new RegExp(`taken back at handOver: .*${WORDS[hook]}`));
    await expectOne(organism, drill);
    await end(organism, drill);
  },
);

test.concurrent('web stays on the child that cannot dump it, until it can', TIMEOUT, async ({ onTestFinished }) => {
  const organism = await newOrganism({ dumps: true });
  onTestFinished(organism.close);
  const drill = await begin(organism);
  await organism.tick(drill.first, { now: 'web' });
  const [, child] = livingOf(await settled(organism, 2));
  if (child === undefined) throw new Error('nobody was born');
  writeFileSync(`${organism.sick}.dump`, '');
  await orderAway(organism, child);
  const failed = () =>
    organism.sagas(drill.first).some((saga) => saga.failures > 1 && saga.lastFailure?.includes(WORDS.dump) === true);
  await organism.until('it has failed twice', failed);
  await organism.until('it runs on', () => organism.running('web').includes(child.name));
  rmSync(`${organism.sick}.dump`);
  await expectOne(organism, drill);
  await end(organism, drill);
});
