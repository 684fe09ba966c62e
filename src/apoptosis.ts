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
import type { Steps } from './journal.ts';
import type { Absorber, Apoptosis } from './saga.ts';
import { bury, enter, farewell, reunite, takeIn } from './steps/take-in.ts';

export function apoptosis(parent: Absorber): Steps<Apoptosis> {
  return [
    ['enter', (saga) => enter(parent, saga)],
    ['takeBack', (saga) => takeIn(parent, saga)],
    ['rewire', (saga) => reunite(parent, saga)],
    ['farewell', (saga) => farewell(parent, saga)],
    ['bury', (saga) => bury(parent, saga)],
  ];
}
