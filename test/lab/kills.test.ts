/** SIGKILL at every boundary of every saga, on real machines. */
import { describe, test } from 'vitest';
import { killedAtEveryStep } from '../courses/kills.ts';
import { newOrganism } from '../courses/organism.ts';
import { labGround } from './ground.ts';
import { KNOT, NSPAWN, needs } from './needs.ts';

const OCTET = 170;
const TIMEOUT = 400_000;

describe.skipIf(needs('kills', NSPAWN, KNOT))('SIGKILL in and after every step', () => {
  test.for(['web', 'api'] as const)('%s moves and comes home', { timeout: TIMEOUT }, async (name, context) => {
    const organism = await newOrganism({}, () => labGround(OCTET));
    context.onTestFinished(organism.close, TIMEOUT);
    await killedAtEveryStep(organism, name);
  });
});
