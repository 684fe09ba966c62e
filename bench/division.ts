/**
 * A division from where throttling is spent to the child answering in DNS, phase by phase as the cell itself noted them,
 * and the whole as seen from outside: from the start of the tick that divides to the first answer with the new address.
 */
import { Resolver } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Mitosis } from '../src/saga.ts';
import type { Garden } from './garden.ts';
import { atMost, type Measure, reported, run } from './measure.ts';

/** After it the child's record is seen in DNS, and ours are gone. */
const ANSWERS_AFTER = 'rewire';
const WITHIN_MS = 60_000;

export type Division = Pick<Mitosis, 'birth' | 'phases' | 'figures'> & { readonly ok: boolean };

export async function measureDivision(garden: Garden): Promise<readonly Measure[]> {
  const answering = seenInDns(garden, 'api.bench.test');
  const { phases, figures } = await divide(garden, 'api');
  const names = Object.keys(phases);
  const own = names.slice(0, names.indexOf(ANSWERS_AFTER) + 1).reduce((sum, name) => sum + (phases[name] ?? 0), 0);
  return [
    ...names.map((name) => reported(`division: ${name}`, 'ms', phases[name] ?? Number.NaN)),
    atMost('division: sum of own phases until the child answers in DNS', 'ms', own, 5_000),
    reported('division: the same from outside, with the start of the tick', 'ms', await answering),
    reported('division: pause of the function', 'ms', figures['pauseMs:api'] ?? Number.NaN),
  ];
}

/** Divides now because of a function, and ticks until the division is over. Throws when it was taken back. */
export async function divide({ first, onFirst }: Garden, name: string): Promise<Division> {
  const before = lastDivision(first.reach.root);
  await run(onFirst('divide', '--now', name));
  const deadline = Date.now() + WITHIN_MS;
  for (;;) {
    const last = lastDivision(first.reach.root);
    if (last !== null && last.birth !== before?.birth) {
      if (!last.ok) throw new Error(`the division of ${name} was taken back`);
      return last;
    }
    if (Date.now() > deadline) throw new Error(`the division of ${name} did not end within ${WITHIN_MS} ms`);
    await sleep(500);
    await run(onFirst('divide'));
  }
}

function lastDivision(root: string): Division | null {
  try {
    return JSON.parse(readFileSync(join(root, 'var/lib/cell/last-division.json'), 'utf8')) as Division;
  } catch {
    return null;
  }
}

/** ms from now until the domain has another address than the first cell's. */
async function seenInDns({ first, dnsPort }: Garden, domain: string): Promise<number> {
  const began = performance.now();
  const resolver = new Resolver({ timeout: 1_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${dnsPort}`]);
  while (performance.now() - began < WITHIN_MS) {
    const addresses = await resolver.resolve4(domain).catch(() => []);
    if (addresses.some((address) => address !== first.reach.address)) return performance.now() - began;
    await sleep(20);
  }
  return Number.NaN;
}
