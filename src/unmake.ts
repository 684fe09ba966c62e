/** A machine unmade, whoever made it: through its stack where its checkpoint is here, and by its tags all the same. */
import type { Genome } from '../genome/schema.ts';
import { computeProvider } from '../stacks/machines/index.ts';
import type { ComputeProvider, TaggedMachine } from '../stacks/machines/machine.ts';
import { stackName } from '../stacks/names.ts';
import { dnsProvider } from '../stacks/records/index.ts';
import type { EngineName } from '../stacks/stack.ts';
import { dnsOf } from './decide/dns.ts';
import { knownBirths } from './decide/lineage.ts';
import { unmint } from './endowments.ts';
import { CellError } from './errors.ts';
import { credentialsOf, engineOf, type Here, hasStack, lineageOf } from './here.ts';
import { mended } from './mended.ts';
import type { BirthId, Cell } from './model.ts';

/**
 * Destroys the machine of a birth, and takes its credentials back. Gone already is fine; when this returns, nothing of it
 * runs.
 */
export async function unmake(here: Here, genome: Genome, birth: BirthId): Promise<void> {
  const stack = stackName(genome.organism, birth, 'body');
  const providers = Object.values(genome.clouds).map((gene) => computeProvider(gene.provider));
  const byTags = new Set(providers.filter(({ lost }) => lost !== undefined).map(({ engine }) => engine));
  const destroy = async (names: Iterable<EngineName>) => {
    for (const name of names) {
      if (!(await hasStack(here, name, stack))) continue;
      const engine = await engineOf(here, name, genome);
      await mended(engine, stack, here.log, () => engine.destroy(stack));
    }
  };
  await destroy(new Set(providers.map(({ engine }) => engine).filter((engine) => !byTags.has(engine))));
  // An heir has no checkpoint of what it inherited, and a dead cell took its own with it.
  const unsure = (address: string | null, cells: readonly Cell[]) =>
    cells.some((cell) => cell.birth === birth && cell.reach.address === address);
  await removeMachines(here, genome, (machine) => machine.birth === birth, unsure);
  // What belongs to a machine that the stack does not know cannot go before it.
  await destroy(byTags);
  await unmint(here, genome, birth);
}

/** Destroys machines that a dead cell had begun to make and told nobody of, as `unmake` does. Gives their births. */
export async function unmakeUnknown(
  here: Here,
  genome: Genome,
  maker: string,
  known: ReadonlySet<BirthId>,
): Promise<readonly BirthId[]> {
  // Where a cell is known to live nobody else does.
  const unsure = (address: string | null, cells: readonly Cell[]) =>
    !cells.some((cell) => known.has(cell.birth) && cell.reach.address === address);
  const wanted = ({ parent, birth }: TaggedMachine) => parent === maker && birth !== null && !known.has(birth);
  const births = await removeMachines(here, genome, wanted, unsure);
  for (const birth of births) await unmint(here, genome, birth);
  return births;
}

/**
 * Destroys what appeared after it was given up: of one birth, or of whatever a cell that is gone had asked for. In clouds
 * that may show late what they made, and in no other. Gives the births.
 */
export async function unmakeLate(
  here: Here,
  genome: Genome,
  { birth, maker, kept }: { readonly birth: BirthId | null; readonly maker: string | null; readonly kept?: string },
): Promise<readonly BirthId[]> {
  const late = (provider: ComputeProvider) => provider.lost !== undefined;
  const known = knownBirths(await lineageOf(here));
  const wanted = (machine: TaggedMachine) =>
    machine.birth !== null &&
    (birth === null
      ? machine.parent === maker && !known.has(machine.birth)
      : machine.birth === birth && machine.id !== kept);
  const births = await removeMachines(here, genome, wanted, () => false, late);
  // What has a machine that it keeps has its credentials, too.
  if (kept === undefined) for (const one of births) await unmint(here, genome, one);
  return births;
}

/**
 * `unsure`: whether one that cannot be asked may be a wanted one. Then this throws MACHINE_UNREACHABLE, for what is taken
 * over before it is known to be gone may run twice.
 */
async function removeMachines(
  here: Here,
  genome: Genome,
  wanted: (machine: TaggedMachine) => boolean,
  unsure: (address: string | null, cells: readonly Cell[]) => boolean,
  among: (provider: ComputeProvider) => boolean = () => true,
): Promise<readonly BirthId[]> {
  const { compute } = await credentialsOf(here);
  const cells = Object.values((await lineageOf(here)).cells);
  const removed: BirthId[] = [];
  for (const [cloud, gene] of Object.entries(genome.clouds)) {
    const credential = compute?.[cloud];
    if (credential === undefined) continue;
    const provider = computeProvider(gene.provider);
    if (!among(provider)) continue;
    for (const machine of await provider.list(genome.organism, credential)) {
      if (machine.birth === null && unsure(machine.address, cells)) throw cannotTell(machine);
      if (machine.birth === null || !wanted(machine)) continue;
      await provider.remove(machine.id, credential);
      removed.push(machine.birth);
    }
  }
  return removed;
}

function cannotTell({ address }: TaggedMachine): CellError {
  return new CellError('MACHINE_UNREACHABLE', `The machine at ${address} cannot be asked whether it is given back`, {
    why: 'what runs there may go on, and must not be started elsewhere before that is known',
    suggestion: 'Switch it on, or bring it back on the network; this is tried again by itself.',
  });
}

/** Takes the records of a birth out of DNS: out of all that the genome names, or out of one. */
export async function unspeak(here: Here, genome: Genome, birth: BirthId, where?: string): Promise<void> {
  const credentials = await credentialsOf(here);
  for (const { name, gene } of dnsOf(genome).filter((dns) => where === undefined || dns.name === where)) {
    const credential = credentials.dns?.[name];
    if (credential === undefined) continue;
    const provider = dnsProvider(gene.provider);
    for (const record of await provider.list(genome.organism, credential)) {
      if (record.birth === birth) await provider.remove(record.id, credential);
    }
  }
}
