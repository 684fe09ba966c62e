/**
 * This computer's side of an organism: its home folder, its key, what it remembers. A laptop has one and a cell has one;
 * what only a cell has (functions, schedule) is in functions.ts.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Genome } from '../genome/schema.ts';
import type { Engine } from '../stacks/engines/engine.ts';
import type { EngineName, Json } from '../stacks/stack.ts';
import { dnsOf } from './decide/dns.ts';
import type { Own } from './decide/rotation.ts';
import { readJson, writeAtomic } from './effects/files.ts';
import { type Identity, loadIdentity } from './effects/keys.ts';
import { CellError } from './errors.ts';
import { type Journal, journalIn } from './journal.ts';
import { type Layout, layout } from './layout.ts';
import { type Log, logTo } from './log.ts';
import { checkoutGenome } from './memory/genome.ts';
import { keepDigest } from './memory/greeting.ts';
import { type Memory, openMemory } from './memory/memory.ts';
import type { Deed, Entry, FunctionName, Lineage, Random } from './model.ts';

export interface Here {
  readonly home: string;
  readonly layout: Layout;
  readonly identity: Identity;
  readonly memory: Memory;
  readonly journal: Journal;
  readonly clock: () => number;
  readonly random: Random;
  /** One line for people, on stderr or in the journal, with what programs look for in it. */
  readonly log: Log;
}

/** What providers need, by what it is for. Kept in `credentials.json`, mode 0600, never in git in the clear. */
export interface Credentials {
  /** By name of the cloud in the genome; null where this cell has no budget. */
  readonly compute: Readonly<Record<string, Json>> | null;
  /** By name of the DNS provider in the genome; null where this cell says nothing in DNS. */
  readonly dns: Readonly<Record<string, Json>> | null;
  /** Of those that were minted for this home, by purpose (`compute-near`); what is not here was handed on as it is. */
  readonly minted?: Readonly<Record<string, MintedKey>>;
  /** Counts what this home was given; left out for the first. Kept beside what it counts, so that both change at once. */
  readonly generation?: number;
}

/** What is known of a minted credential beside itself. Times are ms since the epoch. */
export interface MintedKey {
  readonly mints: boolean;
  readonly mintedAt: number;
  readonly until: number | null;
  /** When its holder has to have renewed it, and when it last did. */
  readonly lapses?: number;
  readonly renewedAt?: number;
}

export type Secrets = Readonly<Record<FunctionName, Readonly<Record<string, string>>>>;

/** Uniform in [0, 1), from the operating system. */
export const systemRandom: Random = () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48;

export function hasHome(home: string): boolean {
  return existsSync(join(home, 'organism.json'));
}

/** Opens a home. Throws HOME_MISSING where there is none. */
export async function openHome(
  home: string,
  log: Here['log'] = logTo((text) => process.stderr.write(text), false),
): Promise<Here> {
  if (!hasHome(home)) {
    throw new CellError('HOME_MISSING', `There is no organism at ${home}`, {
      suggestion: 'Run this beside the genome that was seeded, give --home, or `cell seed` one.',
    });
  }
  return {
    home,
    layout: layout(process.env.CELL_ROOT ?? ''),
    identity: loadIdentity(home),
    memory: openMemory(home),
    journal: journalIn(home),
    clock: Date.now,
    random: systemRandom,
    log,
  };
}

export async function lineageOf(here: Here): Promise<Lineage> {
  return (await here.memory.recall()).lineage;
}

/** Says something in the own feed. */
export async function say(here: Here, deed: Deed, files: Readonly<Record<string, Uint8Array>> = {}): Promise<Entry> {
  const entry = await here.memory.append(here.identity, { deed, at: here.clock(), files });
  keepDigest(here.memory);
  return entry;
}

/** The accepted genome, parsed once when it was taken in: a tick loads neither YAML nor the schema. */
export async function genomeOf(here: Here): Promise<Genome> {
  return (await readFile(join(here.home, 'genome.json'), 'utf8').then(JSON.parse)) as Genome;
}

/** Takes a genome in: its files as a folder, its text as data. Killed on the way, it is done again as a whole. */
export async function takeGenome(
  here: Here,
  of?: { readonly commit: string; readonly genome: string },
): Promise<Genome> {
  const [folder, next, last] = ['genome', 'genome.next', 'genome.last'].map((name) => join(here.home, name)) as [
    string,
    string,
    string,
  ];
  await rm(next, { recursive: true, force: true });
  checkoutGenome(await here.memory.genomeFiles(of), next);
  const { readGenome } = await import('../genome/read.ts');
  const { genome } = await readGenome(join(next, 'genome.yaml'));
  await rm(last, { recursive: true, force: true });
  if (existsSync(folder)) await rename(folder, last);
  await rename(next, folder);
  await rm(last, { recursive: true, force: true });
  await writeAtomic(join(here.home, 'genome.json'), JSON.stringify(genome));
  return genome;
}

export async function credentialsOf(here: Here): Promise<Credentials> {
  return readJson<Credentials>(join(here.home, 'credentials.json'), { compute: null, dns: null });
}

/** What of it was minted for this home: when it ends, and nothing secret. */
export function ownKeys({ minted = {} }: Pick<Credentials, 'minted'>): readonly Own[] {
  return Object.entries(minted).map(([purpose, { mints: _, ...key }]) => ({ purpose, ...key }));
}

export async function keepCredentials(here: Pick<Here, 'home'>, credentials: Credentials): Promise<void> {
  await writeAtomic(join(here.home, 'credentials.json'), JSON.stringify(credentials), 0o600);
}

export async function secretsOf(here: Here): Promise<Secrets> {
  return readJson<Secrets>(join(here.home, 'secrets.json'), {});
}

export async function keepSecrets(here: Pick<Here, 'home'>, secrets: Secrets): Promise<void> {
  await writeAtomic(join(here.home, 'secrets.json'), JSON.stringify(secrets), 0o600);
}

/** Whether this home has anything of a stack: where it has not, no engine is needed to be rid of it. */
export async function hasStack(here: Pick<Here, 'home'>, name: EngineName, stack: string): Promise<boolean> {
  const { stackHome } = await import('../stacks/engines/home.ts');
  return existsSync(stackHome(join(here.home, 'stacks'), name, stack).folder);
}

/** What engines take: the credentials this cell has, by provider; for DNS, those of the provider called `dns`. */
export async function byProvider(here: Here, genome: Genome, dns?: string): Promise<Record<string, Json>> {
  const credentials = await credentialsOf(here);
  const named: Record<string, Json> = {};
  const spoken = dnsOf(genome).find((one) => one.name === dns);
  if (spoken !== undefined) named[`${spoken.gene.provider}-dns`] = credentials.dns?.[spoken.name] ?? null;
  for (const [cloud, credential] of Object.entries(credentials.compute ?? {})) {
    const gene = genome.clouds[cloud];
    if (gene !== undefined) named[`${gene.provider}/${cloud}`] = credential;
  }
  return named;
}

/** An engine over this home's stacks, with the credentials this cell has: for DNS, those of the provider called `dns`. */
export async function engineOf(here: Here, name: EngineName, genome: Genome, dns?: string): Promise<Engine> {
  const { engine } = await import('../stacks/engines/index.ts');
  const credentials = await byProvider(here, genome, dns);
  const folder = join(here.home, 'stacks');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return engine(name, { home: folder, credentials });
}
