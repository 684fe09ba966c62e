/**
 * What was refused, and why: `door/quarantine.json`, with the commits themselves kept below `refs/quarantine/`.
 *
 * Two kinds. A refused entry is evidence only: anybody could have made it, so the feed goes on from its last good entry
 * when its owner's next one comes. A fork is proof, for only the owner's key can sign two histories: the feed is read no
 * further than where they part, by every cell alike, and the proof is passed on with the next sessions.
 */
import { join } from 'node:path';
import { readPlain } from '../effects/owner.ts';
import { replaceFile } from '../effects/replace.ts';
import type { CellId } from '../model.ts';
import { doorOf } from './door.ts';
import type { RefusalReason } from './entry.ts';
import { MAX_EVIDENCE } from './limits.ts';

export interface Evidence {
  readonly feed: CellId;
  /** The first entry that is not read. */
  readonly seq: number;
  readonly reason: RefusalReason;
  readonly why: string;
  /** What was offered; kept as refs/quarantine/FEED/COMMIT while the objects are there. */
  readonly commit: string;
  /** Who offered it; null: it was found in this home. */
  readonly from: CellId | null;
  readonly at: number;
  /** Two tips that the owner signed and that part at `seq`. */
  readonly fork: readonly [string, string] | null;
}

const fileOf = (home: string) => join(doorOf(home), 'quarantine.json');

export function readQuarantine(home: string): readonly Evidence[] {
  try {
    const { v, items } = JSON.parse(readPlain(fileOf(home))) as {
      v: number;
      items: Evidence[];
    };
    return v === 1 && Array.isArray(items) ? items : [];
  } catch {
    return []; // absent, or cut off by a crash of an older kind: forks are proven again by the next peer that knows
  }
}

/** Adds evidence; what is known already, or too much of one feed, is left out. Call it under the memory's lock. */
export function addEvidence(home: string, found: readonly Evidence[]): readonly Evidence[] {
  const items = [...readQuarantine(home)];
  for (const item of found) {
    const same = items.filter(({ feed }) => feed === item.feed);
    const known = same.some(({ commit, fork, seq }) =>
      item.fork === null ? commit === item.commit : fork !== null && seq <= item.seq,
    );
    if (!known && (item.fork !== null || same.length < MAX_EVIDENCE)) items.push(item);
  }
  replaceFile(fileOf(home), `${JSON.stringify({ v: 1, items }, null, 1)}\n`);
  return items;
}

/** Where each forked feed ends: the earliest fork that is proven. */
export function forksOf(
  items: readonly Evidence[],
): ReadonlyMap<CellId, Evidence & { readonly fork: readonly [string, string] }> {
  const forks = new Map<CellId, Evidence & { readonly fork: readonly [string, string] }>();
  for (const item of items) {
    if (item.fork !== null && item.seq < (forks.get(item.feed)?.seq ?? Number.POSITIVE_INFINITY)) {
      forks.set(item.feed, { ...item, fork: item.fork });
    }
  }
  return forks;
}

/**
 * The tips that are said to prove forks which these stops (where feeds end that were found to be forked) do not have. To be
 * looked at before they are believed: whoever may write the file may have written them.
 */
export function unprovenForks(
  items: readonly Evidence[],
  stops: Readonly<Record<CellId, number>>,
): ReadonlyMap<CellId, readonly [string, string]> {
  const news = [...forksOf(items)].filter(([cell, { seq }]) => seq < (stops[cell] ?? Number.POSITIVE_INFINITY));
  return new Map(news.map(([cell, { fork }]) => [cell, fork]));
}
