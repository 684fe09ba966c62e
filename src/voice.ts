/**
 * A cell's voices: its own records in DNS, and nobody else's; one stack for each DNS provider that it speaks at. What they
 * should be follows from the lineage; a stack is run only when that differs from what was last said, so a tick that
 * changes nothing loads no engine.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { compile } from '../genome/compile.ts';
import type { Genome } from '../genome/schema.ts';
import { addressesOf, boundAddresses } from '../stacks/address.ts';
import { parseStackName, stackName, voiceName } from '../stacks/names.ts';
import { dnsProvider } from '../stacks/records/index.ts';
import type { StackPlan } from '../stacks/stack.ts';
import { type Dns, dnsFor, dnsOf, ONLY } from './decide/dns.ts';
import { readJson, writeAtomic } from './effects/files.ts';
import { credentialsOf, engineOf, genomeOf, type Here, lineageOf } from './here.ts';
import { mended } from './mended.ts';
import type { Cell, FunctionName, Reach } from './model.ts';
import { change, hush, trafficOf } from './traffic.ts';
import { unspeak } from './unmake.ts';

/** What was last said, by stack: a hash of its plan and the address. */
type Said = Readonly<Record<string, string>>;
/** Where it was said, by the name of the provider: a genome may have it no more when its records have to go. */
type Makers = Readonly<Record<string, Pick<Dns, 'zone' | 'gene'>>>;

const fileOf = (here: Pick<Here, 'home'>) => join(here.home, 'voice.json');

async function keep(here: Here, said: Said, genome: Genome): Promise<void> {
  const places = Object.keys(said).map((stack) => parseStackName(stack)?.dns);
  const makers = dnsOf(genome).filter(({ name }) => places.includes(name));
  const at = Object.fromEntries(makers.map(({ name, zone, gene }): [string, Makers[string]] => [name, { zone, gene }]));
  await writeAtomic(fileOf(here), JSON.stringify(makers.length === 0 ? { said } : { said, at }));
}

async function lastSaid(
  here: Here,
  { birth }: Cell,
  organism: string,
): Promise<{ readonly said: Said; readonly at: Makers }> {
  const told = await readJson<{ said?: Said; hash?: string | null; at?: Makers }>(fileOf(here), {});
  const { said, hash, at = {} } = told;
  // Before there could be several, the file held the one hash.
  return { said: said ?? (typeof hash === 'string' ? { [stackName(organism, birth, 'voice')]: hash } : {}), at };
}

/** The genome with the providers, too, at which something was said and which it names no more. */
function withFormer(genome: Genome, at: Makers): Genome {
  const former = Object.entries(at).filter(([name]) => !dnsOf(genome).some((dns) => dns.name === name));
  if (former.length === 0) return genome;
  const all: readonly Pick<Dns, 'name' | 'zone' | 'gene'>[] = [
    ...dnsOf(genome),
    ...former.map(([name, maker]) => ({ name, ...maker })),
  ];
  return { ...genome, dns: Object.fromEntries(all.map(({ name, zone, gene }) => [name, { ...gene, zone }])) };
}

/**
 * Makes the own records what they should be; gives the number of resources that changed.
 *
 * @param coming functions that will be ours in a moment: requests for them wait here already.
 */
export async function speak(here: Here, coming: readonly FunctionName[] = []): Promise<number> {
  const [genome, lineage, traffic] = await Promise.all([genomeOf(here), lineageOf(here), trafficOf(here)]);
  const self = lineage.cells[here.identity.id];
  if (self === undefined) return 0;
  // A function that is held for a moment keeps its record: its requests wait here.
  const own = self.functions.filter((name) => traffic.running.includes(name) || traffic.holding.includes(name));
  // So does one that went, until its new home is seen in DNS: requests are sent on from here.
  const went = traffic.forwarding.filter((entry) => entry.spoken).map((entry) => entry.function);
  const known = [...own, ...went, ...coming].filter((name) => genome.functions[name] !== undefined);
  const functions = self.state === 'parted' ? [] : [...new Set(known)].sort();
  const who = { birth: self.birth, parent: self.parent, cloud: self.cloud, functions };
  const plans = compile(genome, who).filter((stack) => stack.kind === 'voice');
  const last = await lastSaid(here, self, lineage.organism);
  let { said } = last;
  const due = plans.flatMap((plan) => {
    const hash = hashOf(plan, self.reach);
    return said[plan.name] === hash ? [] : [{ plan, hash }];
  });
  const over = Object.keys(said).filter((name) => !plans.some((plan) => plan.name === name));
  if (due.length === 0 && over.length === 0) return 0;
  const mouth: Mouth = { here, genome, self, published: traffic.published };
  const former = { ...mouth, genome: withFormer(genome, last.at) };
  const attempts: (() => Promise<number>)[] = [
    ...due.map(({ plan, hash }) => async () => {
      const changed = await bring(mouth, plan, functions);
      said = { ...said, [plan.name]: hash };
      return changed;
    }),
    ...over.map((name) => async () => {
      const changed = await end(former, name);
      // Where another maker of the same zone still says them, its servers go on showing them.
      const zone = dnsOf(former.genome).find((dns) => dns.name === parseStackName(name)?.dns)?.zone;
      const still = domainsOf(genome, functions).filter((one) => dnsFor(genome, one).some((dns) => dns.zone === zone));
      await untilGone(former, parseStackName(name)?.dns, still);
      said = Object.fromEntries(Object.entries(said).filter(([other]) => other !== name));
      return changed;
    }),
  ];
  // A provider that is down keeps nobody from speaking at the others.
  const changed = await each(attempts, () => keep(here, said, former.genome));
  await change(here, () => ({ published: domainsOf(genome, functions) }));
  return changed;
}

/** No records any more, whatever went from here. */
export async function silence(here: Here): Promise<void> {
  await hush(here);
  const [now, lineage] = await Promise.all([genomeOf(here), lineageOf(here)]);
  const self = lineage.cells[here.identity.id];
  if (self === undefined) return;
  const { said, at } = await lastSaid(here, self, lineage.organism);
  const genome = withFormer(now, at);
  // A stack that nobody remembers may be there all the same; only to look for it no Pulumi is needed.
  const light = dnsOf(genome).filter(({ gene }) => dnsProvider(gene.provider).engine === 'embedded');
  const names = [...Object.keys(said), ...light.map(({ name }) => voiceName(lineage.organism, self.birth, name))];
  const mouth: Mouth = { here, genome, self, published: (await trafficOf(here)).published };
  await each(
    [...new Set(names)].map((name) => async () => end(mouth, name)),
    async () => {},
  );
  await unspeak(here, genome, self.birth);
  for (const { name } of dnsOf(genome)) await untilGone(mouth, name, []);
  await change(here, () => ({ published: [] }));
  await keep(here, {}, genome);
}

const hashOf = (plan: StackPlan, reach: Reach) =>
  createHash('sha256')
    .update(JSON.stringify([plan, ...addressesOf(reach)]))
    .digest('hex');

/** Does all of them, and `after` each that is done; then throws what the first that failed threw. */
async function each(attempts: readonly (() => Promise<number>)[], after: () => Promise<void>): Promise<number> {
  const failures: unknown[] = [];
  let sum = 0;
  for (const attempt of attempts) {
    try {
      sum += await attempt();
      await after();
    } catch (failure) {
      failures.push(failure);
    }
  }
  if (failures.length > 0) throw failures[0];
  return sum;
}

/** Who speaks. `published`: the domains that its records may name. */
interface Mouth {
  readonly here: Here;
  readonly genome: Genome;
  readonly self: Cell;
  readonly published: readonly string[];
}

const domainsOf = (genome: Genome, functions: readonly FunctionName[]) =>
  functions.flatMap((name) => genome.functions[name]?.domain ?? []);

const isSpokenAt = (genome: Genome, domain: string, place: string) =>
  dnsFor(genome, domain).some(({ name }) => name === place);

/** Makes the records of one stack what its plan says. */
async function bring(mouth: Mouth, plan: StackPlan, functions: readonly FunctionName[]): Promise<number> {
  const { here, genome, self } = mouth;
  const place = plan.place ?? ONLY;
  const dns = dnsOf(genome).find(({ name }) => name === place);
  if (dns === undefined) throw new Error(`a voice speaks at ${place}, which the genome does not have`);
  const provider = dnsProvider(dns.gene.provider);
  const credential = (await credentialsOf(here)).dns?.[place] ?? null;
  const domains = domainsOf(genome, functions).filter((domain) => isSpokenAt(genome, domain, place));
  const need = { organism: genome.organism, birth: self.birth, zone: dns.zone, domains };
  await provider.clear?.(need, credential);
  const engine = await engineOf(here, plan.engine, genome, place);
  const values = { ...boundAddresses(self.reach), ...(credential === null ? {} : provider.values?.(credential)) };
  const { changes, outputs } = await mended(
    engine,
    plan.name,
    here.log,
    () => engine.up(plan, { values }),
    // Without its checkpoint the stack knows of no record that is to go.
    () => unspeak(here, genome, self.birth, place),
  );
  const kept = Object.values(outputs).flatMap(({ id }) => (typeof id === 'string' ? [id] : []));
  await provider.tidy?.(need, new Set(kept), credential);
  await untilGone(mouth, place, domains);
  return changes.filter((one) => one.operation !== 'same').length;
}

/** Takes the records of one stack away, and the stack. */
async function end(mouth: Mouth, name: string): Promise<number> {
  const { here, genome, self } = mouth;
  const place = parseStackName(name)?.dns;
  const dns = dnsOf(genome).find((one) => one.name === place);
  const kind = dns === undefined ? 'embedded' : dnsProvider(dns.gene.provider).engine;
  const engine = await engineOf(here, kind, genome, place);
  const { changes } = await mended(
    engine,
    name,
    here.log,
    () => engine.destroy(name),
    () => unspeak(here, genome, self.birth, place),
  );
  return changes.filter((one) => one.operation !== 'same').length;
}

/** Who is sent here is counted by TTLs from now on, so now has to be true at every server of the zone. */
async function untilGone(mouth: Mouth, place: string | undefined, domains: readonly string[]): Promise<void> {
  const { here, genome, self, published } = mouth;
  const dns = dnsOf(genome).find(({ name }) => name === place);
  const credential = (await credentialsOf(here)).dns?.[place ?? ''];
  if (dns === undefined || credential === undefined) return;
  const left = published.filter((domain) => !domains.includes(domain) && isSpokenAt(genome, domain, dns.name));
  if (left.length > 0) await dnsProvider(dns.gene.provider).gone?.(left, addressesOf(self.reach), credential);
}
