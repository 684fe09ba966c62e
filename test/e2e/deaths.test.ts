/** The death of the child's machine at every stage, on local machines. */
import { test } from 'vitest';
import { deadAfterItWasGiven, deadBeforeItWasGiven, deadWhileTakenIn, deaths } from '../courses/deaths.ts';
import { newOrganism } from '../courses/organism.ts';

const TIMEOUT = 240_000;

test.concurrent('a child that dies before it was given anything is taken back, and nobody notices', {
  timeout: TIMEOUT,
}, async ({ onTestFinished }) => {
  const organism = await newOrganism();
  onTestFinished(organism.close);
  await deaths(organism, [deadBeforeItWasGiven]);
});

test.concurrent('a child that dies after it was given a function is fenced, and the function runs at its parent', {
  timeout: TIMEOUT,
}, async ({ onTestFinished }) => {
  const organism = await newOrganism({ deadAfter: '8s' });
  onTestFinished(organism.close);
  await deaths(organism, [deadAfterItWasGiven]);
});

test.concurrent('a child that dies while it is taken in is fenced, with the data it had handed over', {
  timeout: TIMEOUT,
}, async ({ onTestFinished }) => {
  const organism = await newOrganism({ deadAfter: '60s' });
  onTestFinished(organism.close);
  await deaths(organism, [deadWhileTakenIn]);
});
