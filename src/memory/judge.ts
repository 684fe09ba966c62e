/**
 * What becomes of offered feeds: which entries are good, which feeds fork, what the lineage is then.
 *
 * One judge for entries that a peer sent and for refs that were found changed in the own repository. It changes nothing:
 * the caller moves the refs and writes the notes.
 */
import type { CellId, Entry, Lineage } from '../model.ts';
import type { Head, Place, Reading } from './chain.ts';
import { readFeed } from './chain.ts';
import type { Refusal } from './entry.ts';
import type { Evidence } from './quarantine.ts';
import type { Objects } from './repo.ts';
import type { State } from './state.ts';

/** The pure rules of decide/lineage.ts. */
export interface LineageRules {
  fold(feeds: Readonly<Record<CellId, readonly Entry[]>>, seeder: CellId): Lineage;
  extend(lineage: Lineage, more: Readonly<Record<CellId, readonly Entry[]>>): Lineage | null;
}

export interface Case {
  readonly organism: string;
  readonly seeder: CellId;
  readonly rules: LineageRules;
  readonly state: State;
  /** The tip of each feed as offered. */
  readonly offers: ReadonlyMap<CellId, string>;
  /** Pairs of tips that are said to prove a fork. */
  readonly proofs?: ReadonlyMap<CellId, readonly [string, string]>;
  /** Who offers; null: found at home, where a feed may come before its birth (a newborn's own). */
  readonly from: CellId | null;
  readonly now: number;
}

export interface Verdict {
  readonly state: State;
  readonly evidence: readonly Evidence[];
  readonly refused: Readonly<Record<CellId, Refusal>>;
  /** How many entries were taken in. */
  readonly taken: number;
}

/** Judges offers against the state. Throws only when the repository cannot be read. */
export async function judge(objects: Objects, given: Case): Promise<Verdict> {
  const { state, from, now } = given;
  const evidence: Evidence[] = [];
  const refused: Record<CellId, Refusal> = {};
  const readings = new Map<CellId, Reading>();
  const stops: Record<CellId, number> = { ...state.stops };
  const cut = new Map<CellId, Head | null>();
  const place = (cell: CellId): Place => ({ organism: given.organism, seeder: given.seeder, cell });

  const condemn = async (cell: CellId, tips: readonly [string, string]): Promise<void> => {
    const fork = await findFork(objects, place(cell), tips);
    const stop = stops[cell] ?? Number.POSITIVE_INFINITY;
    if (fork === null || fork.seq > stop) return;
    const why = `its owner signed two histories that part at entry ${fork.seq}`;
    // Kept again where it is known: the proof itself may have been lost.
    evidence.push({ feed: cell, seq: fork.seq, reason: 'forked', why, commit: tips[1], from, at: now, fork: tips });
    if (fork.seq === stop) return;
    stops[cell] = fork.seq;
    cut.set(cell, fork.common);
    readings.delete(cell);
    refused[cell] = { reason: 'forked', why };
  };

  await Promise.all(
    [...given.offers].map(async ([cell, tip]) => {
      const known = state.heads[cell] ?? null;
      const room = (state.stops[cell] ?? Number.POSITIVE_INFINITY) - (known?.entries ?? 0);
      if (tip === known?.commit || room <= 0) return;
      let reading = await readFeed(objects, place(cell), known, tip);
      if (room < Number.POSITIVE_INFINITY) {
        // forked: nothing at or after the fork is read, and nothing more is said about it
        const last = reading.commits[Math.min(room, reading.commits.length) - 1];
        if (last === undefined || reading.diverged) return;
        reading = await readFeed(objects, place(cell), known, last);
      }
      if (reading.diverged && reading.head !== null && known !== null)
        await condemn(cell, [known.commit, reading.head.commit]);
      else if (!reading.diverged) readings.set(cell, reading);
      if (reading.refusal === null || refused[cell] !== undefined) return;
      const { reason, why, seq } = reading.refusal;
      refused[cell] = { reason, why };
      evidence.push({ feed: cell, seq, reason, why, commit: tip, from, at: now, fork: null });
    }),
  );
  await Promise.all([...(given.proofs ?? [])].map(([cell, tips]) => condemn(cell, tips)));

  const heads: Record<CellId, Head> = { ...state.heads };
  for (const [cell, head] of cut) {
    if (head === null) delete heads[cell];
    else heads[cell] = head;
  }
  const feeds = new Map([...readings].filter(([, reading]) => reading.entries.length > 0));
  const lineage = cut.size > 0 ? await refold(objects, given, heads, new Map()) : state.lineage;
  const folded = await foldIn(objects, given, { heads, lineage }, feeds);
  for (const cell of folded.unknown)
    refused[cell] ??= { reason: 'stranger', why: 'no feed announces the birth of this cell' };
  let taken = 0;
  for (const [cell, reading] of feeds) {
    if (folded.unknown.has(cell) || reading.head === null) continue;
    heads[cell] = reading.head;
    taken += reading.entries.length;
  }
  // A stranger's bad feed is refused, not kept: evidence is for feeds that are known.
  const kept = evidence.filter(
    ({ feed }) => from === null || feed === given.seeder || Object.hasOwn(folded.lineage.cells, feed),
  );
  return { state: { heads, lineage: folded.lineage, stops }, evidence: kept, refused, taken };
}

/** Adds entries to a lineage. From a peer, a feed counts only once a birth announces it, be it in the same offer. */
async function foldIn(
  objects: Objects,
  given: Case,
  base: Pick<State, 'heads' | 'lineage'>,
  feeds: ReadonlyMap<CellId, Reading>,
): Promise<{ readonly lineage: Lineage; readonly unknown: ReadonlySet<CellId> }> {
  const unknown = new Set(feeds.keys());
  const known = new Map<CellId, Reading>();
  let { lineage } = base;
  for (;;) {
    const news: Record<CellId, readonly Entry[]> = {};
    for (const cell of unknown) {
      const reading = feeds.get(cell);
      const announced = cell === given.seeder || Object.hasOwn(lineage.cells, cell) || Object.hasOwn(base.heads, cell);
      if (reading === undefined || !(announced || given.from === null)) continue;
      news[cell] = reading.entries;
      known.set(cell, reading);
      unknown.delete(cell);
    }
    if (Object.keys(news).length === 0) return { lineage, unknown };
    lineage = given.rules.extend(lineage, news) ?? (await refold(objects, given, base.heads, known));
  }
}

/** The lineage from nothing but the feeds: those in the repository, and what goes on from there. */
async function refold(
  objects: Objects,
  given: Case,
  heads: State['heads'],
  more: ReadonlyMap<CellId, Reading>,
): Promise<Lineage> {
  const feeds: Record<CellId, readonly Entry[]> = {};
  await Promise.all(
    Object.entries(heads).map(async ([cell, head]) => {
      const place = { organism: given.organism, seeder: given.seeder, cell };
      feeds[cell] = (await readFeed(objects, place, null, head.commit)).entries;
    }),
  );
  for (const [cell, { entries }] of more) feeds[cell] = [...(feeds[cell] ?? []), ...entries];
  return given.rules.fold(feeds, given.seeder);
}

/** Where two tips of a feed part, when both are signed by its owner beyond that point. null: they do not. */
async function findFork(
  objects: Objects,
  place: Place,
  tips: readonly [string, string],
): Promise<{ readonly seq: number; readonly common: Head | null } | null> {
  const [one, other] = await Promise.all(tips.map((tip) => readFeed(objects, place, null, tip)));
  if (one === undefined || other === undefined) return null;
  const seq = one.commits.findIndex((commit, index) => commit !== other.commits[index]);
  if (seq < 0 || seq >= other.commits.length) return null;
  const last = one.commits[seq - 1];
  return { seq, common: last === undefined ? null : (await readFeed(objects, place, null, last)).head };
}
