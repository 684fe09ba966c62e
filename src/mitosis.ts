/**
 * Mitosis: how a cell, or a seeder, brings about another cell. The whole of it, step by step.
 *
 *   1 reserve    say in the feed that a machine is attempted; it costs one of the budget from here on
 *   2 body       the machine, by its stack
 *   3 imprint    artefacts over SSH; the new cell makes its keys and calls home
 *   4 endow      credentials minted for what the child will do
 *   5 birth      announce it, split the budget, exchange state, let it begin to beat
 *   6 prepare    sources, secrets and a first copy of the data, while the functions still run here
 *   7 handOver   hold requests, stop, copy the difference, start there, prove healthy, give
 *   8 rewire     the child's voice up, seen in DNS, then our own records off
 *   9 close      our imprint key no longer opens the child; proved by trying it
 *  10 settle     once the TTL has passed: stop proxying for what moved
 *
 * Killed after any step, the next tick goes on at the one after it. Until something has been given away (7) it can be
 * taken back instead: the machine destroyed, its credentials revoked, the functions running here again, the budget
 * returned.
 */
import type { Steps } from './journal.ts';
import type { Lineage } from './model.ts';
import type { Mitosis, Parent } from './saga.ts';
import { makeBody, reserve, takeDown } from './steps/body.ts';
import { endow } from './steps/endow.ts';
import { handOver, prepare } from './steps/hand-over.ts';
import { announce, imprint } from './steps/imprint.ts';
import { close, rewire, settle } from './steps/rewire.ts';

/** The steps, bound to a parent. */
export function mitosis(parent: Parent): Steps<Mitosis> {
  return [
    ['reserve', (saga) => reserve(parent, saga)],
    ['body', (saga) => makeBody(parent, saga)],
    ['imprint', (saga) => imprint(parent, saga)],
    ['endow', (saga) => endow(parent, saga)],
    ['birth', (saga) => announce(parent, saga)],
    ['prepare', (saga) => prepare(parent, saga)],
    ['handOver', (saga) => handOver(parent, saga)],
    ['rewire', (saga) => rewire(parent, saga)],
    ['close', (saga) => close(parent, saga)],
    ['settle', (saga) => settle(parent, saga)],
  ];
}

/** The one step of a division that failed for good; one that has begun is not turned round again. */
export function takingBack(parent: Parent): Steps<Mitosis> {
  return [['takeBack', (saga) => takeDown(parent, saga)]];
}

/** Whether a division may still be taken back: nothing of it has been given to the child. */
export function canTakeBack(saga: Mitosis, lineage: Lineage): boolean {
  const { child } = saga;
  if (child === null) return true;
  return !Object.values(lineage.homes).some((homes) => homes.includes(child.id));
}
