/**
 * From signed feeds to the lineage: who lives, who may bring about how many, and where each function is.
 *
 * The feeds were verified before (signatures, hash chain). Entries of one feed are read in order; one that needs news of
 * another feed waits; one that can never be right ends the reading of its feed, with the reason, and of no other.
 * The same feeds give the same lineage, however they arrived.
 *
 * Where feeds contradict each other the outcome depends on the order of reading. `fold` reads in one fixed order;
 * `extend` notices and gives null, and the caller folds everything anew.
 */
import type { CellId, Entry, Lineage } from '../model.ts';
import { apply } from './deeds.ts';
import { type Draft, draftOf, emptyDraft, lineageOf } from './draft.ts';

export type Feeds = Readonly<Record<CellId, readonly Entry[]>>;

/** Reads all feeds from their beginning. Gives an empty lineage (`organism` '') before the genesis is known. */
export function fold(feeds: Feeds, seederId: CellId): Lineage {
  const cuts = new Map<CellId, number>();
  for (;;) {
    const draft = emptyDraft(seederId);
    take(draft, feeds);
    const cut = settle(draft, { cuts, claimed: claimedCuts(feeds) });
    if (cut === null) return lineageOf(draft);
    // A fenced cell said more than its fencer had seen: read again without that. Cuts only get more or earlier.
    cuts.set(cut.cell, cut.entries);
  }
}

/**
 * Goes on from a lineage with the entries that are new in each feed; ones already known are passed over.
 * Gives null when the news changes what was read before: then `fold` all feeds. Throws when a feed has a gap.
 */
export function extend(lineage: Lineage, newer: Feeds): Lineage | null {
  const { ledger } = lineage;
  if (ledger === undefined || ledger.contested) return null;
  const draft = draftOf(lineage, ledger);
  if (!take(draft, newer)) return lineage;
  return settle(draft, { cuts: new Map(), claimed: new Map() }) !== null || draft.contested ? null : lineageOf(draft);
}

/** Queues entries that are not known yet; whether there were any. */
function take(draft: Draft, feeds: Feeds): boolean {
  let any = false;
  for (const id of Object.keys(feeds).sort()) {
    for (const entry of feeds[id] ?? []) {
      const newest = draft.newest[id];
      if (newest !== undefined && entry.seq <= newest) continue;
      if (newest !== undefined && entry.seq > newest + 1) {
        throw new Error(`the feed of ${id} goes from entry ${newest} to ${entry.seq}`);
      }
      draft.newest[id] = entry.seq;
      any = true;
      if (draft.quarantined[id] === undefined) queueOf(draft, id).push(entry);
    }
  }
  return any;
}

function queueOf(draft: Draft, id: CellId): Entry[] {
  const known = draft.pending.get(id);
  if (known !== undefined) return known;
  const fresh: Entry[] = [];
  draft.pending.set(id, fresh);
  return fresh;
}

/** How far feeds are read. */
interface Limits {
  /** By fences that were reached: these hold. */
  readonly cuts: ReadonlyMap<CellId, number>;
  /** By fences that somebody says: nothing beyond is read while anything else can be, for it may well be refused. */
  readonly claimed: Map<CellId, number>;
}

function claimedCuts(feeds: Feeds): Map<CellId, number> {
  const claimed = new Map<CellId, number>();
  for (const { deed } of Object.values(feeds).flat()) {
    if (deed.kind !== 'fence') continue;
    claimed.set(deed.child, Math.min(deed.entries, claimed.get(deed.child) ?? Number.POSITIVE_INFINITY));
  }
  return claimed;
}

interface Cut {
  readonly cell: CellId;
  readonly entries: number;
}

/** Reads on in every feed until nothing moves. Gives a cut when a fence ends a feed before what was read of it. */
function settle(draft: Draft, limits: Limits): Cut | null {
  for (;;) {
    let moved = false;
    for (const id of [...draft.pending.keys()].sort()) {
      const outcome = read(draft, id, limits);
      if (typeof outcome === 'object') return outcome;
      moved = outcome || moved;
    }
    if (!moved && !lift(draft, limits) && !force(draft)) return null;
  }
}

/** Reads one feed as far as it goes. */
function read(draft: Draft, id: CellId, { cuts, claimed }: Limits): boolean | Cut {
  const queue = queueOf(draft, id);
  const limit = Math.min(cuts.get(id) ?? Number.POSITIVE_INFINITY, claimed.get(id) ?? Number.POSITIVE_INFINITY);
  let moved = false;
  for (let entry = queue[0]; entry !== undefined; entry = queue[0]) {
    const index = draft.folded[id] ?? 0;
    if (index >= limit && draft.cells[id]?.state !== 'gone') {
      draft.waitsFor[id] = 'the fence that ends this feed';
      return moved;
    }
    const verdict = apply(draft, entry, index);
    if (verdict === 'done') {
      queue.shift();
      draft.folded[id] = index + 1;
    } else if ('wait' in verdict) {
      draft.waitsFor[id] = verdict.wait;
      return moved;
    } else if ('cut' in verdict) {
      return { cell: verdict.cut, entries: verdict.entries };
    } else {
      draft.quarantined[id] = { seq: entry.seq, why: verdict.wrong };
      queue.length = 0;
    }
    moved = true;
    delete draft.waitsFor[id];
  }
  draft.pending.delete(id);
  return moved;
}

/** Nothing else can be read: a fence that only was claimed holds nobody up any longer. */
function lift(draft: Draft, { claimed }: Limits): boolean {
  for (const id of [...draft.pending.keys()].sort()) {
    const limit = claimed.get(id);
    if (limit === undefined || limit > (draft.folded[id] ?? 0)) continue;
    claimed.delete(id);
    return true;
  }
  return false;
}

/**
 * A fence whose child's feed is all here but stuck would hold up its honest author for ever. The child's feed ends
 * where it is stuck. Later news might have freed it, so this cannot be extended.
 */
function force(draft: Draft): boolean {
  for (const id of [...draft.pending.keys()].sort()) {
    const head = queueOf(draft, id)[0];
    if (head?.deed.kind !== 'fence' || draft.quarantined[id] !== undefined) continue;
    const { child, entries } = head.deed;
    const stuck = draft.pending.get(child)?.[0];
    const received = (draft.folded[child] ?? 0) + (draft.pending.get(child)?.length ?? 0);
    if (stuck === undefined || received < entries || draft.cells[child]?.parent !== id) continue;
    draft.contested = true;
    draft.quarantined[child] = { seq: stuck.seq, why: `it waited for ${draft.waitsFor[child]} until it was fenced` };
    draft.pending.delete(child);
    delete draft.waitsFor[child];
    return true;
  }
  return false;
}

/** Births whose machines and records are meant to be there: cells that are not gone, and attempts under way. */
export function knownBirths(lineage: Lineage): ReadonlySet<string> {
  const cells = Object.values(lineage.cells).filter((cell) => cell.state !== 'gone');
  const attempts = [...lineage.seederAttempts, ...Object.values(lineage.cells).flatMap((cell) => cell.attempts)];
  return new Set([...cells.map((cell) => cell.birth), ...attempts]);
}
