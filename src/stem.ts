/**
 * Stem cells: machines made ahead of the division that will need one. The whole of it, step by step.
 *
 *   1 reserve    as for any attempt: it costs one of the budget from here on; for no function yet
 *   2 body       the machine, by its stack
 *   3 furnish    the artefacts that every cell has; no key is made there, no genome, nothing of the organism
 *   4 keep       looked at from time to time, and given what an upgrade has changed, until a division takes it
 *
 * A division takes it by writing its own plan over the stem cell's in the journal, in one rename: there is no moment
 * at which two sagas have the machine, or none. It goes on at its imprint, which finds most of what it would send.
 * A stem cell that fails, or is released, is taken back as a division is: machine first, then the budget.
 */
import { explain } from './errors.ts';
import { newSaga, type Steps } from './journal.ts';
import { STEM_LOOK_MS } from './limits.ts';
import { newDivision, newMachine, purposeOf } from './making.ts';
import type { Action, BirthId } from './model.ts';
import type { Mitosis, Parent, Stem } from './saga.ts';
import { giveUp, makeBody, reserve } from './steps/body.ts';
import { furnish } from './steps/imprint.ts';

type Plan = Extract<Action, { kind: 'stem' }>;
type Division = Extract<Action, { kind: 'divide' }>;

export function newStem(now: number, birth: BirthId, { cloud, why }: Plan): Stem {
  return { ...newSaga(now, birth, 'stem', 'reserve'), ...newMachine(birth, cloud), why };
}

/** The steps, bound to a parent. */
export function stemSteps(parent: Parent): Steps<Stem> {
  const lookedAt = async (stem: Stem) => {
    await furnish(parent, stem);
    return parent.now() + STEM_LOOK_MS;
  };
  return [
    ['reserve', (stem) => reserve(parent, stem)],
    ['body', (stem) => makeBody(parent, stem)],
    ['furnish', async (stem) => ({ goOnAt: await lookedAt(stem) })],
    ['keep', async (stem) => ({ goOnAt: await lookedAt(stem), again: true })],
  ];
}

export function stemBack(parent: Parent): Steps<Stem> {
  return [['takeBack', (stem) => giveUp(parent, stem)]];
}

/** Whether it answers now, so that no division waits for one that died. */
export async function answers(parent: Parent, stem: Stem): Promise<boolean> {
  try {
    await parent.reachChild(stem);
    return true;
  } catch (error) {
    parent.log(`the stem cell ${stem.birth} does not answer: ${explain(error)}`, 'warning');
    return false;
  }
}

/** The division that a stem cell becomes. */
export function differentiated(now: number, stem: Stem, plan: Division): Mitosis {
  const { birth, cloud, imprintKey, firstHostKey, reach, ownHostKey = null } = stem;
  const machine = { birth, cloud, imprintKey, firstHostKey, reach, ownHostKey };
  return { ...newDivision(now, purposeOf(plan), machine, 'imprint'), stem: true };
}
