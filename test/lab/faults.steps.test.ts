/**
 * At every step of a division and of a homecoming, the network between parent and child is cut and comes back while the step
 * is tried, and once it is done the parent's machine loses its power and is switched on again: its functions come back by
 * systemd alone, and the next tick goes on where the last one ended. At last the network is cut for longer than a dead
 * cell is waited for: the parent has the box destroy the child, and then only runs its function.
 */
import { describe, expect, test } from 'vitest';
import type { Cell } from '../../src/model.ts';
import {
  begin,
  divided,
  dueTick,
  expectNothingLeft,
  expectOne,
  expectTidy,
  KILLED,
  livingOf,
  orderAway,
  settled,
  upTo,
} from '../courses/drill.ts';
import { STEPS } from '../courses/steps.ts';
import { asleep, awake, blackout, cutOff, type Lab, lab, stopLoads, TIMEOUT } from './faults.ts';
import { KNOT, NSPAWN, needs } from './needs.ts';

const OCTET = 187;
/** The network is back after this, ms, or when the step has failed. */
const CUT_MS = 4_000;
/**
 * Longer than a gap between two ticks that counts as silence (decide/memory.ts): a parent that was off for a while must not take
 * its child for dead because the network is cut when it comes back.
 */
const DEAD_AFTER = '40s';
/** Steps that need no child yet. */
const ALONE = ['reserve', 'body'];
/** Until `handOver` both functions are the parent's, and after it, one of them. */
const BEFORE = STEPS.slice(0, STEPS.indexOf('handOver'));

describe.skipIf(needs('faults at every step', NSPAWN, KNOT))('at every step', () => {
  test('power and network go and come back, and nothing is lost or twice', { timeout: TIMEOUT }, async (context) => {
    const here = await lab(OCTET, context, { deadAfter: DEAD_AFTER });
    const { organism, ground } = here;
    const drill = await begin(organism);
    const { first } = drill;
    await asleep(organism, first);

    for (const step of STEPS.slice(0, -1)) {
      if (ALONE.includes(step)) await upTo(organism, first, step, step === 'reserve' ? 'web' : undefined);
      else await throughCut(here, first, step);
      await blackout(here, first);
      const mine = BEFORE.includes(step) ? ['web', 'api'] : ['api'];
      // Without any tick.
      await organism.until(`${mine} run after ${step}`, () => {
        return mine.every((name) => organism.running(name).includes(first.name));
      });
      if (!mine.includes('web')) expect(organism.running('web'), step).not.toContain(first.name);
    }
    await awake(organism, first);
    const [, child] = livingOf(await settled(organism, 2));
    if (child === undefined) throw new Error('nobody was born');
    expect((await organism.lineage()).homes.web).toEqual([child.id]);

    await asleep(organism, first);
    await orderAway(organism, child);
    const before = organism.served(child, 'web');
    for (const step of ['enter', 'takeBack', 'rewire', 'farewell']) {
      await throughCut(here, first, step);
      await blackout(here, first);
    }
    await awake(organism, first);
    await expectOne(organism, drill);
    const after = new Set(organism.served(first, 'web'));
    expect(before.filter((line) => !after.has(line))).toEqual([]);

    // For good: it lives, and nobody can tell.
    await divided(organism, drill, 'web');
    await cutOff(here, ground.box.machines(), true);
    await organism.until('the box has one machine', () => ground.box.machines().length === 1, 60_000);
    await expectOne(organism, drill);
    await cutOff(here, ground.box.machines(), false);
    await stopLoads(drill);
    await drill.watch.stop();
    expect(drill.watch.twice()).toEqual([]);
    await expectTidy(organism);
    await expectNothingLeft(organism);
  });
});

/** Goes to the end of a step, while there is no network between the machines for a while. */
async function throughCut(here: Lab, cell: Cell, step: string): Promise<void> {
  const { organism, ground } = here;
  const machines = ground.box.machines();
  await organism.until('the next step is due', () => organism.sagas(cell).every((saga) => saga.due <= Date.now()));
  await cutOff(here, machines, true);
  const trying = dueTick(organism, cell, { fault: `kill-after:${step}` });
  const end = Date.now() + CUT_MS;
  await organism.until('a failure, or time', () => {
    return Date.now() > end || organism.sagas(cell).some(({ failures }) => failures > 0);
  });
  await cutOff(here, machines, false);
  if ((await trying).code !== KILLED) await upTo(organism, cell, step);
}
