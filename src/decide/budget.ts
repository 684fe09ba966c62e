/**
 * How a division splits a budget. Growth is bounded because every split is inside the entry that announces the birth:
 * one for the attempt, the rest shared, nothing added.
 */

/**
 * What a child gets of its parent's budget (before the attempt was paid): the smaller half of what is left, and nothing
 * when it could never divide, for then it would only lie there and the child would need no credentials for machines.
 */
export function shareOf(budget: number, childCanDivide: boolean): number {
  return childCanDivide && budget > 1 ? Math.floor((budget - 1) / 2) : 0;
}
