/**
 * The network between parent and child is cut after every step and comes back: what failed meanwhile is tried again. Cut
 * for longer than a dead cell is waited for, the parent has the box destroy the child, and then only runs its function.
 */
import { describe, expect, test } from 'vitest';
import {
  begin,
  dueTick,
  expectNothingLeft,
  expectOne,
  expectTidy,
  livingOf,
  orderAway,
  settled,
  upTo,
} from '../../courses/drill.ts';
import type { Organism, Ran } from '../../courses/organism.ts';
import { STEPS } from '../../courses/steps.ts';
import { cutOff, lab, stopLoads, TIMEOUT } from '../faults.ts';
import { KNOT, NSPAWN, needs } from '../needs.ts';

const OCTET = 188;
const KILLED = 137;
/** The network is back after this, ms, or when a step has failed once. */
const CUT_MS = 4_000;
/** Steps after which there is a child that is needed by the next. */
const WITH_CHILD = STEPS.slice(STEPS.indexOf('body'), STEPS.indexOf('close'));

describe.skipIf(needs('faults of the network', NSPAWN, KNOT))('the network between parent and child', () => {
  test('is cut after every step', { timeout: TIMEOUT }, async (context) => {
    const here = await lab(OCTET, context, { deadAfter: '20s' });
    const { organism, ground } = here;
    const drill = await begin(organism);
    const { first } = drill;
    const both = () => ground.box.machines();

    async function cutWhile(work: () => Promise<Ran>): Promise<Ran> {
      await cutOff(here, both(), true);
      const [ran] = await Promise.all([work(), back(organism)]);
      return ran;
    }
    async function back(one: Organism): Promise<void> {
      const end = Date.now() + CUT_MS;
      await one.until('a failure, or time', () => {
        return Date.now() > end || one.sagas(first).some(({ failures }) => failures > 0);
      });
      await cutOff(here, both(), false);
    }

    await organism.pause(first);
    await upTo(organism, first, 'body', 'web');
    for (const [index, step] of WITH_CHILD.entries()) {
      const next = STEPS[STEPS.indexOf(step) + 1] as string;
      const ran = await cutWhile(() => dueTick(organism, first, { fault: `kill-after:${next}` }));
      if (ran.code !== KILLED) await upTo(organism, first, next);
      expect(organism.sagas(first), `after ${step}, ${index}`).toHaveLength(1);
    }
    await organism.goOn(first);
    const [, child] = livingOf(await settled(organism, 2));
    if (child === undefined) throw new Error('nobody was born');

    await organism.pause(first);
    await orderAway(organism, child);
    await upTo(organism, first, 'enter');
    for (const next of ['takeBack', 'rewire', 'farewell']) {
      const ran = await cutWhile(() => dueTick(organism, first, { fault: `kill-after:${next}` }));
      if (ran.code !== KILLED) await upTo(organism, first, next);
    }
    await organism.goOn(first);
    await expectOne(organism, drill);

    // For good: it lives, and nobody can tell.
    await organism.until('the breaker closes', async () => {
      return (await organism.tick(first, { now: 'web' })).code === 0;
    });
    const [, lost] = livingOf(await settled(organism, 2));
    if (lost === undefined) throw new Error('nobody was born');
    await cutOff(here, both(), true);
    await organism.until('the box has one machine', () => both().length === 1, 60_000);
    await expectOne(organism, drill);
    await cutOff(here, both(), false);
    await stopLoads(drill);
    expect(await drill.watch.stop()).toEqual([]);
    await expectTidy(organism);
    await expectNothingLeft(organism);
  });
});
