/**
 * What each deed needs and what it does. A deed is done, or waits for news of another feed, or is wrong: it can never be
 * right, whatever else arrives, and then its feed is not read on.
 *
 * Budget, attempts and children of a cell are changed by its own deeds only, so about these a feed can be judged by
 * itself. Functions come from others: a cell that gives what it is not (yet) known to hold waits.
 */
import type { Cell, CellId, Deed, Entry } from '../model.ts';
import type { Draft } from './draft.ts';
import * as d from './draft.ts';
import { lackOf } from './grant.ts';
import { ALL_SLOTS, shared } from './slots.ts';

export type Verdict =
  | 'done'
  | { readonly wait: string }
  | { readonly wrong: string }
  /** A fence that was said by somebody who knew less of the child than is folded already. */
  | { readonly cut: CellId; readonly entries: number };

type Of<Kind extends Deed['kind']> = Extract<Deed, { kind: Kind }>;

const wrong = (why: string): Verdict => ({ wrong: why });
const wait = (what: string): Verdict => ({ wait: what });

/** Wrong, but another order of news might have judged somebody else: the whole is folded in one fixed order then. */
function contradicted(draft: Draft, why: string): Verdict {
  draft.contested = true;
  return wrong(why);
}

export function apply(draft: Draft, entry: Entry, index: number): Verdict {
  const { cell: by, deed } = entry;
  if (by === draft.seederId) {
    if (index === 0) return deed.kind === 'genesis' ? genesis(draft, deed) : wrong('the first entry is not a genesis');
  } else {
    if (draft.organism === '') return wait('the genesis');
    const cell = draft.cells[by];
    if (cell === undefined) return wait(`the birth of ${by}`);
    if (cell.state === 'gone') return wrong(ended(draft.heirs[by] ?? ''));
    if (cell.state === 'parted') return wrong('it had said farewell');
    if (index === 0)
      return deed.kind === 'born' ? born(draft, by, cell, deed) : wrong('the first entry is not its birth');
  }
  if (entry.organism !== draft.organism) return wrong(`it is of another organism, ${entry.organism}`);
  return perform(draft, entry);
}

function perform(draft: Draft, entry: Entry): Verdict {
  const { cell: by, deed } = entry;
  switch (deed.kind) {
    case 'genesis':
    case 'born':
      return wrong(`${deed.kind} is said once, first`);
    case 'reserve':
      return reserve(draft, by, deed);
    case 'abandon':
      return abandon(draft, by, deed);
    case 'birth':
      return birth(draft, by, deed, entry.at);
    case 'give':
      return give(draft, by, deed, entry.at);
    case 'drop':
      return drop(draft, by, deed);
    case 'entrust':
      return entrust(draft, by, deed);
    case 'weaned':
      if (!isChild(draft, by, deed.child)) return wrong(`${deed.child} is not its child`);
      d.patch(draft, deed.child, { weaned: true });
      return 'done';
    case 'endow':
      if (!isChild(draft, by, deed.child)) return wrong(`${deed.child} is not its child`);
      endow(draft, deed.child, ({ given, ...rest }) => ({ ...rest, given: Math.max(given, deed.generation) }));
      return 'done';
    case 'endowed':
      // Its parent's word may be heard later, or never: a feed waits for no credentials.
      endow(draft, by, ({ given, taken }) => ({
        given: Math.max(given, deed.generation),
        taken: Math.max(taken, deed.generation),
        lacks: null,
      }));
      return 'done';
    case 'lack':
      endow(draft, by, (before) => ({ ...before, lacks: deed.why }));
      return 'done';
    case 'wilt':
      if (by === draft.seederId) return wrong('a seeder does not wilt');
      d.patch(draft, by, { state: 'wilting' });
      return 'done';
    case 'farewell':
      return farewell(draft, by);
    case 'bury':
      return bury(draft, by, deed);
    case 'fence':
      return fence(draft, by, deed);
    case 'order':
      if (by !== draft.seederId) return wrong('only the seeder gives orders');
      if (draft.cells[deed.wilt] === undefined) return wait(`the birth of ${deed.wilt}`);
      draft.orders[deed.wilt] = { wilt: true, why: deed.why, at: entry.at };
      return 'done';
    case 'freeze':
    case 'thaw':
      return turn(draft, entry, deed);
    case 'vote':
    case 'took':
    case 'begin':
    case 'end':
      return by === draft.seederId ? wrong('only cells say that') : renewal(draft, entry, deed);
    case 'grant':
      return grant(draft, by, deed);
    default:
      // A kind of a later version: what it means is not known, so nothing after it can be judged.
      return wrong(`it says ${JSON.stringify((deed as { kind: unknown }).kind)}, which this version does not know`);
  }
}

function genesis(draft: Draft, deed: Of<'genesis'>): Verdict {
  if (!Number.isInteger(deed.maxCells) || deed.maxCells < 1) return wrong('its budget is not a positive whole number');
  draft.organism = deed.organism;
  draft.genome = deed.genome;
  draft.maxCells = deed.maxCells;
  draft.authorities = deed.authorities ?? [];
  draft.seeder = { id: draft.seederId, key: deed.key, recipient: deed.recipient, budget: deed.maxCells };
  for (const name of deed.functions) draft.homes[name] = [draft.seederId];
  draft.slots[draft.seederId] = ALL_SLOTS;
  return 'done';
}

function born(draft: Draft, by: CellId, cell: Cell, deed: Of<'born'>): Verdict {
  if (deed.birth !== cell.birth || deed.parent !== draft.bearers[by] || deed.key !== cell.key) {
    return contradicted(draft, `it says it is ${deed.parent}'s of birth ${deed.birth}; its parent says otherwise`);
  }
  d.patch(draft, by, { state: 'living' });
  return 'done';
}

function reserve(draft: Draft, by: CellId, deed: Of<'reserve'>): Verdict {
  // What a feed shows by itself comes before what contradicts another one.
  if (d.budgetOf(draft, by) < 1) return wrong('it has no budget left to reserve from');
  if (draft.cells[by]?.state === 'wilting') return wrong('it is wilting');
  const before = draft.births[deed.birth];
  if (before !== undefined) {
    const why = `birth ${deed.birth} was reserved before`;
    return before.by === by ? wrong(why) : contradicted(draft, why);
  }
  const owner = draft.owners[deed.stack];
  if (owner !== undefined) return contradicted(draft, `the stack ${deed.stack} is ${owner}'s`);
  d.addBudget(draft, by, -1);
  d.setAttempts(draft, by, [...d.attemptsOf(draft, by), deed.birth]);
  const filled = d.filledBy(draft, by);
  const slot = deed.function === null ? (draft.slots[by] ?? []).find((one) => !filled.includes(one)) : undefined;
  draft.births[deed.birth] = { by, stack: deed.stack, state: 'open', ...(slot === undefined ? {} : { slot }) };
  draft.owners[deed.stack] = by;
  return 'done';
}

function close(draft: Draft, by: CellId, birthId: string, state: 'born' | 'abandoned'): void {
  const attempt = draft.births[birthId];
  if (attempt === undefined) return;
  draft.births[birthId] = { ...attempt, state };
  d.setAttempts(
    draft,
    by,
    d.attemptsOf(draft, by).filter((open) => open !== birthId),
  );
}

function abandon(draft: Draft, by: CellId, deed: Of<'abandon'>): Verdict {
  if (!d.attemptsOf(draft, by).includes(deed.birth)) return wrong(`birth ${deed.birth} is no open attempt of its own`);
  const stack = draft.births[deed.birth]?.stack;
  close(draft, by, deed.birth, 'abandoned');
  if (stack !== undefined) delete draft.owners[stack];
  d.addBudget(draft, by, 1);
  return 'done';
}

function birth(draft: Draft, by: CellId, deed: Of<'birth'>, at: number): Verdict {
  const { child, budget } = deed;
  if (!d.attemptsOf(draft, by).includes(child.birth)) {
    return wrong(`birth ${child.birth} is no open attempt of its own`);
  }
  if (!Number.isInteger(budget) || budget < 0) return wrong(`a budget of ${budget} is not a whole number`);
  if (budget > d.budgetOf(draft, by)) return wrong(`it gives ${budget} of a budget of ${d.budgetOf(draft, by)}`);
  if (child.id === draft.seederId) return wrong('its child is the seeder');
  if (draft.cells[child.id] !== undefined) return contradicted(draft, `${child.id} was born before`);
  close(draft, by, child.birth, 'born');
  d.addBudget(draft, by, -budget);
  const slots = draft.slots[by] ?? [];
  // The first cell may have no budget yet, and get some by a grant; the seeder keeps no stem cells in any case.
  const halves =
    by === draft.seederId
      ? { parent: [], child: slots }
      : shared(slots, d.filledBy(draft, by), { parent: d.budgetOf(draft, by), child: budget });
  draft.slots[by] = halves.parent;
  draft.slots[child.id] = halves.child;
  draft.bearers[child.id] = by;
  // The seeder is no cell: what is the first cell's passes to it with its birth.
  if (by === draft.seederId && draft.mint === by) draft.mint = child.id;
  draft.cells[child.id] = {
    ...child,
    parent: by,
    bornAt: at,
    state: 'born',
    budget,
    functions: [],
    attempts: [],
    weaned: false,
    why: deed.why,
  };
  return 'done';
}

function give(draft: Draft, by: CellId, deed: Of<'give'>, at: number): Verdict {
  const homes = draft.homes[deed.function];
  // A function that a later genome has may begin in a feed that is read after this one.
  if (homes === undefined) return wait(`${deed.function} to begin`);
  if (deed.to === by) return wrong('it gives to itself');
  if (!homes.includes(by)) return wait(`${deed.function} to come to ${by}`);
  const to = d.standingFor(draft, deed.to);
  if (deed.mode === 'return') {
    if (by === draft.seederId) return wrong('the seeder has no parent');
    if (to !== draft.cells[by]?.parent) return wait(`${deed.to} to be its parent`);
  } else {
    if (deed.to === draft.seederId) return wrong('a seeder performs no functions');
    if (to !== draft.seederId && draft.cells[to] === undefined) return wait(`the birth of ${deed.to}`);
    if (draft.cells[to]?.state === 'parted') return contradicted(draft, `${deed.to} had said farewell`);
  }
  d.noteMove(draft, deed.function, at, deed.mode === 'return');
  const stays = deed.mode === 'replicate' || to === by;
  const others = homes.filter((home) => stays || home !== by);
  if (to !== by) d.noteGift(draft, deed.function, by, to, stays);
  if (deed.mode !== 'replicate') d.noteGiver(draft, deed.function, by);
  // Given to a cell that had been fenced: as if it had been there then. A replica just goes, the last one is the heir's.
  if (to !== deed.to && others.length > 0) {
    d.setHomes(draft, deed.function, others);
    if (homes.length > 1 || stays) draft.replicated.add(deed.function);
    return 'done';
  }
  d.setHomes(draft, deed.function, [...others, to]);
  return 'done';
}

function drop(draft: Draft, by: CellId, deed: Of<'drop'>): Verdict {
  const homes = draft.homes[deed.function];
  // A function that a later genome has may begin in a feed that is read after this one.
  if (homes === undefined) return wait(`${deed.function} to begin`);
  if (!homes.includes(by)) return wait(`${deed.function} to come to ${by}`);
  // Two replicas that drop at once: one of them stays a home, and which one depends on the order they are read in.
  draft.contested = true;
  if (homes.length > 1) {
    d.setHomes(
      draft,
      deed.function,
      homes.filter((home) => home !== by),
    );
  }
  return 'done';
}

function entrust(draft: Draft, by: CellId, deed: Of<'entrust'>): Verdict {
  // Whoever owned it then, there is nothing left of it.
  if (d.isOver(draft, deed.stack)) return 'done';
  if (draft.owners[deed.stack] !== by) return wait(`the stack ${deed.stack} to be its own`);
  const to = d.standingFor(draft, deed.to);
  if (to !== draft.seederId && draft.cells[to] === undefined) return wait(`the birth of ${deed.to}`);
  draft.owners[deed.stack] = to;
  return 'done';
}

function isChild(draft: Draft, by: CellId, child: CellId): boolean {
  return draft.cells[child]?.parent === by;
}

type Endowment = NonNullable<Cell['endowment']>;

function endow(draft: Draft, id: CellId, change: (before: Endowment) => Endowment): void {
  const before = draft.cells[id]?.endowment ?? { given: 1, taken: 1, lacks: null };
  d.patch(draft, id, { endowment: change(before) });
}

function farewell(draft: Draft, by: CellId): Verdict {
  const cell = draft.cells[by];
  if (cell === undefined) return wrong('a seeder does not part');
  if (d.childrenOf(draft, by).length > 0) return wrong('it said farewell to living children');
  if (cell.attempts.length > 0) return wrong('it said farewell with an open attempt');
  if (cell.functions.length > 0) return contradicted(draft, `it said farewell with ${cell.functions.join(', ')}`);
  d.patch(draft, by, { state: 'parted' });
  return 'done';
}

function bury(draft: Draft, by: CellId, { child }: Of<'bury'>): Verdict {
  if (!isChild(draft, by, child)) return wrong(`${child} is not its child`);
  const state = draft.cells[child]?.state;
  if (state === 'gone') return wrong(`${child} was buried or fenced before`);
  if (state !== 'parted') return wait(`the farewell of ${child}`);
  d.inherit(draft, child, by);
  refuseMore(draft, child, by);
  return 'done';
}

function fence(draft: Draft, by: CellId, { child, entries }: Of<'fence'>): Verdict {
  if (!isChild(draft, by, child)) return wrong(`${child} is not its child`);
  if (draft.cells[child]?.state === 'gone') return wrong(`${child} was buried or fenced before`);
  if (!Number.isInteger(entries) || entries < 0) return wrong(`it saw ${entries} entries of ${child}`);
  const folded = draft.folded[child] ?? 0;
  if (folded > entries) return { cut: child, entries };
  // A feed that is quarantined earlier never gets there; the fencer read no more of it either.
  if (folded < entries && draft.quarantined[child] === undefined) return wait(`entry ${entries} of ${child}`);
  for (const name of draft.cells[child]?.functions ?? []) {
    const others = d.homesOf(draft, name).filter((home) => home !== child);
    if (others.length === 0) d.noteGift(draft, name, child, by, true);
    d.setHomes(draft, name, others.length === 0 ? [by] : others);
  }
  d.inherit(draft, child, by);
  if (folded === entries) refuseMore(draft, child, by);
  return 'done';
}

/** What an ended cell said after its end is refused for that, whether it was read before or comes only now. */
function refuseMore(draft: Draft, child: CellId, by: CellId): void {
  const stop = draft.quarantined[child];
  if (stop !== undefined) draft.quarantined[child] = { seq: stop.seq, why: ended(by) };
}

function ended(by: CellId): string {
  return `it was ended by ${by} before it said this`;
}

/** What a cell says about a changed genome. What it adds up to is for decide/renewal.ts. */
function renewal(draft: Draft, { cell: by, at }: Entry, deed: Of<'vote' | 'took' | 'begin' | 'end'>): Verdict {
  if (deed.kind === 'vote' || deed.kind === 'took') {
    const { kind, proposal, why } = deed;
    const [yes, genome] = deed.kind === 'vote' ? [deed.yes, null] : [deed.ok, deed.genome];
    d.noteSaying(draft, by, { kind, proposal, yes, genome, why, at });
    return 'done';
  }
  const homes = draft.homes[deed.function];
  if (deed.kind === 'begin') {
    d.setHomes(draft, deed.function, [...(homes ?? []), by]);
    return 'done';
  }
  if (homes?.includes(by) !== true) return wait(`${deed.function} to come to ${by}`);
  d.setHomes(
    draft,
    deed.function,
    homes.filter((home) => home !== by),
  );
  return 'done';
}

/**
 * Whose turn it is to say this changes by deeds of its own feed only, at its birth or when it takes over from a child that
 * ended: so each grant follows the one before, and none is counted twice.
 */
function grant(draft: Draft, by: CellId, deed: Of<'grant'>): Verdict {
  if (by === draft.seederId) return wrong('only cells say that');
  if (draft.mint !== by) return wrong('only the first cell may raise the budget');
  const lacks = lackOf(draft, deed);
  if (lacks !== null) return wrong(lacks);
  d.addBudget(draft, by, deed.cells - draft.maxCells);
  draft.maxCells = deed.cells;
  return 'done';
}

/** The newest of all freezes and thaws counts: by time, then by who said it, then by its place in that feed. */
function turn(draft: Draft, entry: Entry, deed: Of<'freeze'> | Of<'thaw'>): Verdict {
  const last = draft.lastSwitch;
  const newer =
    last === null ||
    entry.at > last.at ||
    (entry.at === last.at && (entry.cell > last.by || (entry.cell === last.by && entry.seq > last.seq)));
  if (newer) {
    draft.lastSwitch = { by: entry.cell, at: entry.at, seq: entry.seq, why: deed.why, on: deed.kind === 'freeze' };
  }
  return 'done';
}
