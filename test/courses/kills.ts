/**
 * The course of a function that moves and comes home while SIGKILL strikes at every boundary of every saga. Each step is
 * killed twice: when it is done and not yet written down, so that the next tick does it again, and when it is written
 * down, so that the next tick begins with the one after it. The ticks that are killed are the drill's own; the child's
 * ticks, and the clients, go on all the time.
 */
import { expect } from 'vitest';
import type { Mitosis } from '../../src/saga.ts';
import { begin, end, expectDivided, expectOne, orderAway } from './drill.ts';
import type { Organism } from './organism.ts';
import { STEPS } from './steps.ts';

const APOPTOSIS = ['enter', 'takeBack', 'rewire', 'farewell', 'bury'];
const KILLED = 137;

/** Once the last step is written down the saga is no more, and there is nothing to kill. */
function faults(steps: readonly string[]): readonly string[] {
  return steps.flatMap((step) => [`kill-in:${step}`, `kill-after:${step}`]).slice(0, -1);
}

async function due(organism: Organism, cell: Parameters<Organism['sagas']>[0]): Promise<void> {
  await organism.until('the next step is due', () => organism.sagas(cell).every((saga) => saga.due <= Date.now()));
}

export async function killedAtEveryStep(organism: Organism, name: 'web' | 'api'): Promise<void> {
  const drill = await begin(organism);
  const { first } = drill;

  await organism.pause(first);
  let saga: Mitosis | undefined;
  for (const [index, fault] of faults(STEPS).entries()) {
    await due(organism, first);
    const ran = await organism.tick(first, index === 0 ? { fault, now: name } : { fault });
    expect(ran.code, `${fault}: ${ran.stdout}${ran.stderr}`).toBe(KILLED);
    [saga] = organism.sagas(first) as readonly Mitosis[];
  }
  if (saga === undefined) throw new Error('no saga was ever open');
  await organism.goOn(first);
  const child = await expectDivided(organism, name, saga);

  await organism.pause(first);
  await orderAway(organism, child);
  for (const fault of faults(APOPTOSIS)) {
    await due(organism, first);
    const ran = await organism.tick(first, { fault });
    expect(ran.code, `${fault}: ${ran.stdout}${ran.stderr}`).toBe(KILLED);
  }
  await organism.goOn(first);
  await expectOne(organism, drill);
  await end(organism, drill);
}
