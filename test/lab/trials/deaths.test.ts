/** The child's machine loses its power at every stage, on real machines: it takes minutes. */
import { describe, test } from 'vitest';
import { deadAfterItWasGiven, deadBeforeItWasGiven, deadWhileTakenIn, deaths } from '../../courses/deaths.ts';
import { lab, TIMEOUT } from '../faults.ts';
import { KNOT, NSPAWN, needs } from '../needs.ts';

const OCTET = 185;

describe.skipIf(needs('deaths', NSPAWN, KNOT))('a power cut of the child', () => {
  test.for([
    ['before it was given anything: it is taken back, and nobody notices', '60s', deadBeforeItWasGiven],
    ['after it was given a function: it is fenced, and the function runs at its parent', '8s', deadAfterItWasGiven],
    ['while it is taken in: it is fenced, with the data it had handed over', '60s', deadWhileTakenIn],
  ] as const)('%s', { timeout: TIMEOUT }, async ([, deadAfter, course], context) => {
    await deaths((await lab(OCTET, context, { deadAfter })).organism, [course]);
  });
});
