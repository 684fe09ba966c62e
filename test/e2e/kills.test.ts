/** SIGKILL at every boundary of every saga, on local machines. */
import { test } from 'vitest';
import { killedAtEveryStep } from '../courses/kills.ts';
import { newOrganism } from '../courses/organism.ts';

test.concurrent.for(['web', 'api'] as const)(
  '%s moves and comes home, killed in and after every step',
  { timeout: 240_000 },
  async (name, { onTestFinished }) => {
    const organism = await newOrganism();
    onTestFinished(organism.close);
    await killedAtEveryStep(organism, name);
  },
);
