/**
 * `cell seed`: a genome becomes an organism of one cell. From then on nobody is in charge, this computer neither.
 *
 *   found      this computer's key, the genome in the memory, the genesis signed
 *   mitosis    the same steps as any division, with every function for the first cell (mitosis.ts)
 *
 * Interrupted anywhere, the same call goes on: what is there is found, what is done is not done again.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { genomeFiles, genomeHash } from '../genome/bundle.ts';
import { firstCell } from '../genome/compile.ts';
import type { Genome } from '../genome/schema.ts';
import { computeProvider } from '../stacks/machines/index.ts';
import { dnsProvider } from '../stacks/records/index.ts';
import type { Json } from '../stacks/stack.ts';
import { dnsOf } from './decide/dns.ts';
import { keysOf } from './decide/renewal.ts';
import { createRecipient, recipientOf } from './effects/age.ts';
import { writeAtomic } from './effects/files.ts';
import { ensureIdentity } from './effects/keys.ts';
import { linkPackages } from './effects/packages.ts';
import { resolveSecrets } from './effects/secrets.ts';
import { endowFirst } from './endowments.ts';
import { CellError } from './errors.ts';
import { type Here, hasHome, keepCredentials, keepSecrets, lineageOf, openHome, say, takeGenome } from './here.ts';
import { type RunContext, run } from './journal.ts';
import { acceptedGenome, lineOf } from './line.ts';
import { newDivision, newMachine } from './making.ts';
import { mitosis } from './mitosis.ts';
import type { Cell } from './model.ts';
import { type Progress, parentOf, seederDonor } from './parent.ts';
import type { Mitosis } from './saga.ts';
import { syncEverybody } from './sync.ts';

export interface SeedOptions {
  readonly home: string;
  readonly genomeFile: string;
  readonly genome: Genome;
  readonly log: Here['log'];
  readonly onProgress?: Progress;
  readonly onStep?: RunContext['onStep'];
  readonly faults?: Pick<RunContext, 'afterStep' | 'beforeRecord'>;
}

/** Gives the first cell. Throws the failing step's error; the same call goes on from there. */
export async function seed(options: SeedOptions): Promise<Cell> {
  const here = await found(options);
  const saga = await conceive(here, options.genome);
  if (saga !== null) {
    const parent = await parentOf(here, options.genome, seederDonor, options.onProgress);
    try {
      const outcome = await run(saga, mitosis(parent), {
        journal: here.journal,
        now: here.clock,
        onStep: options.onStep,
        ...options.faults,
      });
      if (outcome.kind === 'failed') throw outcome.error;
    } finally {
      parent.hangUp();
    }
  }
  const first = await firstBorn(here);
  if (saga === null) await renewed(here, options.genome, first);
  return first;
}

/** The seeder's side of an organism: key, credentials, genome, genesis. Each only if it is not there. */
async function found({ home, genomeFile, genome, log }: SeedOptions): Promise<Here> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  const identity = ensureIdentity(home);
  await createRecipient(home);
  const known = hasHome(home);
  if (!known) {
    await writeAtomic(
      join(home, 'organism.json'),
      JSON.stringify({ v: 1, organism: genome.organism, seeder: identity.id }),
    );
  }
  const here = await openHome(home, log);
  if (here.memory.organism !== genome.organism) {
    throw new CellError('HOME_EXISTS', `${home} belongs to the organism ${here.memory.organism}`, {
      why: `the genome names ${genome.organism}`,
      suggestion: 'Give another folder with --home, or destroy the other organism first.',
    });
  }
  await linkPackages(home, genomeFile, genome);
  await keepCredentials(here, await startingCredentials(genome, home));
  await keepSecrets(here, await resolveSecrets(genome));
  const files = await genomeFiles(genomeFile, genome);
  if ((await here.memory.recall()).heads[identity.id] === undefined) {
    await say(here, {
      kind: 'genesis',
      organism: genome.organism,
      genome: genomeHash(files),
      maxCells: genome.body.maxCells,
      functions: Object.keys(genome.functions).sort(),
      key: identity.publicKey,
      recipient: await recipientOf(home),
      authorities: keysOf(genome),
    });
  } else if ((await lineageOf(here)).genome !== genomeHash(files)) {
    // Changed since, by a proposal: the organism lives, and there is nothing to found.
    if ((await acceptedGenome(here)) === genomeHash(files)) return here;
    throw new CellError('NOT_ALLOWED', 'This is not the genome that was seeded', {
      why: `an organism named ${genome.organism} began from another text; \`cell plan\` shows what differs`,
      suggestion:
        'A living organism takes a changed genome by `cell apply`; a seeding that was interrupted needs the text that it began with.',
    });
  }
  await here.memory.commitGenome(files);
  await lineOf(here);
  await takeGenome(here);
  return here;
}

async function startingCredentials(genome: Genome, home: string) {
  const compute: Record<string, Json> = {};
  for (const [name, gene] of Object.entries(genome.clouds)) {
    compute[name] = await computeProvider(gene.provider).credential(gene, home);
  }
  const dns: Record<string, Json> = {};
  for (const { name, zone, gene } of dnsOf(genome)) {
    dns[name] = await dnsProvider(gene.provider).credential(gene, home, { zone });
  }
  return { compute, dns };
}

/** The saga that is under way, a new one, or none when the first cell lives already. */
async function conceive(here: Here, genome: Genome): Promise<Mitosis | null> {
  const open = (await here.journal.open()).find((saga) => saga.kind === 'divide');
  if (open !== undefined) return open as Mitosis;
  const lineage = await lineageOf(here);
  if (Object.keys(lineage.cells).length > 0) return null;
  const who = firstCell(genome);
  const purpose = {
    mode: 'delegate',
    functions: [...who.functions],
    budget: genome.body.maxCells - 1,
    why: 'seeded from the genome',
  } as const;
  const saga = newDivision(here.clock(), purpose, newMachine(who.birth, who.cloud));
  await here.journal.save(saga);
  return saga;
}

/** The first cell lives already: the same call brings it the credentials that it lacks, or that are others here now. */
async function renewed(here: Here, genome: Genome, first: Cell): Promise<void> {
  await syncEverybody(here);
  const heard = (await lineageOf(here)).cells[first.id];
  if (heard === undefined || heard.state === 'gone') return;
  await endowFirst(here, genome, heard);
  await syncEverybody(here);
}

async function firstBorn(here: Here): Promise<Cell> {
  const lineage = await lineageOf(here);
  const first = Object.values(lineage.cells).find((cell) => cell.parent === lineage.seeder.id);
  if (first === undefined) throw new Error('a seeding that ended has a first cell');
  return first;
}
