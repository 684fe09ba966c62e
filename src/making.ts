/**
 * How a machine in the making begins, and the division that it is for: by a cell, by a seeder, or with a stem cell's
 * machine, the same record.
 */
import { generateHostKey } from './effects/keys.ts';
import { newSaga } from './journal.ts';
import type { Action, BirthId } from './model.ts';
import type { Making, Mitosis } from './saga.ts';

type Machine = Omit<Making, 'why'>;
type Purpose = Pick<Mitosis, 'mode' | 'functions' | 'budget' | 'why'>;

export function keyPair(): Making['imprintKey'] {
  const { privatePem, publicKey } = generateHostKey();
  return { privateKey: privatePem, publicKey };
}

/** One that nothing was done for yet, with keys of its own. */
export function newMachine(birth: BirthId, cloud: string): Machine {
  return { birth, cloud, imprintKey: keyPair(), firstHostKey: keyPair(), reach: null };
}

/** What a division is for, as it was decided. */
export function purposeOf({ mode, function: name, along, budget, why }: Extract<Action, { kind: 'divide' }>): Purpose {
  return { mode, functions: [name, ...along], budget, why };
}

/** A division before its first step: where the machine is there already, the imprint. */
export function newDivision(
  now: number,
  purpose: Purpose,
  machine: Machine,
  step: 'reserve' | 'imprint' = 'reserve',
): Mitosis {
  return {
    ...newSaga(now, machine.birth, 'divide', step),
    ...machine,
    ...purpose,
    child: null,
    givenAt: null,
    figures: {},
  };
}
