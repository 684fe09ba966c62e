/**
 * A dead child is fenced: its machine is destroyed through the provider first, so that it cannot be alive elsewhere;
 * only then its budget and functions are ours.
 */
import type { Genome } from '../genome/schema.ts';
import { computeProvider } from '../stacks/machines/index.ts';
import { dnsProvider } from '../stacks/records/index.ts';
import { stackNames } from '../stacks/names.ts';
import { credentialsOf, engineOf, type Here, lineageOf, say } from './here.ts';
import { letIn } from './doors.ts';
import { tend } from './tend.ts';
import { speak } from './voice.ts';

export async function fence(here: Here, genome: Genome, id: string, why: string): Promise<string> {
  const lineage = await lineageOf(here);
  const child = lineage.cells[id];
  if (child === undefined || child.state === 'gone') return `nothing to fence: ${id}`;
  const gene = genome.clouds[child.cloud];
  const engine = gene === undefined ? 'embedded' : computeProvider(gene.provider).engine;
  await (await engineOf(here, engine, genome)).destroy(stackNames(lineage.organism, child.birth).body);
  await say(here, { kind: 'fence', child: id, entries: lineage.folded[id] ?? 0, why });
  await letIn(here);
  // Its functions first, so that there is something to answer when the records say so.
  await tend(here, await lineageOf(here));
  await speak(here);
  const { dns } = await credentialsOf(here);
  const provider = dnsProvider(genome.dns.provider);
  for (const record of await provider.list(lineage.organism, dns)) {
    if (record.birth === child.birth) await provider.remove(record.id, dns);
  }
  return `fenced ${child.name}: ${why}`;
}

/** An attempt that nobody works on any more: its machine, if there is one, goes, and what it cost comes back. */
export async function reclaim(here: Here, genome: Genome, birth: string, why: string): Promise<string> {
  const lineage = await lineageOf(here);
  await (await engineOf(here, 'embedded', genome)).destroy(stackNames(lineage.organism, birth).body);
  const credentials = await credentialsOf(here);
  // The checkpoint may be with a dead cell: the machine is looked for by its tags, too.
  for (const [cloud, gene] of Object.entries(genome.clouds)) {
    const credential = credentials.compute?.[cloud];
    if (credential === undefined) continue;
    const provider = computeProvider(gene.provider);
    for (const machine of await provider.list(lineage.organism, credential)) {
      if (machine.birth === birth) await provider.remove(machine.id, credential);
    }
  }
  await say(here, { kind: 'abandon', birth, why });
  return `reclaimed ${birth}: ${why}`;
}
