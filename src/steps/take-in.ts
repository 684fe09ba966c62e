/** The steps of apoptosis. Each may be done again: a function that is back already is passed over. */

import { longestTtl } from '../decide/dns.ts';
import { aliveDuring } from '../dumps.ts';
import type { Remote } from '../effects/ssh.ts';
import { CellError, explain } from '../errors.ts';
import { geneOf } from '../functions.ts';
import { hand } from '../hand.ts';
import { FORWARD_GRACE_MS, HAND_TIMEOUT_MS } from '../limits.ts';
import type { Cell, FunctionName } from '../model.ts';
import type { Absorber, Apoptosis } from '../saga.ts';
import { approach } from './approach.ts';
import { forwardingMs } from './hand-over.ts';

async function childIn(parent: Absorber, saga: Apoptosis): Promise<Cell> {
  const child = (await parent.lineage()).cells[saga.child];
  if (child === undefined) throw new CellError('NOT_FOUND', `No cell ${saga.child} was ever born here`);
  return child;
}

/** 1: its data once over, while it serves. */
export async function enter(parent: Absorber, saga: Apoptosis): Promise<void> {
  const child = await childIn(parent, saga);
  const remote = await parent.enter(child);
  const coming = atHome(child, saga);
  const { certificates } = await hand(remote, 'certificates', { functions: coming });
  await parent.recipient.expect(coming, certificates);
  for (const name of coming) await parent.recipient.bring(name, child, remote, false);
}

/** 2: one function after the other comes home. */
export async function takeIn(parent: Absorber, saga: Apoptosis): Promise<void> {
  const child = await childIn(parent, saga);
  const remote = await parent.enter(child);
  const until = parent.now() + forwardingMs(parent);
  for (const name of saga.functions) {
    if (atHome(child, saga).includes(name)) await move(parent, child, remote, name);
    // Also of one that was handed back before: that it is sent on may not have been done yet.
    await hand(remote, 'handBack', { function: name, to: parent.id, until });
    await parent.sync(child);
  }
}

/** Functions that the child has not handed back. */
function atHome(child: Cell, saga: Apoptosis): readonly FunctionName[] {
  return saga.functions.filter((name) => child.functions.includes(name));
}

async function move(parent: Absorber, child: Cell, remote: Remote, name: FunctionName): Promise<void> {
  await approach(() => parent.recipient.bring(name, child, remote, false));
  try {
    const { dump, within } = geneOf(parent.genome, name).handover;
    const hold = hand(remote, 'hold', { function: name, dump: dump !== undefined }, within + HAND_TIMEOUT_MS);
    await aliveDuring(parent.alive, `${child.name} dumps ${name}`, hold);
    await parent.recipient.bring(name, child, remote, true);
    await parent.recipient.receive(name, child);
  } catch (error) {
    // Until the next attempt it goes on where it was. A child that does not answer is dead, or soon counts as that.
    await parent.recipient.release(name);
    await hand(remote, 'resume', { function: name }).catch((failed) => {
      parent.log(`${name} stands still on ${child.name}: ${explain(failed)}`, 'err', { function: name });
    });
    throw error;
  }
}

/** 3: our own records first, so that no name is ever without an address. */
export async function reunite(parent: Absorber, saga: Apoptosis): Promise<{ readonly goOnAt: number }> {
  const child = await childIn(parent, saga);
  await parent.donor.speak();
  await hand(await parent.enter(child), 'silence', {});
  return { goOnAt: parent.now() + longestTtl(parent.genome) + FORWARD_GRACE_MS };
}

/** 4: its feed ends. */
export async function farewell(parent: Absorber, saga: Apoptosis): Promise<void> {
  const child = await childIn(parent, saga);
  if (child.state !== 'parted' && child.state !== 'gone') {
    await hand(await parent.enter(child), 'farewell', {});
    await parent.sync(child);
  }
}

/** 5: the machine goes, and what it cost comes back. */
export async function bury(parent: Absorber, saga: Apoptosis): Promise<void> {
  const child = await childIn(parent, saga);
  if (child.state === 'gone') return;
  if (child.state !== 'parted') throw new CellError('UNHEALTHY', `${child.name} has not said farewell yet`);
  await parent.unmake(child.birth);
  await parent.seekFor(child);
  await parent.say({ kind: 'bury', child: child.id });
}
