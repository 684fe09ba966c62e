/**
 * Raising the budget of a living organism: who allows it, and how a cell shows that. The number of tokens only ever rises
 * to one that an authority signed, and a cell alone says so in its own feed; so a cut network can neither count a raise
 * twice nor make two of one. Signatures were checked before (memory/signed.ts).
 */
import type { CellId, Deed, Lineage, Proposal, Proposed, PublicKey } from '../model.ts';

type Grant = Extract<Deed, { kind: 'grant' }>;

/** What the lineage knows of who may raise what. */
export type Purse = Pick<Lineage, 'organism' | 'maxCells' | 'authorities'> & {
  readonly seeder: Pick<Lineage['seeder'], 'key'>;
};

/** Proposals that one grant may be proved by: one for each authority that was named by another. */
export const MAX_WARRANT = 8;

/** Why a grant is none; null: it is one. */
export function lackOf({ organism, maxCells, authorities, seeder }: Purse, { cells, proposals }: Grant): string | null {
  const known = new Set<PublicKey>([seeder.key, ...authorities]);
  for (const proposal of proposals) {
    if (proposal.organism !== organism) return `it was allowed to the organism ${proposal.organism}`;
    if (!known.has(proposal.author)) return 'it is allowed by a key that is no authority';
    for (const key of proposal.authorities ?? []) known.add(key);
  }
  const allowed = allowedBy(proposals.at(-1));
  if (cells > allowed) return `it makes ${cells} of ${allowed} that are allowed`;
  if (cells <= maxCells) return `there are ${maxCells} already`;
  return null;
}

/** How many cells an author signed for. */
function allowedBy(proposal: Proposal | undefined): number {
  return proposal?.raises.includes('maxCells') === true ? (proposal.maxCells ?? 0) : 0;
}

/**
 * The proposals, of those that were accepted (oldest first), with which a cell can show that there may be `cells` cells;
 * null: none allows that many, or not by anybody whom the lineage knows. The last is the one that allows it.
 */
export function warrantFor(purse: Purse, accepted: readonly Proposed[], cells: number): readonly Proposal[] | null {
  for (const [index, one] of [...accepted.entries()].reverse()) {
    if (allowedBy(one) < cells) continue;
    const proved = proofOf(purse, accepted.slice(0, index), one.author);
    if (proved !== null) return [...proved, one].map(bare);
  }
  return null;
}

/** Proposals that say, one after the other, that a key is an authority's. */
function proofOf(
  { seeder, authorities }: Purse,
  before: readonly Proposed[],
  key: PublicKey,
): readonly Proposed[] | null {
  const found: Proposed[] = [];
  let wanted = key;
  for (let rest = before; wanted !== seeder.key && !authorities.includes(wanted); ) {
    const index = rest.findLastIndex((one) => one.authorities?.includes(wanted) === true);
    const one = rest[index];
    if (one === undefined || found.length >= MAX_WARRANT - 1) return null;
    found.unshift(one);
    wanted = one.author;
    rest = rest.slice(0, index);
  }
  return found;
}

/** Whether a key's word raises the budget, given what was accepted. */
export function mayRaise(purse: Purse, accepted: readonly Proposed[], key: PublicKey): boolean {
  return proofOf(purse, accepted, key) !== null;
}

/** As it was signed: without what is only known here. */
function bare({ id: _, commit: __, ...proposal }: Proposed): Proposal {
  return proposal;
}

/** How many more cells the genome allows, as far as is known here: stem cells and attempts count. */
export function roomIn(lineage: Pick<Lineage, 'cells' | 'seederAttempts'>, limit: number): number {
  const cells: readonly { readonly state: string; readonly attempts: readonly string[] }[] = Object.values(
    lineage.cells,
  );
  const there = cells.filter(({ state }) => state !== 'gone').length;
  return limit - there - cells.reduce((sum, { attempts }) => sum + attempts.length, lineage.seederAttempts.length);
}

/** What a cell has to say when it runs a genome that allows more than there are; null: nothing. */
export function grantDue(
  lineage: Purse & Pick<Lineage, 'mint'>,
  self: CellId,
  accepted: readonly Proposed[],
  cells: number,
): Grant | null {
  if (lineage.mint !== self || cells <= lineage.maxCells) return null;
  const proposals = warrantFor(lineage, accepted, cells);
  return proposals === null ? null : { kind: 'grant', cells, proposals };
}

export const tooMany = (maxCells: number): string =>
  `the genome allows ${maxCells} ${maxCells === 1 ? 'cell' : 'cells'} in all`;
