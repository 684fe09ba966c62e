/** A machine unmade, whoever made it: through its stack where its checkpoint is here, and by its tags all the same. */
import type { Genome } from '../genome/schema.ts';
import { computeProvider } from '../stacks/machines/index.ts';
import { stackNames } from '../stacks/names.ts';
import { dnsProvider } from '../stacks/records/index.ts';
import { credentialsOf, engineOf, type Here } from './here.ts';
import type { BirthId } from './model.ts';

/** Destroys the machine of a birth. Gone already is fine; when this returns, nothing of it runs. */
export async function unmake(here: Here, genome: Genome, birth: BirthId): Promise<void> {
  const stack = stackNames(genome.organism, birth).body;
  const engines = new Set(Object.values(genome.clouds).map((gene) => computeProvider(gene.provider).engine));
  for (const name of engines) await (await engineOf(here, name, genome)).destroy(stack);
  // An heir has no checkpoint of what it inherited, and a dead cell took its own with it.
  await removeMachines(here, genome, (machine) => machine.birth === birth);
}

/** Destroys machines that a dead cell had begun to make and told nobody of. Gives their births. */
export async function unmakeUnknown(
  here: Here,
  genome: Genome,
  maker: string,
  known: ReadonlySet<BirthId>,
): Promise<readonly BirthId[]> {
  return removeMachines(here, genome, (machine) => machine.parent === maker && !known.has(machine.birth));
}

async function removeMachines(
  here: Here,
  genome: Genome,
  wanted: (machine: { readonly birth: BirthId; readonly parent: string }) => boolean,
): Promise<readonly BirthId[]> {
  const { compute } = await credentialsOf(here);
  const removed: BirthId[] = [];
  for (const [cloud, gene] of Object.entries(genome.clouds)) {
    const credential = compute?.[cloud];
    if (credential === undefined) continue;
    const provider = computeProvider(gene.provider);
    for (const machine of await provider.list(genome.organism, credential)) {
      if (!wanted(machine)) continue;
      await provider.remove(machine.id, credential);
      removed.push(machine.birth);
    }
  }
  return removed;
}

/** Takes the records of a birth out of DNS. */
export async function unspeak(here: Here, genome: Genome, birth: BirthId): Promise<void> {
  const { dns } = await credentialsOf(here);
  if (dns === null) return;
  const provider = dnsProvider(genome.dns.provider);
  for (const record of await provider.list(genome.organism, dns)) {
    if (record.birth === birth) await provider.remove(record.id, dns);
  }
}
