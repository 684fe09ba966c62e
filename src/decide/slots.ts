/**
 * Who may keep which stem cells. `body.stemCells: N` is a number for the whole organism, and cells ask nobody, so it is
 * kept as a budget is: there are as many numbered slots as any genome may ask for, each with one holder, and a holder
 * keeps at most one stem cell in each of its slots below N. A birth splits the slots of a parent, a burial and a fence
 * bring them back. These are deeds of one feed, so no cut in the network can make two holders of a slot.
 */
import type { BirthId, Cell, Lineage } from '../model.ts';

/** As many as `body.stemCells` may be. */
export const ALL_SLOTS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/** Two lists of slots as one. */
export function joined(a: readonly number[], b: readonly number[]): readonly number[] {
  return [...new Set([...a, ...b])].sort((one, other) => one - other);
}

/**
 * How a birth splits its parent's slots. The lowest count most, for a small N has no others: parent and child take turns
 * from the lowest up, the parent first. One that is filled stays with its stem cell. Who has no budget needs none.
 *
 * @param budget what both have after the birth.
 */
export function shared(
  slots: readonly number[],
  filled: readonly number[],
  budget: { readonly parent: number; readonly child: number },
): { readonly parent: readonly number[]; readonly child: readonly number[] } {
  const [parent, child]: [number[], number[]] = [[], []];
  for (const slot of slots) {
    const free = budget.child > 0 && !filled.includes(slot);
    if (free && (budget.parent === 0 || child.length < parent.length)) child.push(slot);
    else parent.push(slot);
  }
  return { parent, child };
}

/** The stem cells a cell keeps or is making. */
export function stemsOf(lineage: Lineage, cell: Cell): readonly BirthId[] {
  return cell.attempts.filter((birth) => lineage.ledger?.births[birth]?.slot !== undefined);
}
