/** Steps 6 and 7 of mitosis: what a function needs goes to the child, and then the function itself. */
import { longestTtl } from '../decide/dns.ts';
import { aliveDuring } from '../dumps.ts';
import type { Remote } from '../effects/ssh.ts';
import { explain } from '../errors.ts';
import { geneOf } from '../functions.ts';
import { hand } from '../hand.ts';
import { HAND_TIMEOUT_MS } from '../limits.ts';
import type { FunctionName } from '../model.ts';
import type { Mitosis, Parent } from '../saga.ts';
import { approach } from './approach.ts';
import { childOf } from './imprint.ts';

/** 6: sources and settings, certificates, and the data once over, while everything still runs here. */
export async function prepare(parent: Parent, saga: Mitosis): Promise<void> {
  const remote = await parent.reachChild(saga);
  const certificates = await parent.donor.certificates(saga.functions);
  await hand(remote, 'prepare', { functions: saga.functions, certificates });
  await parent.donor.ready();
  for (const name of saga.functions) {
    // What runs on here dumps while it does; one that moves does so once it has come to rest.
    if (saga.mode === 'replicate') await parent.donor.dump(name);
    const { bytes, ms } = await parent.donor.copy(name, remote, false);
    Object.assign(saga.figures, { [`firstPass:${name}`]: bytes, [`firstPassMs:${name}`]: Math.round(ms) });
  }
}

/**
 * 7: the functions change their home. Delegated by a cell: one after the other, stopped here before it starts there, so
 * that there are never two, and requests wait meanwhile. Replicated, or from a seeder: started there all at once, for
 * they may need each other to be healthy.
 */
export async function handOver(parent: Parent, saga: Mitosis): Promise<void> {
  const child = childOf(saga);
  const { homes } = await parent.lineage();
  const waiting = saga.functions.filter((name) => homes[name]?.includes(child.id) !== true);
  if (saga.mode === 'delegate' && parent.donor.runs) {
    for (const name of waiting) await move(parent, saga, name);
    for (const name of saga.functions) await parent.donor.forward(name, child.id, parent.now() + forwardingMs(parent));
  } else if (waiting.length > 0) {
    const remote = await parent.reachChild(saga);
    for (const name of waiting) await restore(parent, remote, name);
    await hand(remote, 'start', { functions: waiting });
    for (const name of waiting) {
      await parent.say({ kind: 'give', function: name, to: child.id, mode: saga.mode });
      await parent.donor.tidy(name);
    }
  }
  saga.givenAt = parent.now();
  await parent.sync(child);
}

async function move(parent: Parent, saga: Mitosis, name: FunctionName): Promise<void> {
  const child = childOf(saga);
  const remote = await parent.reachChild(saga);
  saga.stranded = null;
  const { figures } = saga;
  // Begun before, and the process died: it may run there already, and would write over what is copied now.
  await hand(remote, 'hold', { function: name });
  const before = await approach(() => parent.donor.copy(name, remote, false));
  const began = parent.now();
  try {
    await parent.donor.hold(name);
    const { bytes, ms } = await parent.donor.copy(name, remote, true);
    Object.assign(figures, { [`secondPass:${name}`]: bytes, [`secondPassMs:${name}`]: Math.round(ms) });
    await restore(parent, remote, name);
    await hand(remote, 'start', { functions: [name] });
  } catch (error) {
    await goOnHere(parent, saga, name);
    throw error;
  }
  await parent.say({ kind: 'give', function: name, to: child.id, mode: saga.mode });
  await parent.donor.forward(name, child.id, parent.now() + forwardingMs(parent));
  figures[`passes:${name}`] = before.length;
  figures[`passedBytes:${name}`] = before.reduce((sum, { bytes }) => sum + bytes, 0);
  figures[`pauseMs:${name}`] = parent.now() - began;
}

/** What was dumped here is put in place there, before the function starts. */
async function restore(parent: Parent, remote: Remote, name: FunctionName): Promise<void> {
  const { dump, restore: hook, within } = geneOf(parent.genome, name).handover;
  if (dump === undefined || hook === undefined || !parent.donor.runs) return;
  const asked = hand(remote, 'restore', { function: name }, within + HAND_TIMEOUT_MS);
  await aliveDuring(parent.alive, `restores ${name}`, asked);
}

/**
 * It does not run there, so it runs here until the next attempt: nobody waits for a child that fails. When the child does
 * not answer any more, it may run there: then it stands still until the machine is destroyed, which is to be at once.
 */
async function goOnHere(parent: Parent, saga: Mitosis, name: FunctionName): Promise<void> {
  saga.stranded = name;
  try {
    await hand(await parent.reachChild(saga), 'hold', { function: name });
  } catch (error) {
    parent.log(`${name} may run on a child that does not answer: ${explain(error)}`, 'err', {
      function: name,
      saga: saga.id,
    });
    return;
  }
  await parent.donor.resume(name);
  saga.stranded = null;
}

/** How long requests may still come to the old address after the records changed. */
export function forwardingMs(parent: Pick<Parent, 'genome'>): number {
  // Twice: the old records stay up until the new ones are seen, and only then does their TTL begin to run out.
  return 2 * longestTtl(parent.genome) + 60_000;
}
