/** Strays: machines, records and credentials that carry the organism's tags and that no lineage knows. */
import type { Genome } from '../genome/schema.ts';
import { computeProvider } from '../stacks/machines/index.ts';
import { dnsProvider } from '../stacks/records/index.ts';
import { dnsOf } from './decide/dns.ts';
import { mintedFor } from './endow.ts';
import type { Credentials } from './here.ts';

export interface Stray {
  readonly kind: 'machine' | 'record' | 'credential';
  readonly provider: string;
  /** The cloud of the genome whose credential shows it; null for what is of none. */
  readonly cloud: string | null;
  /** The same of its DNS providers. */
  readonly dns: string | null;
  readonly id: string;
  readonly birth: string;
  /** An address, a record set or what a credential is for, for people. */
  readonly what: string;
}

/** Everything that carries the organism's tags but belongs to none of `known`. */
export async function strays(
  genome: Genome,
  credentials: Credentials,
  known: ReadonlySet<string>,
): Promise<readonly Stray[]> {
  const found: Stray[] = [];
  const seen = new Set<string>();
  for (const [cloud, gene] of Object.entries(genome.clouds)) {
    const credential = credentials.compute?.[cloud];
    if (credential === undefined) continue;
    for (const machine of await computeProvider(gene.provider).list(genome.organism, credential)) {
      // One that cannot be asked is nobody's stray: see `unasked`; unmake.ts waits where it matters.
      if (machine.birth === null) continue;
      // Two clouds may be one place under two names; but an id says only which of its own provider's machines is meant.
      const same = JSON.stringify([gene.provider, credential, machine.id]);
      if (known.has(machine.birth) || seen.has(same)) continue;
      seen.add(same);
      found.push({
        kind: 'machine',
        provider: gene.provider,
        cloud,
        dns: null,
        id: machine.id,
        birth: machine.birth,
        what: machine.address ?? machine.id,
      });
    }
  }
  for (const { name, gene } of dnsOf(genome)) {
    const credential = credentials.dns?.[name];
    if (credential === undefined) continue;
    for (const record of await dnsProvider(gene.provider).list(genome.organism, credential)) {
      const same = JSON.stringify([gene.provider, 'dns', credential, record.id]);
      if (known.has(record.birth) || seen.has(same)) continue;
      seen.add(same);
      found.push({
        kind: 'record',
        provider: gene.provider,
        cloud: null,
        dns: name,
        id: record.id,
        birth: record.birth,
        what: `${record.name} ${record.type} ${record.values.join(' ')}`,
      });
    }
  }
  for (const { provider, id, birth, kind, place, generation } of await mintedFor(genome, credentials)) {
    if (known.has(birth)) continue;
    const [cloud, dns] = kind === 'compute' ? [place, null] : [null, place];
    const what = `${provider} for ${place}, number ${generation}`;
    found.push({ kind: 'credential', provider, cloud, dns, id, birth, what });
  }
  return found;
}

/** Addresses of machines that are there whoever has them, and that cannot be asked now: nobody knows of them. */
export async function unasked(genome: Genome, credentials: Credentials): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const [cloud, gene] of Object.entries(genome.clouds)) {
    const credential = credentials.compute?.[cloud];
    if (credential === undefined) continue;
    for (const machine of await computeProvider(gene.provider).list(genome.organism, credential)) {
      if (machine.birth === null) found.add(machine.address ?? machine.id);
    }
  }
  return [...found];
}

/** Removes strays: records first, so that nobody is sent to a machine that goes. */
export async function removeStrays(genome: Genome, credentials: Credentials, found: readonly Stray[]): Promise<void> {
  for (const stray of found.filter(({ kind }) => kind === 'record')) {
    const gene = dnsOf(genome).find(({ name }) => name === stray.dns)?.gene;
    const credential = credentials.dns?.[stray.dns ?? ''];
    if (gene !== undefined && credential !== undefined) await dnsProvider(gene.provider).remove(stray.id, credential);
  }
  for (const stray of found.filter(({ kind }) => kind === 'machine')) {
    const gene = genome.clouds[stray.cloud ?? ''];
    const credential = credentials.compute?.[stray.cloud ?? ''];
    if (gene !== undefined && credential !== undefined)
      await computeProvider(gene.provider).remove(stray.id, credential);
  }
  // Last: what is gone asks for nothing any more.
  const over = new Set(
    found.filter(({ kind }) => kind === 'credential').map(({ provider, id }) => `${provider} ${id}`),
  );
  if (over.size === 0) return;
  for (const one of await mintedFor(genome, credentials)) if (over.has(`${one.provider} ${one.id}`)) await one.revoke();
}
