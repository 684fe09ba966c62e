/**
 * What is to be done about credentials, and why: which are minted anew before they end, for whom, what is taken back.
 * Pure; it goes on while the organism is frozen, for it keeps things as they are.
 *
 * Whoever minted a credential renews it: a parent for its children; the first cell for itself, as it owns its own body.
 * What lasts too shortly for that its holder renews.
 */
import type { Genome } from '../../genome/schema.ts';
import type { BirthId, Cell, CellId, Lineage } from '../model.ts';
import { span } from './words.ts';

/** What a cell was given, by whoever gave it; no secrets. */
export interface Grant {
  readonly generation: number;
  readonly mintedAt: number;
  /** When the first of it ends; null when nothing of it was minted. */
  readonly until: number | null;
  /** Everything of an earlier generation than this is known to be revoked. */
  readonly retired: number;
  /** Networks that it is bound to, where it is. */
  readonly sources: readonly string[];
  /** A digest of what was handed on as it was: it changes when that does. */
  readonly shared: string;
  /** What it was given anything for (`compute-near`). Not in what an earlier version wrote. */
  readonly purposes?: readonly string[];
}

/** One of the credentials of this home that were minted for it. */
export interface Own {
  /** `compute-near` */
  readonly purpose: string;
  readonly mintedAt: number;
  readonly until: number | null;
  /** When its holder has to have renewed it, and when it last did. */
  readonly lapses?: number;
  readonly renewedAt?: number;
}

export interface Keys {
  readonly own: readonly Own[];
  /** Of what this home has. */
  readonly generation: number;
  readonly grants: Readonly<Record<BirthId, Grant>>;
  /** Births whose credentials could not be revoked when they ended. */
  readonly owed: readonly BirthId[];
  /** Whether anything of a child's is minted here at all, and a digest of what would be handed on to it as it is. */
  readonly mints: (child: Cell) => boolean;
  readonly shared: (child: Cell) => string;
  /** What this home has something for that a child needs. */
  readonly purposes: (child: Cell) => readonly string[];
  /** Why a provider no longer took what this home has, and when it last said so; null where none did. */
  readonly refused: { readonly why: string; readonly at: number } | null;
}

export type Errand =
  /** What the parent has sealed for this cell is taken into use. */
  | { readonly kind: 'take'; readonly generation: number; readonly why: string }
  | { readonly kind: 'renew'; readonly purpose: string; readonly why: string }
  /** Minted anew for a child, or for itself. */
  | { readonly kind: 'endow'; readonly cell: CellId; readonly generation: number; readonly why: string }
  /** What a cell had before that is revoked. */
  | { readonly kind: 'retire'; readonly cell: CellId; readonly generation: number; readonly why: string }
  | { readonly kind: 'revoke'; readonly birth: BirthId; readonly why: string }
  /** Its parent is told that what this cell has is taken no more. */
  | { readonly kind: 'lack'; readonly why: string };

/** Of the life of a credential: the rest is for whoever cannot be reached at once. */
const SHARE = 2 / 3;
/** Never left to fewer beats than this. */
const BEATS = 3;

/** When it is to be minted anew, ms since the epoch; null for what does not end. */
export function dueAt(mintedAt: number, until: number | null, heartbeat: number): number | null {
  return until === null ? null : Math.min(mintedAt + (until - mintedAt) * SHARE, until - BEATS * heartbeat);
}

export function errands(lineage: Lineage, me: CellId, keys: Keys, now: number, heartbeat: number): readonly Errand[] {
  const self = lineage.cells[me];
  if (self === undefined || self.state === 'gone' || self.state === 'parted') return [];
  const found: Errand[] = [];
  const { given, taken, lacks } = endowmentOf(self);
  if (given > taken) found.push({ kind: 'take', generation: given, why: 'its parent minted others' });
  else if (isRefused(keys, now) && lacks === null) {
    found.push({ kind: 'lack', why: keys.refused?.why ?? '' });
  }
  for (const { purpose, mintedAt, lapses, renewedAt = mintedAt } of keys.own) {
    const due = dueAt(renewedAt, lapses ?? null, heartbeat);
    if (due === null || due > now) continue;
    const left = (lapses ?? 0) - now;
    found.push({ kind: 'renew', purpose, why: left > 0 ? `${purpose} ends in ${span(left)}` : `${purpose} has ended` });
  }
  if (self.parent === lineage.seeder.id) found.push(...forItself(self, keys, now, heartbeat));
  const children = Object.values(lineage.cells).filter((cell) => cell.parent === me && cell.state !== 'gone');
  for (const child of children.sort((a, b) => a.bornAt - b.bornAt || (a.id < b.id ? -1 : 1))) {
    found.push(...forChild(child, keys, now, heartbeat));
  }
  for (const birth of keys.owed) found.push({ kind: 'revoke', birth, why: 'it could not be done when it ended' });
  return found;
}

/** A refusal that was not repeated for so long is over, or was the provider's own trouble. */
const REFUSED_MS = 3_600_000;

export function isRefused({ refused }: Pick<Keys, 'refused'>, now: number): boolean {
  return refused !== null && now - refused.at < REFUSED_MS && now >= refused.at;
}

/** What the lineage says of a cell's credentials; the first come with its birth. */
export function endowmentOf(cell: Cell): NonNullable<Cell['endowment']> {
  return cell.endowment ?? { given: 1, taken: 1, lacks: null };
}

function forItself(self: Cell, keys: Keys, now: number, heartbeat: number): readonly Errand[] {
  const ends = keys.own.flatMap(({ mintedAt, until }) => dueAt(mintedAt, until, heartbeat) ?? []);
  const generation = Math.max(endowmentOf(self).given, keys.generation);
  const retired = keys.grants[self.birth]?.retired ?? 1;
  const found: Errand[] = [];
  if (ends.length > 0 && Math.min(...ends) <= now) {
    const soonest = Math.min(...keys.own.flatMap(({ until }) => until ?? []));
    const why = `its own end ${soonest > now ? `in ${span(soonest - now)}` : 'has come'}`;
    found.push({ kind: 'endow', cell: self.id, generation: generation + 1, why });
  } else if (retired < generation && keys.own.length > 0) {
    found.push({ kind: 'retire', cell: self.id, generation, why: 'it has others' });
  }
  return found;
}

/** What a parent owes one child; a seeder, the first cell. */
export function forChild(child: Cell, keys: Keys, now: number, heartbeat: number): readonly Errand[] {
  // Until it is weaned, the division that made it gives it what it needs; one that goes needs no more.
  if (!child.weaned || child.state === 'parted') return [];
  const { given, taken, lacks } = endowmentOf(child);
  const grant = keys.grants[child.birth];
  const why = reason(child, keys, grant, { given, taken, lacks }, now, heartbeat);
  if (why !== null) return [{ kind: 'endow', cell: child.id, generation: given + 1, why: `${child.name}: ${why}` }];
  if (grant !== undefined && taken === given && grant.retired < given) {
    return [{ kind: 'retire', cell: child.id, generation: given, why: `${child.name} has others` }];
  }
  return [];
}

/** Why a child needs new ones now, or null. */
function reason(
  child: Cell,
  keys: Keys,
  grant: Grant | undefined,
  { given, taken, lacks }: NonNullable<Cell['endowment']>,
  now: number,
  heartbeat: number,
): string | null {
  // Said of what it had before: what was given since is not taken yet.
  if (lacks !== null && given === taken) return `it says that ${lacks}`;
  // Of an heir, or killed before it noted what it gave.
  if ((grant === undefined || grant.generation < given) && keys.mints(child)) {
    return 'nobody here knows when its credentials end';
  }
  if (grant === undefined) return null;
  const due = dueAt(grant.mintedAt, grant.until, heartbeat);
  if (due !== null && due <= now) {
    const left = (grant.until ?? now) - now;
    return left > 0 ? `its credentials end in ${span(left)}` : 'its credentials have ended';
  }
  const fresh = grant.purposes && keys.purposes(child).find((one) => grant.purposes?.includes(one) === false);
  if (fresh !== undefined) return `it has none for ${fresh} yet`;
  return grant.shared === keys.shared(child) ? null : 'what was handed on to it is another now';
}

/** A machine is made, imprinted and taken back, if need be, within this. */
const DIVISION_MS = 600_000;

/** Clouds that a genome has new, and of which a cell that may make machines has no credential yet; and why. */
export function closedFor(
  clouds: Genome['clouds'],
  compute: Readonly<Record<string, unknown>> | null,
): Readonly<Record<string, string>> {
  if (compute === null) return {};
  const without = Object.entries(clouds).filter(
    ([name, gene]) => 'credentials' in gene && gene.credentials !== undefined && !Object.hasOwn(compute, name),
  );
  return Object.fromEntries(without.map(([name]) => [name, 'no credential for it came here yet']));
}

/** Clouds in which nothing is begun, for their credential has ended or would in the middle of it, and why. */
export function closedBy(own: readonly Own[], now: number): Readonly<Record<string, string>> {
  const closed: Record<string, string> = {};
  for (const { purpose, until, lapses } of own) {
    const ends = Math.min(until ?? Number.POSITIVE_INFINITY, lapses ?? Number.POSITIVE_INFINITY);
    if (!purpose.startsWith('compute-') || ends - now >= DIVISION_MS) continue;
    const cloud = purpose.slice('compute-'.length);
    closed[cloud] = ends > now ? `its credential ends in ${span(ends - now)}` : 'its credential has ended';
  }
  return closed;
}
