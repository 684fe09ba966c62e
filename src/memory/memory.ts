/**
 * The memory of a cell: the verified lineage, the own feed to append to, and the files that feeds carry.
 *
 * `HOME/organism.json` says which organism and whose genesis, and is the one thing trusted without a signature: it was
 * put there by the imprint. Everything else is checked up to that genesis. Every step may be killed: objects are written
 * before refs, refs before the cache, and a cache that is behind is brought up to date by the next recall.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GenomeFile } from '../../genome/bundle.ts';
import { extend, fold } from '../decide/lineage.ts';
import type { Identity } from '../effects/keys.ts';
import { CellError } from '../errors.ts';
import type { CellId, Deed, Entry, Lineage, ProposalId, Pulse } from '../model.ts';
import type { Head } from './chain.ts';
import { treesOfFiles } from './chain.ts';
import { cacheOf, doorOf } from './door.ts';
import { entryHash, makeEntry } from './entry.ts';
import type { Verdict } from './judge.ts';
import { judge } from './judge.ts';
import { withLock } from './lock.ts';
import { commitOf, feedRef, gitObject } from './objects.ts';
import type { Told } from './pulses.ts';
import { heardAt, publishPulse, readPulses } from './pulses.ts';
import type { Evidence } from './quarantine.ts';
import { addEvidence, readQuarantine, unprovenForks } from './quarantine.ts';
import type { Objects, RefChange } from './repo.ts';
import { openObjects, readHeads, tidy, updateRefs, writeObjects } from './repo.ts';
import type { State } from './state.ts';
import { readState, writeState } from './state.ts';

export interface Recall {
  readonly lineage: Lineage;
  readonly heads: Readonly<Record<CellId, Head>>;
  /** Commit of the branch `genome`; null: not here yet. */
  readonly genome: string | null;
  /** Commits of the proposals that are known, by id. */
  readonly proposals: Readonly<Record<ProposalId, string>>;
}

export interface Said {
  readonly deed: Deed;
  /** ms since the epoch. */
  readonly at: number;
  /** Files to carry from now on, by path; null takes one away. */
  readonly files?: Readonly<Record<string, Uint8Array | null>>;
}

export interface Memory {
  readonly home: string;
  /** The bare repository. */
  readonly dir: string;
  /** What a session may write beside the repository. */
  readonly door: string;
  readonly organism: string;
  readonly seeder: CellId;
  /** The verified lineage. With nothing new, it reads a few small files and starts no process. */
  recall(): Promise<Recall>;
  /** Says something in the own feed. Throws FEED_REFUSED when another process wrote first, or the feed is forked. */
  append(identity: Identity, ...said: readonly [Said, ...Said[]]): Promise<Entry>;
  /** A file that a feed carries now, its content checked; null when it carries none of that path. */
  file(cell: CellId, path: string): Promise<Buffer | null>;
  /** All entries of a feed, oldest first. */
  entries(cell: CellId): Promise<readonly Entry[]>;
  /** What was refused, and why. */
  quarantine(): readonly Evidence[];
  /** Puts the genome's files into the branch `genome`. Throws FEED_REFUSED unless the genesis signed their hash. */
  commitGenome(files: readonly GenomeFile[]): Promise<string>;
  /** The files of the genesis' genome, or of the genome in a commit of that hash. Throws GENOME_MISSING, FEED_REFUSED. */
  genomeFiles(of?: { readonly commit: string; readonly genome: string }): Promise<readonly GenomeFile[]>;
  /** Reads objects of the repository. */
  reading<T>(work: (objects: Objects) => Promise<T>): Promise<T>;
  /** The newest pulse of every cell that was heard of, own included. */
  pulses(): Promise<Readonly<Record<CellId, Pulse>>>;
  /** When the newest pulse of each cell came in, by this computer's clock (ms). */
  heardAt(): Promise<Readonly<Record<CellId, number>>>;
  /** Signs and keeps the own pulse, in place of the last. */
  publish(identity: Identity, told: Told): Promise<Pulse>;
  /** Makes the repository if it is not there. */
  ready(): Promise<void>;
  /** Judges what a peer offers and keeps what is good. `objects` reads the peer's objects too, `keep` makes them ours. */
  accept(offer: Offer): Promise<Pick<Verdict, 'refused' | 'taken'> & { readonly genome: boolean }>;
}

export interface Offer {
  readonly from: CellId;
  readonly heads: ReadonlyMap<CellId, string>;
  readonly proofs: ReadonlyMap<CellId, readonly [string, string]>;
  readonly genome: string | null;
  readonly proposals?: ReadonlyMap<ProposalId, string>;
  readonly objects: Objects;
  keep(): Promise<void>;
}

/** Opens a home's memory. Throws HOME_MISSING. */
export function openMemory(home: string): Memory {
  const { organism, seeder } = readOrganism(home);
  const dir = join(home, 'memory.git');
  const door = doorOf(home);
  mkdirSync(door, { recursive: true });
  const lock = join(door, 'lock');
  const cache = cacheOf(home);
  let last: State | null = null;

  const named = (heads: ReadonlyMap<string, string>, folder: string) => {
    return new Map(
      [...heads].flatMap(([ref, tip]) => (ref.startsWith(folder) ? [[ref.slice(folder.length), tip] as const] : [])),
    );
  };
  const cells = (heads: ReadonlyMap<string, string>) => named(heads, 'cells/');
  const sameHeads = (state: State, tips: ReadonlyMap<CellId, string>): boolean => {
    const known = Object.entries(state.heads);
    return known.length === tips.size && known.every(([cell, { commit }]) => tips.get(cell) === commit);
  };
  const load = (): State => {
    last ??= readState(cache, organism, seeder) ?? blank({});
    return last;
  };
  const blank = (stops: State['stops']): State => ({ heads: {}, lineage: fold({}, seeder), stops });
  const context = { organism, seeder, rules: { fold, extend } };

  /** Evidence first, then refs, then the cache: killed between any two, the next recall finishes it. */
  async function settle(
    state: State,
    changes: readonly RefChange[],
    evidence: readonly Evidence[],
    objects: Objects,
  ): Promise<void> {
    const kept: RefChange[] = [];
    if (evidence.length > 0) {
      const all = new Set(addEvidence(home, evidence));
      for (const item of evidence.filter((one) => all.has(one))) {
        for (const tip of item.fork ?? [item.commit]) {
          if ((await objects.get(tip)) !== null) kept.push({ ref: `refs/quarantine/${item.feed}/${tip}`, to: tip });
        }
      }
    }
    await updateRefs(dir, kept);
    await updateRefs(dir, changes);
    writeState(cache, organism, seeder, state);
    last = state;
  }

  /** Brings the cache up to what the refs say; refs that say what they must not are put back. Under the lock. */
  async function catchUp(): Promise<State> {
    const tips = cells(readHeads(dir));
    let state = readState(cache, organism, seeder) ?? blank({});
    const proofs = unprovenForks(readQuarantine(home), state.stops);
    if (sameHeads(state, tips) && proofs.size === 0) {
      last = state;
      return state;
    }
    const objects = await openObjects(dir);
    try {
      const lost = Object.entries(state.heads).filter(([cell]) => !tips.has(cell));
      const there = await Promise.all(lost.map(([, { commit }]) => objects.get(commit)));
      if (there.includes(null)) state = blank(state.stops);
      const verdict = await judge(objects, { ...context, state, offers: tips, proofs, from: null, now: Date.now() });
      const changes: RefChange[] = [];
      for (const [cell, tip] of tips) {
        const to = verdict.state.heads[cell]?.commit ?? null;
        if (to !== tip) changes.push({ ref: `refs/heads/cells/${cell}`, old: tip, to });
      }
      for (const [cell, { commit }] of Object.entries(verdict.state.heads)) {
        if (!tips.has(cell)) changes.push({ ref: feedRef(cell), old: null, to: commit });
      }
      await settle(verdict.state, changes, verdict.evidence, objects);
      return verdict.state;
    } finally {
      objects.close();
    }
  }

  async function current(): Promise<{ readonly state: State; readonly heads: ReadonlyMap<string, string> }> {
    const heads = readHeads(dir);
    const tips = cells(heads);
    const upToDate = (state: State) =>
      sameHeads(state, tips) && unprovenForks(readQuarantine(home), state.stops).size === 0;
    if (!upToDate(load())) last = null; // another process may have brought the cache up to date
    const state = upToDate(load()) ? load() : await withLock(lock, catchUp);
    return { state, heads };
  }

  async function ready(): Promise<void> {
    if (existsSync(join(dir, 'config'))) return;
    const { initBare } = await import('../effects/git.ts');
    await initBare(dir);
  }

  async function reading<T>(work: (objects: Objects) => Promise<T>): Promise<T> {
    const objects = await openObjects(dir);
    try {
      return await work(objects);
    } finally {
      objects.close();
    }
  }

  return {
    home,
    dir,
    door,
    organism,
    seeder,

    async recall() {
      const { state, heads } = await current();
      const genome = heads.get('genome') ?? null;
      return {
        lineage: withForks(state),
        heads: state.heads,
        genome,
        proposals: Object.fromEntries(named(heads, 'proposals/')),
      };
    },

    async append(identity, ...said) {
      await ready();
      const { state } = await current();
      if (Object.hasOwn(state.stops, identity.id)) {
        throw new CellError('FEED_REFUSED', 'This cell can say nothing more: its feed is forked', {
          why: 'its key signed two histories, so no other cell reads on',
          suggestion: 'Destroy this cell and let its parent take back what it had.',
        });
      }
      const before = state.heads[identity.id] ?? null;
      let head = before;
      let entry: Entry | undefined;
      for (const { deed, at, files = {} } of said) {
        const blobs = Object.entries(files).map(([path, bytes]) => ({ path, blob: bytes && gitObject('blob', bytes) }));
        const hashes = blobs.map(
          ({ path, blob }) => [path, blob && createHash('sha256').update(blob.body).digest('hex')] as const,
        );
        const place = { organism, seq: head?.entries ?? 0, prev: head?.hash ?? null };
        entry = makeEntry(identity, place, { deed, at, files: Object.fromEntries(hashes) });
        const after = { ...head?.files };
        blobs.forEach(({ path, blob }, index) => {
          if (blob === null) delete after[path];
          else after[path] = { blob: blob.id, sha256: hashes[index]?.[1] ?? '' };
        });
        const trees = treesOfFiles(after);
        const commit = commitOf(entry, trees.at(-1)?.id ?? '', head?.commit ?? null);
        await writeObjects(dir, [...blobs.flatMap(({ blob }) => blob ?? []), ...trees, commit]);
        head = {
          commit: commit.id,
          entries: entry.seq + 1,
          hash: entryHash(entry),
          files: after,
          key: identity.publicKey,
        };
      }
      if (head === null || entry === undefined) throw new Error('nothing was said');
      try {
        await updateRefs(dir, [{ ref: feedRef(identity.id), old: before?.commit ?? null, to: head.commit }]);
      } catch (cause) {
        throw new CellError('FEED_REFUSED', 'The entry could not be added to the own feed', {
          why: 'another process of this cell wrote in between',
          suggestion: 'Run the command again.',
          cause,
        });
      }
      return entry;
    },

    async file(cell, path) {
      const listed = (await current()).state.heads[cell]?.files[path];
      if (listed === undefined) return null;
      const object = await reading((objects) => objects.get(listed.blob));
      return object !== null && createHash('sha256').update(object.body).digest('hex') === listed.sha256
        ? object.body
        : null;
    },

    async entries(cell) {
      const head = (await current()).state.heads[cell];
      if (head === undefined) return [];
      const { readFeed } = await import('./chain.ts');
      return reading(
        async (objects) => (await readFeed(objects, { organism, seeder, cell }, null, head.commit)).entries,
      );
    },

    ready,
    quarantine: () => readQuarantine(home),

    async commitGenome(files) {
      await ready();
      const { writeGenome } = await import('./genome.ts');
      return writeGenome(dir, files, (await current()).state.lineage.genome);
    },

    async genomeFiles(of) {
      const { state, heads } = await current();
      const commit = of?.commit ?? heads.get('genome');
      if (commit === undefined)
        throw new CellError('GENOME_MISSING', 'The genome is not in this memory', { suggestion: 'Run `cell sync`.' });
      const { readGenome } = await import('./genome.ts');
      return reading((objects) => readGenome(objects, commit, of?.genome ?? state.lineage.genome));
    },

    reading,

    pulses: async () => readPulses(home),
    heardAt: async () => heardAt(home),
    publish: async (identity, told) => publishPulse(home, organism, identity, told),

    accept: (offer) =>
      withLock(lock, async () => {
        const state = await catchUp();
        const { from, objects } = offer;
        const given = { ...context, state, offers: offer.heads, proofs: offer.proofs, from, now: Date.now() };
        const verdict = await judge(objects, given);
        const changes: RefChange[] = [];
        for (const cell of new Set([...Object.keys(state.heads), ...Object.keys(verdict.state.heads)])) {
          const [old, to] = [state.heads[cell]?.commit ?? null, verdict.state.heads[cell]?.commit ?? null];
          if (old !== to) changes.push({ ref: feedRef(cell), old, to });
        }
        const refs = readHeads(dir);
        const {
          genome,
          proposals,
          changes: more,
        } = await (await import('./offers.ts')).judgeGenomes(home, refs, {
          objects,
          organism,
          genesis: verdict.state.lineage.genome,
          seeder: verdict.state.lineage.seeder.key,
          genome: offer.genome,
          proposals: offer.proposals ?? new Map(),
        });
        changes.push(...more);
        if (changes.length > 0 || verdict.evidence.length > 0) {
          await offer.keep();
          await settle(verdict.state, changes, verdict.evidence, objects);
          await tidy(dir, door).catch(() => false); // tried again after the next news
        }
        return { refused: { ...verdict.refused, ...proposals.refused }, taken: verdict.taken, genome };
      }),
  };
}

function readOrganism(home: string): { readonly organism: string; readonly seeder: CellId } {
  try {
    const { v, organism, seeder } = JSON.parse(readFileSync(join(home, 'organism.json'), 'utf8'));
    if (v !== 1) throw new Error(`it is of version ${v}; this program reads version 1`);
    return { organism, seeder };
  } catch (cause) {
    throw new CellError('HOME_MISSING', `There is no organism in ${home}`, {
      why: (cause as Error).message,
      suggestion: 'Make one with `cell seed`, or name its home with --home.',
      cause,
    });
  }
}

/** A forked feed shows in the lineage like one that said what it could not. */
function withForks({ lineage, stops }: State): Lineage {
  const forks = Object.entries(stops).map(([cell, seq]) => [
    cell,
    { seq, why: `its owner signed two histories that part at entry ${seq}` },
  ]);
  return forks.length === 0
    ? lineage
    : { ...lineage, quarantined: { ...lineage.quarantined, ...Object.fromEntries(forks) } };
}
