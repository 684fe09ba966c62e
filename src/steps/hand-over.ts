/** Steps 5 and 6 of mitosis: what a function needs goes to the child, and then the function itself. */
import { explain } from '../errors.ts';
import { hand } from '../hand.ts';
import type { FunctionName } from '../model.ts';
import type { Mitosis, Parent } from '../saga.ts';
import { childOf } from './imprint.ts';

/** 5: sources and settings, and the data once over, while everything still runs here. */
export async function prepare(parent: Parent, saga: Mitosis): Promise<void> {
  const remote = await parent.reachChild(saga);
  await hand(remote, 'prepare', { functions: saga.functions });
  for (const name of saga.functions) {
    saga.figures[`firstPass:${name}`] = await parent.donor.copy(name, remote);
  }
}

/**
 * 6: the functions change their home. Delegated by a cell: one after the other, stopped here before it starts there, so
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
    await hand(await parent.reachChild(saga), 'start', { functions: waiting });
    for (const name of waiting) await parent.say({ kind: 'give', function: name, to: child.id, mode: saga.mode });
  }
  saga.givenAt = parent.now();
  await parent.sync(child);
}

async function move(parent: Parent, saga: Mitosis, name: FunctionName): Promise<void> {
  const child = childOf(saga);
  const remote = await parent.reachChild(saga);
  const began = parent.now();
  saga.stranded = null;
  const again = await parent.donor.hold(name);
  try {
    // Begun before, and the process died: it may run there already, and would write over what is copied now.
    if (again) await hand(remote, 'hold', { function: name });
    saga.figures[`secondPass:${name}`] = await parent.donor.copy(name, remote);
    await hand(remote, 'start', { functions: [name] });
  } catch (error) {
    await goOnHere(parent, saga, name);
    throw error;
  }
  await parent.say({ kind: 'give', function: name, to: child.id, mode: saga.mode });
  await parent.donor.forward(name, child.id, parent.now() + forwardingMs(parent));
  saga.figures[`pauseMs:${name}`] = parent.now() - began;
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
    parent.log(`${name} may run on a child that does not answer: ${explain(error)}`);
    return;
  }
  await parent.donor.resume(name);
  saga.stranded = null;
}

/** How long requests may still come to the old address after the records changed. */
export function forwardingMs(parent: Pick<Parent, 'genome'>): number {
  // Twice: the old records stay up until the new ones are seen, and only then does their TTL begin to run out.
  return 2 * parent.genome.dns.ttl + 60_000;
}
