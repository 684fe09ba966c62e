/**
 * Apoptosis, seen from the parent: how a cell that wants to go is taken in again. Step by step.
 *
 *   1 enter      the wilting child has let our own key in; its data comes over once, while it still serves
 *   2 takeBack   each function: held there, the difference copied, running and healthy here, handed back, proxied
 *   3 rewire     our records up, then the child's off
 *                then the TTL passes; who still comes to the child is proxied to us
 *   4 farewell   the child's last entry, heard by us
 *   5 bury       its machine destroyed, its budget ours
 */
import type { Remote } from './effects/ssh.ts';
import type { Saga, Steps } from './journal.ts';
import type { Parent } from './mitosis.ts';
import type { Cell, CellId, FunctionName } from './model.ts';
import { bury, enter, farewell, reunite, takeIn } from './steps/take-in.ts';

export interface Apoptosis extends Saga<'absorb'> {
  readonly child: CellId;
  readonly functions: readonly FunctionName[];
  readonly why: string;
}

/** The receiving side of a function. */
export interface Recipient {
  /** Copies what differs of a function's data from the child into a place of its own here; gives bytes. */
  bring(name: FunctionName, child: Cell, remote: Remote): Promise<number>;
  /** Runs it here with what was brought: as it stands where the child was its only home, merged where it runs here. */
  receive(name: FunctionName, child: Cell): Promise<void>;
  /** It could not be received: it does not run here if the child is its only home, and nothing waits for it here. */
  release(name: FunctionName): Promise<void>;
}

export interface Absorber extends Omit<Parent, 'reachChild' | 'opens'> {
  readonly recipient: Recipient;
  /** A connection to a wilting child, by our own key. */
  enter(child: Cell): Promise<Remote>;
}

export function apoptosis(parent: Absorber): Steps<Apoptosis> {
  return [
    ['enter', (saga) => enter(parent, saga)],
    ['takeBack', (saga) => takeIn(parent, saga)],
    ['rewire', (saga) => reunite(parent, saga)],
    ['farewell', (saga) => farewell(parent, saga)],
    ['bury', (saga) => bury(parent, saga)],
  ];
}
