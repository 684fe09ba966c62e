/** Steps 8 to 10 of mitosis: the world is told, the door is closed, the old way is given up. */
import { isIPv6 } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { addressesOf } from '../../stacks/address.ts';
import { dnsProvider } from '../../stacks/records/index.ts';
import { dnsFor, longestTtl } from '../decide/dns.ts';
import { encrypt } from '../effects/vault.ts';
import { CellError } from '../errors.ts';
import { hand } from '../hand.ts';
import { DNS_POLL_MS, DNS_VISIBLE_MS, FORWARD_GRACE_MS, SLOW_DNS_POLL_MS } from '../limits.ts';
import type { Mitosis, Parent } from '../saga.ts';
import { bodyPlan, exportBody } from './body.ts';
import { childOf } from './imprint.ts';

/** 8: first the child's records, seen by a resolver; then our own, so that no name is ever without an address. */
export async function rewire(parent: Parent, saga: Mitosis): Promise<void> {
  const child = childOf(saga);
  await hand(await parent.reachChild(saga), 'speak', {});
  const names = saga.functions.flatMap((name) => parent.genome.functions[name]?.domain ?? []);
  for (const address of addressesOf(child.reach)) await seenInDns(parent, names, address);
  await parent.donor.speak(saga.functions);
}

/** Secondaries of a zone get its changes a moment later: waits for them, for a while. */
async function seenInDns(parent: Parent, names: readonly string[], address: string): Promise<void> {
  const credentials = await parent.credentials();
  const began = parent.now();
  for (const name of names) {
    for (const dns of dnsFor(parent.genome, name)) {
      const { resolve, slowMs = 0 } = dnsProvider(dns.gene.provider);
      const deadline = began + Math.max(DNS_VISIBLE_MS, slowMs);
      for (;;) {
        const answers = await resolve(name, isIPv6(address) ? 'AAAA' : 'A', credentials.dns?.[dns.name] ?? null);
        if (answers.includes(address)) break;
        if (parent.now() > deadline) throw notSeen(name, address, answers);
        parent.alive(`waits for DNS to show ${name}`);
        await sleep(slowMs === 0 ? DNS_POLL_MS : SLOW_DNS_POLL_MS);
      }
    }
  }
}

function notSeen(name: string, address: string, answers: readonly string[]): CellError {
  return new CellError('UNHEALTHY', `DNS does not show ${name} at ${address} yet`, {
    why: `it answers ${answers.length === 0 ? 'nothing' : answers.join(', ')}`,
  });
}

/** 9: the imprint key goes, and that it is gone is tried. The first cell gets its own body's stack on the way. */
export async function close(parent: Parent, saga: Mitosis): Promise<{ readonly goOnAt: number }> {
  const child = childOf(saga);
  const lineage = await parent.lineage();
  if (!parent.donor.runs) await entrust(parent, saga);
  if (lineage.cells[child.id]?.weaned !== true) {
    if (await parent.opens(saga)) await hand(await parent.reachChild(saga), 'wean', {});
    if (await parent.opens(saga)) {
      throw new CellError('UNHEALTHY', `The imprint key still opens ${child.name}`, {
        suggestion: 'Remove its line from authorized_keys there by hand; until then nothing more is done.',
      });
    }
    await parent.say({ kind: 'weaned', child: child.id });
  }
  await parent.sync(child);
  const moved = saga.mode === 'delegate' && parent.donor.runs;
  return { goOnAt: moved ? parent.now() + longestTtl(parent.genome) + FORWARD_GRACE_MS : 0 };
}

/** The first cell owns its own body: nobody stays behind who could. The seeder keeps no checkpoint. */
async function entrust(parent: Parent, saga: Mitosis): Promise<void> {
  const child = childOf(saga);
  const plan = bodyPlan(parent, saga);
  const engine = await parent.engine(plan);
  if ((await parent.lineage()).owners[plan.name] !== child.id) {
    const portable = await exportBody(parent, saga);
    const sealed = await encrypt([...parent.recipients, child.recipient], Buffer.from(JSON.stringify(portable)));
    const files = { [`stacks/${plan.name}.age`]: sealed };
    await parent.say({ kind: 'entrust', stack: plan.name, to: child.id }, files);
  }
  await parent.sync(child);
  if (await parent.opens(saga))
    await hand(await parent.reachChild(saga), 'adopt', { stack: plan.name, from: parent.id });
  await engine.forget(plan.name);
}

/** 10: the TTL has passed, nobody comes to the old address any more. */
export async function settle(parent: Parent, saga: Mitosis): Promise<void> {
  if (saga.mode !== 'delegate') return;
  for (const name of saga.functions) await parent.donor.forget(name);
}
