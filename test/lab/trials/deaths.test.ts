/** The child's machine loses its power at every stage, on real machines. */
import { describe, test } from 'vitest';
import { deadAfterItWasGiven, deadBeforeItWasGiven, deadWhileTakenIn, deaths } from '../../courses/deaths.ts';
import { lab, TIMEOUT } from '../faults.ts';
import { KNOT, NSPAWN, needs } from '../needs.ts';

const OCTET = 185;

describe.skipIf(needs('deaths', NSPAWN, KNOT))('a power cut of the child', () => {
  test('it is taken back, fenced or buried, and its functions run at its parent', {
    timeout: TIMEOUT,
  }, async (context) => {
    const { organism } = await lab(OCTET, context, { deadAfter: '10s' });
    await deaths(organism, [deadBeforeItWasGiven, deadAfterItWasGiven, deadWhileTakenIn]);
  });
});
