/**
 * The accepted line as this home knows it: `line.json`, oldest first. Only the home's owner writes it, for the branch
 * `genome` belongs to the user of the door, and what root runs must not hang on that. A home without one (a newborn, a CI)
 * takes the line it was given, once every step is signed by an authority of the genome before it.
 */
import { join } from 'node:path';
import type { Genome } from '../genome/schema.ts';
import { keysOf } from './decide/renewal.ts';
import { readJson, writeAtomic } from './effects/files.ts';
import { CellError } from './errors.ts';
import { type Here, lineageOf } from './here.ts';
import { keepDigest } from './memory/greeting.ts';
import { proposalRef, readLine, readProposal } from './memory/proposals.ts';
import { updateRefs } from './memory/repo.ts';
import type { ProposalId, Proposed, PublicKey } from './model.ts';

export interface Step {
  /** null: the genome of the genesis. */
  readonly proposal: ProposalId | null;
  /** sha256 (hex) of its files. */
  readonly genome: string;
  readonly commit: string;
}

const fileOf = (here: Pick<Here, 'home'>) => join(here.home, 'line.json');
const GENOME_REF = 'refs/heads/genome';

/** The line; its last step is the genome that the organism accepted. Throws GENOME_MISSING, FEED_REFUSED. */
export async function lineOf(here: Here): Promise<readonly [Step, ...Step[]]> {
  const kept = await readJson<{ readonly steps: readonly [Step, ...Step[]] } | null>(fileOf(here), null);
  return kept?.steps ?? establish(here);
}

/** Hash of the genome that was accepted last; that of the genesis where a seeding ended before the genome was kept. */
export async function acceptedGenome(here: Here): Promise<string> {
  const { lineage, genome } = await here.memory.recall();
  return genome === null ? lineage.genome : ((await lineOf(here)).at(-1)?.genome ?? lineage.genome);
}

async function establish(here: Here): Promise<readonly [Step, ...Step[]]> {
  const { lineage, genome } = await here.memory.recall();
  if (genome === null)
    throw new CellError('GENOME_MISSING', 'The genome is not in this memory', { suggestion: 'Run `cell sync`.' });
  const { organism } = here.memory;
  const { root, steps } = await here.memory.reading((objects) => readLine(objects, genome, organism, lineage.genome));
  const line: [Step, ...Step[]] = [{ proposal: null, genome: lineage.genome, commit: root }];
  for (const { id, genome: hash, commit, author } of steps) {
    if (!(await authoritiesOf(here, line.at(-1) as Step)).includes(author)) {
      throw new CellError('FEED_REFUSED', 'This is not the genome of the organism', {
        why: `${id} is signed by a key that is no authority of the genome it changes`,
      });
    }
    line.push({ proposal: id, genome: hash, commit });
  }
  await writeAtomic(fileOf(here), JSON.stringify({ v: 1, steps: line }));
  return line;
}

/** Whose proposals count by a genome of the line: the keys it names, and the seeder's. */
async function authoritiesOf(here: Here, step: Step): Promise<readonly PublicKey[]> {
  const text = (await here.memory.genomeFiles(step)).find(({ path }) => path === 'genome.yaml')?.content.toString();
  const { parseGenome } = await import('../genome/parse.ts');
  const { genome } = parseGenome(text ?? '', 'genome.yaml');
  return authorities((await lineageOf(here)).seeder.key, genome);
}

/** Whose word counts by a genome: the seeder's, and that of the keys it names. */
export function authorities(seeder: PublicKey, genome: Pick<Genome, 'governance'> | null): readonly PublicKey[] {
  return [seeder, ...(genome === null ? [] : keysOf(genome))];
}

/** Moves the line, the branch, and takes proposals away that it passed. Killed on the way, it is done again. */
export async function keepLine(here: Here, steps: readonly Step[], passed: readonly ProposalId[] = []): Promise<void> {
  await writeAtomic(fileOf(here), JSON.stringify({ v: 1, steps }));
  await showLine(here, steps, passed);
}

/** Makes the branch what the line is. */
export async function showLine(here: Here, steps: readonly Step[], passed: readonly ProposalId[] = []): Promise<void> {
  const { genome, proposals } = await here.memory.recall();
  const tip = steps.at(-1) as Step;
  const gone = passed.filter((id) => proposals[id] !== undefined);
  if (genome === tip.commit && gone.length === 0) return;
  await updateRefs(here.memory.dir, [
    { ref: GENOME_REF, to: tip.commit },
    ...gone.map((id) => ({ ref: proposalRef(id), to: null })),
  ]);
  keepDigest(here.memory);
}

/** Every proposal here, each read and checked anew: the refs are the door's. */
export async function proposalsOf(here: Here): Promise<readonly Proposed[]> {
  const { proposals } = await here.memory.recall();
  return here.memory.reading(async (objects) => {
    const found = await Promise.all(
      Object.values(proposals).map((commit) => readProposal(objects, commit, here.memory.organism)),
    );
    return found.flatMap((one) => ('reason' in one ? [] : [one.proposed]));
  });
}
