/**
 * A feed read from git and checked, entry by entry, from the last one that is known to be good.
 *
 * Checked here is everything that needs no other feed: the one canonical form, the key whose fingerprint is the feed's
 * name, the hash chain, the commit's bytes and the carried files. Whether the cell was ever born is the lineage's to say.
 */
import type { KeyObject } from 'node:crypto';
import { createHash } from 'node:crypto';
import { cellId, keyObject } from '../effects/keys.ts';
import type { CellId, Entry } from '../model.ts';
import type { Refusal } from './entry.ts';
import { entryHash, isRefusal, parseEntry, verifyEntry } from './entry.ts';
import { MAX_CHAIN, MAX_FILES } from './limits.ts';
import { commitOf, parseCommit, treesOf } from './objects.ts';
import type { Objects } from './repo.ts';
import { readTree } from './repo.ts';
import { unsignedIn } from './signed.ts';

/** Where a feed stands. */
export interface Head {
  readonly commit: string;
  /** How many entries it has. */
  readonly entries: number;
  /** Hash of the last. */
  readonly hash: string;
  /** The files it carries now, by path: git's blob and sha256. */
  readonly files: Readonly<Record<string, { readonly blob: string; readonly sha256: string }>>;
  readonly key: string;
}

export interface Place {
  readonly organism: string;
  readonly seeder: CellId;
  readonly cell: CellId;
}

export interface Reading {
  /** Good entries after the head that reading began at, oldest first, and the commit of each. */
  readonly entries: readonly Entry[];
  readonly commits: readonly string[];
  readonly head: Head | null;
  /** Why it stops before the tip, and where. */
  readonly refusal: (Refusal & { readonly seq: number; readonly commit: string }) | null;
  /** The tip does not descend from the head; the reading then begins at the first entry. */
  readonly diverged: boolean;
}

/** Reads a feed from `from` (null: the beginning) to the commit `tip`. Throws only when the repository cannot be read. */
export async function readFeed(objects: Objects, place: Place, from: Head | null, tip: string): Promise<Reading> {
  const { list, met, broken } = await walk(objects, tip, from?.commit ?? null);
  const diverged = from !== null && !met;
  let head = diverged ? null : from;
  let key: KeyObject | null = head === null ? null : keyObject(head.key);
  const entries: Entry[] = [];
  const commits: string[] = [];
  const stop = (refusal: Refusal, commit: string): Reading => {
    return { entries, commits, head, refusal: { ...refusal, seq: head?.entries ?? 0, commit }, diverged };
  };
  if (broken !== null) return stop(broken, tip);
  for (const { id, body } of list) {
    const parsed = parseCommit(body);
    if (parsed === null) return stop({ reason: 'malformed', why: 'its commit cannot be read' }, id);
    const entry = parseEntry(parsed.last);
    if (isRefusal(entry)) return stop(entry, id);
    if (head === null) {
      const wrong = checkFirst(entry, place);
      if (wrong !== null) return stop(wrong, id);
    }
    key ??= keyObject((entry.deed as { key: string }).key);
    const keyLine: string = head?.key ?? (entry.deed as { key: string }).key;
    const expected = {
      organism: place.organism,
      cell: place.cell,
      key,
      seq: head?.entries ?? 0,
      prev: head?.hash ?? null,
    };
    const refused = verifyEntry(entry, expected);
    if (refused !== null) return stop(refused, id);
    if (head !== null && (entry.deed.kind === 'born' || entry.deed.kind === 'genesis')) {
      return stop({ reason: 'malformed', why: `${entry.deed.kind} can only be the first entry` }, id);
    }
    const unsigned = unsignedIn(entry.deed);
    if (unsigned !== null) return stop(unsigned, id);
    if (commitOf(entry, parsed.tree, head?.commit ?? null).id !== id) {
      return stop({ reason: 'tampered', why: 'its commit is not the one that its entry makes' }, id);
    }
    const files = await checkFiles(objects, entry, parsed.tree, head?.files ?? {});
    if (typeof files === 'string') return stop({ reason: 'tampered', why: files }, id);
    head = { commit: id, entries: (head?.entries ?? 0) + 1, hash: entryHash(entry), files, key: keyLine };
    entries.push(entry);
    commits.push(id);
  }
  return { entries, commits, head, refusal: null, diverged };
}

/** The commits from a tip back to `until`, oldest first. Only first parents: a feed has no merges. */
async function walk(objects: Objects, tip: string, until: string | null) {
  const list: { id: string; body: Buffer }[] = [];
  const answer = (met: boolean, broken: Refusal | null) => ({ list: list.reverse(), met, broken });
  for (let id: string | undefined = tip; id !== undefined; ) {
    if (id === until) return answer(true, null);
    const object = await objects.get(id);
    if (object?.type !== 'commit') return answer(false, { reason: 'malformed', why: 'a commit of it is missing' });
    if (list.push({ id, body: object.body }) > MAX_CHAIN)
      return answer(false, { reason: 'malformed', why: 'it is too long' });
    id = parseCommit(object.body)?.parents[0];
  }
  return answer(false, null);
}

/** A feed begins with what says its key, and the key's fingerprint is the feed's name. */
function checkFirst(entry: Entry, place: Place): Refusal | null {
  const kind = place.cell === place.seeder ? 'genesis' : 'born';
  const { deed } = entry;
  if ((deed.kind !== 'genesis' && deed.kind !== 'born') || deed.kind !== kind) {
    return { reason: entry.seq > 0 ? 'replayed' : 'malformed', why: `it begins with ${deed.kind}, not with ${kind}` };
  }
  if (deed.kind === 'genesis' && deed.organism !== place.organism)
    return { reason: 'foreign', why: `it is the genesis of ${deed.organism}` };
  if (cellId(deed.key) !== place.cell)
    return { reason: 'stranger', why: 'its key is not the one that the feed is named after' };
  return null;
}

/** The files after an entry, or what is wrong: exactly those that it names have changed, to what it says. */
async function checkFiles(
  objects: Objects,
  entry: Entry,
  tree: string,
  before: Head['files'],
): Promise<Head['files'] | string> {
  const said = Object.entries(entry.files);
  if (said.length > MAX_FILES) return 'it carries too many files';
  let listed: Awaited<ReturnType<typeof readTree>> | null = null;
  const after: Record<string, { blob: string; sha256: string }> = { ...before };
  for (const [path, sha256] of said) {
    if (sha256 === null) {
      delete after[path];
      continue;
    }
    try {
      listed ??= await readTree(objects, tree, MAX_FILES * 16);
    } catch (error) {
      return error instanceof Error ? error.message : 'its tree cannot be read';
    }
    const blob = listed.get(path)?.blob;
    const content = blob === undefined ? null : await objects.get(blob);
    if (blob === undefined || content?.type !== 'blob') return `${path} is missing`;
    if (createHash('sha256').update(content.body).digest('hex') !== sha256) return `${path} is not what was signed`;
    after[path] = { blob, sha256 };
  }
  return treeId(after) === tree ? after : 'its tree holds other files than it names';
}

/** The id of the tree that holds these files. */
function treeId(files: Head['files']): string {
  return treesOfFiles(files).at(-1)?.id ?? '';
}

export function treesOfFiles(files: Head['files']) {
  return treesOf(new Map(Object.entries(files).map(([path, { blob }]) => [path, { mode: '100644', blob }])));
}
