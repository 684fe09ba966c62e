/**
 * The child's machine loses its power after it was given a function, on real machines: it is fenced, and the function runs
 * at its parent again. The other stages are drilled on local machines, and here by `npm run test:trials`.
 */
import { describe, test } from 'vitest';
import { deadAfterItWasGiven } from '../courses/deaths.ts';
import { newOrganism } from '../courses/organism.ts';
import { labGround } from './ground.ts';
import { KNOT, NSPAWN, needs } from './needs.ts';

const OCTET = 171;
const TIMEOUT = 400_000;

describe.skipIf(needs('deaths', NSPAWN, KNOT))('a power cut of the child', () => {
  test('after it was given a function: it is fenced, and the function runs at its parent', {
    timeout: TIMEOUT,
  }, async ({ onTestFinished }) => {
    const organism = await newOrganism({ deadAfter: '8s' }, () => labGround(OCTET));
    onTestFinished(organism.close, TIMEOUT);
    await deadAfterItWasGiven(organism);
  });
});
