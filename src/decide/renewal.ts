/**
 * How a genome gives way to another: who said what of a proposal, whether the rule of the genome it changes is met, whose
 * turn it is to take it in, and whether it holds. Pure: each cell works it out from the feeds alone.
 *
 * A cell has one ballot for the successors of a genome: its first yes. So no two of them ever have most cells in the same
 * view. A successor that did not hold gives the ballots back. Who takes a genome in, or one that stands on it, said yes.
 */
import type { Genome } from '../../genome/schema.ts';
import type {
  Cell,
  CellId,
  FunctionName,
  Health,
  Lineage,
  ProposalId,
  Proposed,
  PublicKey,
  Pulse,
  Said,
} from '../model.ts';

export interface Ballots {
  readonly lineage: Pick<Lineage, 'cells' | 'said'>;
  readonly proposals: readonly Proposed[];
}

export interface Tally {
  readonly yes: readonly CellId[];
  readonly no: readonly { readonly cell: CellId; readonly why: string }[];
  readonly missing: readonly CellId[];
  /** Why it was taken back, and by whom. */
  readonly failed: { readonly cell: CellId; readonly why: string } | null;
}

const saidBy = ({ lineage }: Ballots, id: CellId): readonly Said[] => lineage.said?.[id] ?? [];

/** Cells that have a say: born, and not on their way out. */
export function electors({ cells }: Pick<Lineage, 'cells'>): readonly Cell[] {
  return Object.values(cells)
    .filter(({ state }) => state === 'born' || state === 'living')
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The cell that says it did not hold; null: nobody does. */
export function failureOf(view: Ballots, id: ProposalId): Tally['failed'] {
  for (const cell of Object.keys(view.lineage.said ?? {}).sort()) {
    const found = saidBy(view, cell).find((said) => said.kind === 'took' && said.proposal === id && !said.yes);
    if (found !== undefined) return { cell, why: found.why };
  }
  return null;
}

/** A proposal and all that stand on it. */
export function heirsOf(proposals: readonly Proposed[], id: ProposalId): ReadonlySet<ProposalId> {
  const found = new Set([id]);
  for (let size = 0; size !== found.size; ) {
    size = found.size;
    for (const one of proposals) if (one.parent !== null && found.has(one.parent)) found.add(one.id);
  }
  return found;
}

/** The genome a cell runs, by its own word; undefined: it never said. */
export function runsOf(lineage: Pick<Lineage, 'said'>, cell: CellId): Said | undefined {
  return lineage.said?.[cell]?.findLast((said) => said.kind === 'took' && said.yes);
}

interface Choice {
  readonly id: ProposalId;
  readonly heirs: ReadonlySet<ProposalId>;
}

/** Successors of a genome that may still be chosen. */
export function successors(view: Ballots, parent: ProposalId | null): readonly Proposed[] {
  return view.proposals.filter((one) => one.parent === parent && failureOf(view, one.id) === null);
}

/** The same, with what stands on each. */
function choices(view: Ballots, parent: ProposalId | null): readonly Choice[] {
  return successors(view, parent).map(({ id }) => ({ id, heirs: heirsOf(view.proposals, id) }));
}

/** What a cell gave its ballot to among these. */
function ballotOf(view: Ballots, open: readonly Choice[], cell: CellId): ProposalId | null {
  for (const { yes, proposal } of saidBy(view, cell)) {
    const one = yes && proposal !== null ? open.find(({ heirs }) => heirs.has(proposal)) : undefined;
    if (one !== undefined) return one.id;
  }
  return null;
}

export function tally(view: Ballots, proposal: Proposed): Tally {
  const open = choices(view, proposal.parent);
  const yes: CellId[] = [];
  const no: Tally['no'][number][] = [];
  const missing: CellId[] = [];
  for (const { id } of electors(view.lineage)) {
    const ballot = ballotOf(view, open, id);
    const refusal = saidBy(view, id).findLast(({ kind, proposal: of }) => kind === 'vote' && of === proposal.id);
    if (ballot === proposal.id) yes.push(id);
    else if (ballot !== null) no.push({ cell: id, why: `it said yes to ${ballot}` });
    else if (refusal?.yes === false) no.push({ cell: id, why: refusal.why });
    else missing.push(id);
  }
  return { yes, no, missing, failed: failureOf(view, proposal.id) };
}

export interface Verdict {
  readonly accepted: Proposed | null;
  readonly why: string;
}

/**
 * Which successor of a genome (`parent`) its rule accepts. Where every cell gave its ballot and none has most, the one
 * with the most has it, then the newest: else they would stand there for ever.
 */
export function verdict(view: Ballots, parent: ProposalId | null, rule: Genome['governance']['rule']): Verdict {
  const open = successors(view, parent);
  const counted = open
    .map((one) => ({ one, ...tally(view, one) }))
    .sort((a, b) => b.yes.length - a.yes.length || newer(a.one, b.one));
  const [first] = counted;
  if (first === undefined) return { accepted: null, why: 'nothing is proposed' };
  if (rule === 'authority') {
    const newest = open.toSorted(newer)[0] ?? null;
    return { accepted: newest, why: 'an authority signed it, and that is the rule' };
  }
  const all = electors(view.lineage).length;
  const count = `${first.yes.length} of ${all} ${all === 1 ? 'cell' : 'cells'} said yes`;
  const wanted = rule === 'unanimous' ? all : Math.floor(all / 2) + 1;
  if (all > 0 && first.yes.length >= wanted) return { accepted: first.one, why: count };
  const given = counted.reduce((sum, { yes }) => sum + yes.length, 0);
  if (rule === 'majority' && all > 0 && given === all) return { accepted: first.one, why: `${count}, the most` };
  return { accepted: null, why: `${count}, ${wanted} are wanted` };
}

function newer(a: Proposed, b: Proposed): number {
  return b.at - a.at || (a.id < b.id ? -1 : 1);
}

export interface Spread extends Ballots {
  readonly proposal: Proposed;
  readonly pulses: Readonly<Record<CellId, Pulse>>;
  /** When each was heard of, by the own clock: ms. */
  readonly now: number;
  /** A pulse that is older tells nothing: ms. */
  readonly freshFor: number;
}

export interface Stage {
  readonly cells: readonly CellId[];
  /** Cells that took it in and hold. */
  readonly done: readonly CellId[];
  /** Why the next stage has to wait; null: it need not. */
  readonly waits: string | null;
}

/** One cell, then a tenth, then all: in an order that all work out alike, another for each proposal. */
export function stages(spread: Spread): readonly Stage[] {
  const { proposal, lineage } = spread;
  const rank = new Map(electors(lineage).map(({ id }) => [id, scatter(id + proposal.id)]));
  const order = [...rank.keys()].sort((a, b) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0) || (a < b ? -1 : 1));
  const tenth = 1 + Math.ceil(order.length / 10);
  const parts = [order.slice(0, 1), order.slice(1, tenth), order.slice(tenth)].filter((part) => part.length > 0);
  const heirs = heirsOf(spread.proposals, proposal.id);
  return parts.map((cells) => {
    const done = cells.filter((id) => heirs.has(runsOf(lineage, id)?.proposal ?? ''));
    const waiting = cells.find((id) => !done.includes(id));
    const name = (id: CellId) => lineage.cells[id]?.name ?? id;
    const waits = waiting === undefined ? null : `${name(waiting)} has it not yet`;
    const ill = done.flatMap((id) => illness(spread, id).map((why) => `${name(id)}: ${why}`))[0];
    return { cells, done, waits: waits ?? ill ?? null };
  });
}

function illness({ pulses, now, freshFor }: Spread, id: CellId): readonly string[] {
  const pulse = pulses[id];
  if (pulse === undefined || now - pulse.at > freshFor) return ['not heard of lately'];
  return unwell(Object.entries(pulse.functions).map(([name, { health }]) => [name, health] as const));
}

/** Functions that are not as they should be, in words. One without a check cannot be told. */
export function unwell(healths: readonly (readonly [string, Health])[]): readonly string[] {
  return healths.flatMap(([name, health]) =>
    health === 'healthy' || health === 'unknown' ? [] : [`${name} is ${health}`],
  );
}

/** Whether it is this cell's turn, and why not. */
export function turnOf(spread: Spread, self: CellId): { readonly turn: boolean; readonly why: string } {
  const all = stages(spread);
  for (const [index, { cells, waits }] of all.entries()) {
    if (cells.includes(self)) return { turn: true, why: `stage ${index + 1} of ${all.length}` };
    if (waits !== null) return { turn: false, why: `stage ${index + 1} of ${all.length} is not done: ${waits}` };
  }
  return { turn: false, why: 'it has no part in this' };
}

/** The cell at which functions begin that a genome has new. */
export function firstOf(spread: Spread): CellId | undefined {
  return stages(spread)[0]?.cells[0];
}

/** Every cell runs it, or one that stands on it. `id` null: the genome of the genesis, with which all began. */
export function isComplete(view: Ballots, id: ProposalId | null): boolean {
  const heirs = id === null ? null : heirsOf(view.proposals, id);
  return electors(view.lineage).every((cell) => {
    const runs = runsOf(view.lineage, cell.id)?.proposal ?? null;
    return heirs === null ? runs === null : runs !== null && heirs.has(runs);
  });
}

/** FNV-1a, 32 bits: nothing secret, only another order for each proposal. */
function scatter(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
  return hash;
}

/** Which of the organism's own limits a genome would raise. */
export function raised(before: Genome, after: Genome): readonly ('maxCells' | 'maxMonthlyCost')[] {
  const found: ('maxCells' | 'maxMonthlyCost')[] = [];
  if (after.body.maxCells > before.body.maxCells) found.push('maxCells');
  const [was, will] = [before.body.maxMonthlyCost, after.body.maxMonthlyCost];
  if (will.cents > was.cents || will.currency !== was.currency) found.push('maxMonthlyCost');
  return found;
}

/** What an author signs beside the genome itself. */
export type Signed = Pick<Proposed, 'raises' | 'maxCells' | 'authorities' | 'sealed'>;

/** 51 bytes, of which the first 19 are always the same. A genome may say what only looks like a key: nobody can sign with that. */
const KEY = /^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-P][A-Za-z0-9+/]{42}$/;

/** Keys that a genome names as authorities, without comments. */
export function keysOf({ governance }: Pick<Genome, 'governance'>): readonly PublicKey[] {
  const keys = governance.authorities.map((line) => line.trim().split(/\s+/).slice(0, 2).join(' '));
  return [...new Set(keys)].filter((key) => KEY.test(key));
}

/** What whoever proposes a genome has to sign of it. */
export function toSign(before: Genome, after: Genome, raise: boolean): Signed {
  const [was, will] = [keysOf(before), keysOf(after)];
  return {
    raises: raise ? ['maxCells', 'maxMonthlyCost'] : [],
    ...(raise && raised(before, after).includes('maxCells') ? { maxCells: after.body.maxCells } : {}),
    ...(was.join() === will.join() ? {} : { authorities: will }),
  };
}

/** The same, where secrets that no cell has are to be sealed: with what hash is known only then. */
export function withSeal(signed: Signed, asked: readonly Asked[]): Signed {
  return asked.length === 0 ? signed : { ...signed, sealed: '' };
}

/** Limits that it raises without its author's having signed for that, in words. */
export function unsigned(before: Genome, after: Genome, { raises, maxCells, authorities }: Signed): readonly string[] {
  const found = raised(before, after)
    .filter((limit) => !raises.includes(limit) || (limit === 'maxCells' && maxCells === undefined))
    .map((limit) => `it raises body.${limit}, which its author did not sign for`);
  // The lineage takes these from what was signed, so a genome that says something else is none.
  const [signed, said] = [maxCells, after.body.maxCells];
  if (signed !== undefined && signed !== said)
    found.push(`it raises body.maxCells to ${said}, and its author signed for ${signed}`);
  if (authorities !== undefined && authorities.join() !== keysOf(after).join())
    found.push('it has other authorities than its author signed for');
  return found;
}

/** Why a cell says no to a genome; none: it says yes. */
export function objections(before: Genome, after: Genome, proposal: Signed): readonly string[] {
  const found = [...unsigned(before, after, proposal)];
  if (after.organism !== before.organism) found.push('it is of another organism');
  if (after.zone !== before.zone) found.push('it moves the organism to another zone');
  for (const name of Object.keys(before.clouds)) {
    if (after.clouds[name] === undefined) found.push(`it takes away the cloud ${name}, in which cells may live`);
  }
  const [asked] = proposal.sealed === undefined ? newSecrets(before, after) : [];
  if (asked !== undefined) found.push(`${asked.function} asks for the secret ${asked.variable}, which no cell has`);
  return found;
}

/**
 * Packages that a genome has new for functions which a cell performs, or may be the first to: they come with a birth, and no
 * tick installs any, for it may not write where they go.
 */
export function newPackages(before: Genome, after: Genome, own: readonly FunctionName[]): readonly string[] {
  const concerned = Object.entries(after.functions).filter(
    ([name]) => own.includes(name) || before.functions[name] === undefined,
  );
  const asked = concerned.flatMap(([name, { packages, image }]) => {
    const had = before.functions[name];
    const containers = image !== undefined && had?.image === undefined ? ['podman'] : [];
    return [...packages.filter((one) => had?.packages.includes(one) !== true), ...containers];
  });
  return [...new Set(asked)].sort();
}

/** A secret that a genome has new, or from another source: no cell has it. */
export interface Asked {
  readonly function: FunctionName;
  readonly variable: string;
  readonly source: string;
}

export function newSecrets(before: Genome, after: Genome): readonly Asked[] {
  return Object.entries(after.functions).flatMap(([name, { secrets }]) =>
    Object.entries(secrets)
      .filter(([variable, source]) => before.functions[name]?.secrets[variable] !== source)
      .map(([variable, source]) => ({ function: name, variable, source })),
  );
}
