/**
 * A cell's voices: its own records in DNS, and nobody else's; one stack for each DNS provider that it speaks at. What they
 * should be follows from the lineage; a stack is run only when that differs from what was last said, so a tick that
 * changes nothing loads no engine.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { compile } from '../genome/compile.ts';
import type { Genome } from '../genome/schema.ts';
import { parseStackName, stackName, voiceName } from '../stacks/names.ts';
import { dnsProvider } from '../stacks/records/index.ts';
import type { StackPlan } from '../stacks/stack.ts';
import { dnsOf } from './decide/dns.ts';
import { readJson, writeAtomic } from './effects/files.ts';
import { engineOf, genomeOf, type Here, lineageOf } from './here.ts';
import { mended } from './mended.ts';
import type { Cell } from './model.ts';
import { change, hush, trafficOf } from './traffic.ts';
import { unspeak } from './unmake.ts';

/** What was last said, by stack: a hash of its plan and the address. */
type Said = Readonly<Record<string, string>>;

const fileOf = (here: Pick<Here, 'home'>) => join(here.home, 'voice.json');
const keep = (here: Here, said: Said) => writeAtomic(fileOf(here), JSON.stringify({ said }));

async function lastSaid(here: Here, { birth }: Cell, organism: string): Promise<Said> {
  const { said, hash } = await readJson<{ said?: Said; hash?: string | null }>(fileOf(here), {});
  // Before there could be several, the file held the one hash.
  return said ?? (typeof hash === 'string' ? { [stackName(organism, birth, 'voice')]: hash } : {});
}

/** Makes the own records what they should be; gives the number of resources that changed. */
export async function speak(here: Here): Promise<number> {
  const [genome, lineage, traffic] = await Promise.all([genomeOf(here), lineageOf(here), trafficOf(here)]);
  const self = lineage.cells[here.identity.id];
  if (self === undefined) return 0;
  // A function that is held for a moment keeps its record: its requests wait here.
  const own = self.functions.filter((name) => traffic.running.includes(name) || traffic.holding.includes(name));
  // So does one that went, until its new home is seen in DNS: requests are sent on from here.
  const went = traffic.forwarding.filter((entry) => entry.spoken).map((entry) => entry.function);
  const functions = self.state === 'parted' ? [] : [...new Set([...own, ...went])].sort();
  const who = { birth: self.birth, parent: self.parent, cloud: self.cloud, functions };
  const plans = compile(genome, who).filter((stack) => stack.kind === 'voice');
  let said = await lastSaid(here, self, lineage.organism);
  const due = plans.flatMap((plan) => {
    const hash = hashOf(plan, self.reach.address);
    return said[plan.name] === hash ? [] : [{ plan, hash }];
  });
  const over = Object.keys(said).filter((name) => !plans.some((plan) => plan.name === name));
  if (due.length === 0 && over.length === 0) return 0;
  const attempts: (() => Promise<number>)[] = [
    ...due.map(({ plan, hash }) => async () => {
      const changed = await bring(here, genome, self, plan);
      said = { ...said, [plan.name]: hash };
      return changed;
    }),
    ...over.map((name) => async () => {
      const changed = await end(here, genome, self, name);
      said = Object.fromEntries(Object.entries(said).filter(([other]) => other !== name));
      return changed;
    }),
  ];
  // A provider that is down keeps nobody from speaking at the others.
  const changed = await each(attempts, () => keep(here, said));
  const published = functions.flatMap((name) => genome.functions[name]?.domain ?? []);
  await change(here, () => ({ published: plans.length === 0 ? [] : published }));
  return changed;
}

/** No records any more, whatever went from here. */
export async function silence(here: Here): Promise<void> {
  await hush(here);
  const [genome, lineage] = await Promise.all([genomeOf(here), lineageOf(here)]);
  const self = lineage.cells[here.identity.id];
  if (self === undefined) return;
  const said = await lastSaid(here, self, lineage.organism);
  // A stack that nobody remembers may be there all the same; only to look for it no Pulumi is needed.
  const light = dnsOf(genome).filter(({ gene }) => dnsProvider(gene.provider).engine === 'embedded');
  const names = [...Object.keys(said), ...light.map(({ name }) => voiceName(lineage.organism, self.birth, name))];
  await each(
    [...new Set(names)].map((name) => async () => end(here, genome, self, name)),
    async () => {},
  );
  await unspeak(here, genome, self.birth);
  await change(here, () => ({ published: [] }));
  await keep(here, {});
}

const hashOf = (plan: StackPlan, address: string) =>
  createHash('sha256')
    .update(JSON.stringify([plan, address]))
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

/** Makes the records of one stack what its plan says. */
async function bring(here: Here, genome: Genome, self: Cell, plan: StackPlan): Promise<number> {
  const engine = await engineOf(here, plan.engine, genome, plan.place);
  const work = () => engine.up(plan, { values: { address: self.reach.address } });
  // Without its checkpoint the stack knows of no record that is to go.
  const { changes } = await mended(engine, plan.name, here.log, work, () =>
    unspeak(here, genome, self.birth, plan.place),
  );
  return changes.filter((one) => one.operation !== 'same').length;
}

/** Takes the records of one stack away, and the stack. */
async function end(here: Here, genome: Genome, self: Cell, name: string): Promise<number> {
  const place = parseStackName(name)?.dns;
  const dns = dnsOf(genome).find((one) => one.name === place);
  const engine = await engineOf(
    here,
    dns === undefined ? 'embedded' : dnsProvider(dns.gene.provider).engine,
    genome,
    place,
  );
  const { changes } = await mended(
    engine,
    name,
    here.log,
    () => engine.destroy(name),
    () => unspeak(here, genome, self.birth, place),
  );
  return changes.filter((one) => one.operation !== 'same').length;
}
