/** The child's machine loses its power at the other stages, on real machines: it takes minutes. */
import { describe, test } from 'vitest';
import { deadBeforeItWasGiven, deadWhileTakenIn } from '../../courses/deaths.ts';
import { newOrganism } from '../../courses/organism.ts';
import { labGround } from '../ground.ts';
import { KNOT, NSPAWN, needs } from '../needs.ts';

const OCTET = 171;
const TIMEOUT = 600_000;

describe.skipIf(needs('deaths', NSPAWN, KNOT))('a power cut of the child', () => {
  test.for([
    ['before it was given anything: it is taken back, and nobody notices', deadBeforeItWasGiven],
    ['while it is taken in: it is fenced, with the data it had handed over', deadWhileTakenIn],
  ] as const)('%s', { timeout: TIMEOUT }, async ([, course], context) => {
    const organism = await newOrganism({ deadAfter: '60s' }, () => labGround(OCTET));
    context.onTestFinished(organism.close, TIMEOUT);
    await course(organism);
  });
});
