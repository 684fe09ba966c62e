/** Organisms of real keys and real repositories in temporary homes, and ways to let them talk. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { onTestFinished } from 'vitest';
import { genomeHash } from '../../genome/bundle.ts';
import type { Identity } from '../../src/effects/keys.ts';
import { ensureIdentity } from '../../src/effects/keys.ts';
import { type Memory, openMemory } from '../../src/memory/memory.ts';
import { uniqueName } from '../../src/memory/names.ts';
import type { SessionResult } from '../../src/memory/session.ts';
import { converse } from '../../src/memory/session.ts';
import type { Birth, Deed } from '../../src/model.ts';
import { programFile } from '../../src/programs.ts';

export const ORGANISM = 'garden';
/** A genome's only file. */
export const genomeOf = (text: string) => [{ path: 'genome.yaml', content: Buffer.from(text), mode: 0o644 }];
const GENOME = 'organism: garden\n';
/** Times of entries: one a second, from a fixed moment. */
export const MOMENT = 1_790_000_000_000;

export interface Member {
  readonly home: string;
  readonly identity: Identity;
  readonly memory: Memory;
  /** Says a deed at the next second. */
  say(deed: Deed, files?: Readonly<Record<string, Uint8Array | null>>): Promise<void>;
}

export interface Organism {
  readonly seeder: Member;
  readonly cells: readonly Member[];
  readonly all: readonly Member[];
}

/** A folder that is gone when the test is over. */
export function tempDir(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cell-memory-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

let clock = MOMENT;

export function member(home: string, seeder?: string): Member {
  const identity = ensureIdentity(home);
  const known = { v: 1, organism: ORGANISM, seeder: seeder ?? identity.id };
  writeFileSync(join(home, 'organism.json'), JSON.stringify(known));
  const memory = openMemory(home);
  const say = async (deed: Deed, files: Readonly<Record<string, Uint8Array | null>> = {}) => {
    clock += 1000;
    await memory.append(identity, { deed, at: clock, files });
  };
  return { home, identity, memory, say };
}

function genesis({ identity }: Member, maxCells: number, genome: string, authorities: readonly string[]): Deed {
  return {
    kind: 'genesis',
    organism: ORGANISM,
    genome: genomeHash(genomeOf(genome)),
    maxCells,
    functions: ['web'],
    key: identity.publicKey,
    recipient: 'age1seeder',
    authorities,
  };
}

export function birthOf({ identity }: Member, birth: string): Birth {
  return {
    birth,
    id: identity.id,
    name: uniqueName(identity.id, new Set()),
    key: identity.publicKey,
    hostKey: identity.publicKey,
    recipient: `age1${identity.id}`,
    reach: { address: '127.0.0.1', sshPort: 22, user: 'root', root: '', httpPort: 80 },
    cloud: 'near',
  };
}

export function birthId(seed: string): string {
  return `b${createHash('sha256').update(seed).digest('hex').slice(0, 10)}`;
}

/** A parent bears a child: each says its part in its own home, and neither has told the other. */
async function bear(parent: Member, child: Member, budget: number): Promise<void> {
  const birth = birthId(child.identity.id);
  await parent.say({ kind: 'reserve', birth, stack: `${birth}-body`, function: null, mode: 'delegate', why: 'a test' });
  await parent.say({ kind: 'birth', child: birthOf(child, birth), budget, why: 'a test' });
  await child.say({ kind: 'born', birth, parent: parent.identity.id, key: child.identity.publicKey });
}

/** A seeder, a first cell, and children of the first cell: `count` cells, none of which has synced. */
export async function organism(count: number, genome = GENOME, authorities: readonly string[] = []): Promise<Organism> {
  const folder = tempDir();
  const seeder = member(join(folder, 'seeder'));
  await seeder.say(genesis(seeder, Math.max(1, count * 2), genome, authorities));
  await seeder.memory.commitGenome(genomeOf(genome));
  const cells = Array.from({ length: count }, (_, index) => member(join(folder, `cell${index}`), seeder.identity.id));
  const [first, ...rest] = cells;
  if (first !== undefined) {
    await bear(seeder, first, count * 2 - 2);
    await sync(seeder, first);
    for (const child of rest) await bear(first, child, 0);
  }
  return { seeder, cells, all: [seeder, ...cells] };
}

/** A session over a pair of streams in this process. */
export async function sync(one: Member, other: Member): Promise<[SessionResult, SessionResult]> {
  const [left, right] = duplexPair();
  const patience = { silenceMs: 20_000, sessionMs: 60_000 };
  return Promise.all([
    converse(left, left, { memory: one.memory, self: one.identity.id, peer: other.identity.id, patience }),
    converse(right, right, { memory: other.memory, self: other.identity.id, peer: one.identity.id, patience }),
  ]);
}

/** A session with the forced command's own program. */
export async function syncProcess(one: Member, other: Member): Promise<SessionResult> {
  const child = serve(other, one);
  const exited = new Promise((resolve) => child.on('close', resolve));
  const result = await converse(child.stdout, child.stdin, {
    memory: one.memory,
    self: one.identity.id,
    peer: other.identity.id,
  });
  await exited;
  return result;
}

/** Starts the forced command of `home` for `peer`. */
export function serve(home: Member, peer: Member) {
  const args = [programFile('sync'), '--home', home.home, '--peer', peer.identity.id, '--greeted'];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stderr.resume();
  return child;
}

/** Syncs everybody with everybody until nobody has news. */
export async function converge(members: readonly Member[]): Promise<void> {
  for (let round = 0, news = true; news; round++) {
    if (round > 10) throw new Error('it does not converge');
    news = false;
    for (const [index, one] of members.entries()) {
      for (const other of members.slice(index + 1)) {
        const results = await sync(one, other);
        news ||= results.some(({ taken, genome }) => taken > 0 || genome);
      }
    }
  }
}

/** Every ref of a home, as git says them. */
export async function refs({ memory }: Member): Promise<string> {
  const { git } = await import('../../src/effects/git.ts');
  return (await git(memory.dir, ['for-each-ref', '--format=%(refname) %(objectname)'])).toString();
}
