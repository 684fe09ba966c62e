/** The genome of a living organism is changed on real machines: doors, owners and units are as an operating system has them. */
import { describe, test } from 'vitest';
import { newOrganism } from '../courses/organism.ts';
import { genomeChanges } from '../courses/renewal.ts';
import { labGround } from './ground.ts';
import { KNOT, NSPAWN, needs } from './needs.ts';

const OCTET = 193;
const TIMEOUT = 600_000;

describe.skipIf(needs('apply', NSPAWN, KNOT))('a changed genome', () => {
  test('goes over two machines, and back when it does not hold', { timeout: TIMEOUT }, async (context) => {
    const organism = await newOrganism({ suspectAfter: '10s' }, () => labGround(OCTET));
    context.onTestFinished(organism.close, TIMEOUT);
    await genomeChanges(organism);
  });
});
