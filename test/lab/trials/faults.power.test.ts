/**
 * The parent's machine loses its power after every step of a division and of a homecoming, and is switched on again: its
 * functions come back by systemd alone, and the next tick goes on where the last one ended.
 */
import { describe, expect, test } from 'vitest';
import {
  begin,
  expectNothingLeft,
  expectOne,
  expectTidy,
  livingOf,
  orderAway,
  settled,
  upTo,
} from '../../courses/drill.ts';
import { STEPS } from '../../courses/steps.ts';
import { asleep, awake, blackout, lab, stopLoads, TIMEOUT } from '../faults.ts';
import { KNOT, NSPAWN, needs } from '../needs.ts';

const OCTET = 187;
/** Until `handOver` both functions are its own, and after it, one of them. */
const BEFORE = ['reserve', 'body', 'imprint', 'birth', 'prepare'];

describe.skipIf(needs('faults of power', NSPAWN, KNOT))('a power cut of the parent', () => {
  test('after every step', { timeout: TIMEOUT }, async (context) => {
    const here = await lab(OCTET, context, { deadAfter: '4m' });
    const { organism } = here;
    const drill = await begin(organism);
    const { first } = drill;
    await asleep(organism, first);
    for (const step of STEPS.slice(0, -1)) {
      await upTo(organism, first, step, step === 'reserve' ? 'web' : undefined);
      await blackout(here, first);
      const mine = BEFORE.includes(step) ? ['web', 'api'] : ['api'];
      // Without any tick.
      await organism.until(`${mine} run after ${step}`, () => {
        return mine.every((name) => organism.running(name).includes(first.name));
      });
      if (!mine.includes('web')) expect(organism.running('web'), step).not.toContain(first.name);
    }
    await awake(organism, first);
    const lineage = await settled(organism, 2);
    const [, child] = livingOf(lineage);
    if (child === undefined) throw new Error('nobody was born');
    expect(lineage.homes.web).toEqual([child.id]);

    await asleep(organism, first);
    const before = organism.served(child, 'web');
    await orderAway(organism, child);
    for (const step of ['enter', 'takeBack', 'rewire', 'farewell']) {
      await upTo(organism, first, step);
      await blackout(here, first);
    }
    await awake(organism, first);
    await expectOne(organism, drill);
    const after = new Set(organism.served(first, 'web'));
    expect(before.filter((line) => !after.has(line))).toEqual([]);
    await stopLoads(drill);
    expect(await drill.watch.stop()).toEqual([]);
    await expectTidy(organism);
    await expectNothingLeft(organism);
  });
});
