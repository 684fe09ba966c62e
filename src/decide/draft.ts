/**
 * A lineage while it is being folded: the same fields, writable, with the few moves that several deeds share.
 *
 * Tokens: every one of `maxCells` is at any time in exactly one place: somebody's budget, an open attempt, or a cell
 * that is not gone. The moves here keep it so; invariants.ts counts.
 */
import type { BirthId, Cell, CellId, Entry, FunctionName, Ledger, Lineage, Said } from '../model.ts';
import { joined } from './slots.ts';

export type Writable<T> = { -readonly [Key in keyof T]: T[Key] };
type Table<T> = Record<string, T>;

export interface Draft {
  readonly seederId: CellId;
  organism: string;
  genome: string;
  maxCells: number;
  mint: CellId;
  authorities: Lineage['authorities'];
  seeder: Writable<Lineage['seeder']>;
  seederAttempts: readonly BirthId[];
  readonly cells: Table<Cell>;
  readonly homes: Table<readonly CellId[]>;
  readonly owners: Table<CellId>;
  readonly orders: Table<Lineage['orders'][string]>;
  readonly quarantined: Table<Lineage['quarantined'][string]>;
  readonly folded: Table<number>;
  readonly births: Table<Ledger['births'][string]>;
  readonly slots: Table<readonly number[]>;
  readonly bearers: Table<CellId>;
  readonly heirs: Table<CellId>;
  readonly replicated: Set<FunctionName>;
  readonly merges: Table<Ledger['merges'][string]>;
  readonly givers: Table<readonly CellId[]>;
  readonly moves: Table<Ledger['moves'][string]>;
  readonly said: Table<readonly Said[]>;
  lastSwitch: Ledger['lastSwitch'];
  readonly pending: Map<CellId, Entry[]>;
  readonly waitsFor: Table<string>;
  readonly newest: Table<number>;
  contested: boolean;
}

export function emptyDraft(seederId: CellId): Draft {
  return {
    seederId,
    organism: '',
    genome: '',
    maxCells: 0,
    mint: seederId,
    authorities: [],
    seeder: { id: seederId, key: '', recipient: '', budget: 0 },
    seederAttempts: [],
    cells: {},
    homes: {},
    owners: {},
    orders: {},
    quarantined: {},
    folded: {},
    births: {},
    slots: {},
    bearers: {},
    heirs: {},
    replicated: new Set(),
    merges: {},
    givers: {},
    moves: {},
    said: {},
    lastSwitch: null,
    pending: new Map(),
    waitsFor: {},
    newest: {},
    contested: false,
  };
}

/** A copy to go on from; the lineage it came from stays as it is. */
export function draftOf(lineage: Lineage, ledger: Ledger): Draft {
  return {
    seederId: lineage.seeder.id,
    organism: lineage.organism,
    genome: lineage.genome,
    maxCells: lineage.maxCells,
    mint: lineage.mint,
    authorities: lineage.authorities,
    seeder: { ...lineage.seeder },
    seederAttempts: lineage.seederAttempts,
    cells: { ...lineage.cells },
    homes: { ...lineage.homes },
    owners: { ...lineage.owners },
    orders: { ...lineage.orders },
    quarantined: { ...lineage.quarantined },
    folded: { ...lineage.folded },
    births: { ...ledger.births },
    slots: { ...ledger.slots },
    bearers: { ...ledger.bearers },
    heirs: { ...ledger.heirs },
    replicated: new Set(ledger.replicated),
    merges: { ...ledger.merges },
    givers: { ...ledger.givers },
    moves: { ...ledger.moves },
    said: { ...lineage.said },
    lastSwitch: ledger.lastSwitch,
    pending: new Map(Object.entries(ledger.pending).map(([id, entries]) => [id, [...entries]])),
    waitsFor: { ...ledger.waitsFor },
    newest: { ...ledger.newest },
    contested: ledger.contested,
  };
}

function sorted<T>(table: Table<T>): Table<T> {
  return Object.fromEntries(Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Keys in order, so that equal lineages are also equal as text. */
export function lineageOf(draft: Draft): Lineage {
  const pending = [...draft.pending].filter(([, entries]) => entries.length > 0);
  const { lastSwitch } = draft;
  const { by, at, why } = lastSwitch ?? { by: '', at: 0, why: '' };
  return {
    organism: draft.organism,
    genome: draft.genome,
    maxCells: draft.maxCells,
    mint: draft.mint,
    authorities: draft.authorities,
    seeder: { ...draft.seeder },
    seederAttempts: draft.seederAttempts,
    cells: sorted(draft.cells),
    homes: sorted(draft.homes),
    owners: sorted(draft.owners),
    orders: sorted(draft.orders),
    frozen: lastSwitch?.on === true ? { by, at, why } : null,
    quarantined: sorted(draft.quarantined),
    waiting: sorted(Object.fromEntries(pending.map(([id, entries]) => [id, entries.length]))),
    folded: sorted(draft.folded),
    ...(Object.keys(draft.said).length === 0 ? {} : { said: sorted(draft.said) }),
    ledger: {
      births: sorted(draft.births),
      slots: sorted(draft.slots),
      bearers: sorted(draft.bearers),
      heirs: sorted(draft.heirs),
      replicated: [...draft.replicated].sort(),
      merges: sorted(draft.merges),
      givers: sorted(draft.givers),
      moves: sorted(draft.moves),
      lastSwitch,
      pending: sorted(Object.fromEntries(pending)),
      waitsFor: sorted(draft.waitsFor),
      newest: sorted(draft.newest),
      contested: draft.contested,
    },
  };
}

export function patch(draft: Draft, id: CellId, change: Partial<Cell>): void {
  const cell = draft.cells[id];
  if (cell !== undefined) draft.cells[id] = { ...cell, ...change };
}

export function budgetOf(draft: Draft, id: CellId): number {
  return id === draft.seederId ? draft.seeder.budget : (draft.cells[id]?.budget ?? 0);
}

export function addBudget(draft: Draft, id: CellId, amount: number): void {
  if (id === draft.seederId) draft.seeder.budget += amount;
  else patch(draft, id, { budget: budgetOf(draft, id) + amount });
}

export function attemptsOf(draft: Draft, id: CellId): readonly BirthId[] {
  return id === draft.seederId ? draft.seederAttempts : (draft.cells[id]?.attempts ?? []);
}

export function setAttempts(draft: Draft, id: CellId, attempts: readonly BirthId[]): void {
  const ordered = [...attempts].sort();
  if (id === draft.seederId) draft.seederAttempts = ordered;
  else patch(draft, id, { attempts: ordered });
}

export function homesOf(draft: Draft, name: FunctionName): readonly CellId[] {
  return draft.homes[name] ?? [];
}

/** Moves a function's homes, and what its cells say they perform. */
export function setHomes(draft: Draft, name: FunctionName, homes: readonly CellId[]): void {
  const before = homesOf(draft, name);
  const after = [...new Set(homes)].sort();
  draft.homes[name] = after;
  if (after.length > 1) draft.replicated.add(name);
  for (const id of before.filter((home) => !after.includes(home))) {
    patch(draft, id, { functions: (draft.cells[id]?.functions ?? []).filter((held) => held !== name) });
  }
  for (const id of after.filter((home) => !before.includes(home))) {
    patch(draft, id, { functions: [...(draft.cells[id]?.functions ?? []), name].sort() });
  }
}

/**
 * A function comes to a cell from another, which keeps it or not. A gift to a home that has one already, beside that home
 * giving its own away, is read differently in the two orders: with replicas this may truly happen. It is no lie, but
 * contested, unless the giver had been buried or fenced by that home before, which puts the two in order.
 */
export function noteGift(draft: Draft, name: FunctionName, from: CellId, to: CellId, keeps: boolean): void {
  const merges = draft.merges[name] ?? [];
  const givers = draft.givers[name] ?? [];
  if (!keeps && merges.some((one) => one.to === from && draft.cells[one.from]?.state !== 'gone'))
    draft.contested = true;
  if (homesOf(draft, name).includes(to)) {
    const known = merges.some((one) => one.from === from && one.to === to);
    if (!known) draft.merges[name] = [...merges, { from, to }].sort(byEnds);
  } else if (draft.replicated.has(name) && givers.includes(to)) draft.contested = true;
}

/** It gave its own away. */
export function noteGiver(draft: Draft, name: FunctionName, from: CellId): void {
  const givers = draft.givers[name] ?? [];
  if (!givers.includes(from)) draft.givers[name] = [...givers, from].sort();
}

function byEnds(a: { from: CellId; to: CellId }, b: { from: CellId; to: CellId }): number {
  return `${a.from} ${a.to}` < `${b.from} ${b.to}` ? -1 : 1;
}

/** What one cell says of four proposals: voted, taken, taken back. The order is that of its own feed, so all keep the same. */
const SAYINGS = 12;

export function noteSaying(draft: Draft, by: CellId, said: Said): void {
  draft.said[by] = [...(draft.said[by] ?? []), said].slice(-SAYINGS);
}

/** Enough to see a function going to and fro. */
const MOVES = 16;

export function noteMove(draft: Draft, name: FunctionName, at: number, back: boolean): void {
  const all = [...(draft.moves[name] ?? []), { at, back }];
  draft.moves[name] = all.sort((a, b) => a.at - b.at || Number(a.back) - Number(b.back)).slice(-MOVES);
}

export function childrenOf(draft: Draft, id: CellId): readonly Cell[] {
  return Object.values(draft.cells).filter((cell) => cell.parent === id && cell.state !== 'gone');
}

/** Whoever stands for a cell now: itself, or, once it is gone, who took over from it. */
export function standingFor(draft: Draft, id: CellId): CellId {
  let now = id;
  // Each step goes one birth nearer to the seeder, so this ends.
  while (draft.heirs[now] !== undefined) now = draft.heirs[now] as CellId;
  return now;
}

/** Slots that stem cells of a cell fill. */
export function filledBy(draft: Draft, id: CellId): readonly number[] {
  return attemptsOf(draft, id).flatMap((birth) => draft.births[birth]?.slot ?? []);
}

/** A cell ends: its tokens, the right to raise their number, its open attempts, slots, children and stacks go to its heir. Functions are the caller's. */
export function inherit(draft: Draft, from: CellId, heir: CellId): void {
  const gone = draft.cells[from];
  if (gone === undefined) return;
  addBudget(draft, heir, 1 + gone.budget);
  for (const birth of gone.attempts) {
    const attempt = draft.births[birth];
    if (attempt !== undefined) draft.births[birth] = { ...attempt, by: heir };
  }
  setAttempts(draft, heir, [...attemptsOf(draft, heir), ...gone.attempts]);
  draft.slots[heir] = joined(draft.slots[heir] ?? [], draft.slots[from] ?? []);
  delete draft.slots[from];
  for (const orphan of childrenOf(draft, from)) patch(draft, orphan.id, { parent: heir });
  const body = draft.births[gone.birth]?.stack;
  if (body !== undefined) delete draft.owners[body];
  for (const [stack, owner] of Object.entries(draft.owners)) if (owner === from) draft.owners[stack] = heir;
  draft.heirs[from] = heir;
  if (draft.mint === from) draft.mint = heir;
  patch(draft, from, { state: 'gone', budget: 0, attempts: [] });
}

/** Whether a body's machine is known to be destroyed. */
export function isOver(draft: Draft, stack: string): boolean {
  const [birth, attempt] = Object.entries(draft.births).find(([, one]) => one.stack === stack) ?? [];
  if (attempt?.state !== 'born') return attempt?.state === 'abandoned';
  return Object.values(draft.cells).some((cell) => cell.birth === birth && cell.state === 'gone');
}
