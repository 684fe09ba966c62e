/**
 * The child's machine loses its power at every stage, on real machines. Most of it is waiting until a silent child counts as
 * dead, so the courses go side by side, each with an organism and a box of its own.
 */
import { describe, test } from 'vitest';
import { deadAfterItWasGiven, deadBeforeItWasGiven, deadWhileTakenIn, deaths } from '../courses/deaths.ts';
import { lab, TIMEOUT } from './faults.ts';
import { KNOT, NSPAWN, needs } from './needs.ts';

describe.skipIf(needs('deaths', NSPAWN, KNOT))('a power cut of the child', () => {
  test.concurrent.for([
    ['before it was given anything: it is taken back, and nobody notices', 185, deadBeforeItWasGiven],
    ['after it was given a function: it is fenced, and the function runs at its parent', 190, deadAfterItWasGiven],
    ['while it is taken in: it is fenced or buried, with the data it had handed over', 191, deadWhileTakenIn],
  ] as const)('%s', { timeout: TIMEOUT }, async ([, octet, course], context) => {
    const { organism } = await lab(octet, context, { deadAfter: '10s' });
    await deaths(organism, [course]);
  });
});
