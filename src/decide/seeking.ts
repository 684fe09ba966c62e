/**
 * How long a machine is looked for that was given up while its cloud did not show it. The call that asked for it may have
 * taken effect although no answer came, and a cloud may list what it made only a while later.
 *
 * AWS tells its users to allow for five minutes; at DigitalOcean it was seconds wherever somebody measured it. So an attempt
 * is paid for until it was not there after these five minutes, and looked for, ever more seldom, for twelve times as long:
 * a machine that nobody knows of costs until somebody reads the bill, a look costs one call.
 */
import type { BirthId, OpenSaga } from '../model.ts';

/** Lists are behind by seconds, mostly. */
export const FIRST_LOOK_MS = 20_000;
/** As long as the attempt costs one of the budget, for its machine may be there. */
export const PAID_MS = 300_000;
/** What has not been there at the end of this does not come. */
export const SOUGHT_MS = 3_600_000;

/** When to look again for what was given up at `since` and last looked for at `looked`; null: never, it can be forgotten. */
export function nextLook(since: number, looked: number): number | null {
  const passed = Math.max(0, looked - since);
  return passed >= SOUGHT_MS ? null : since + Math.min(SOUGHT_MS, Math.max(FIRST_LOOK_MS, 2 * passed));
}

/** Whether a look at `looked` that found nothing is late enough to have the attempt's cost back. */
export function isOver(since: number, looked: number): boolean {
  return looked - since >= PAID_MS;
}

/** The saga that looks for an attempt, beside the one that made it; for a cell that is gone, that one's birth. */
export function seekId(birth: BirthId): string {
  return `s-${birth}`;
}

/** The one to look for now, the longest due first. A clock that went back does not put it off. */
export function dueSeek(sagas: readonly OpenSaga[], now: number): OpenSaga | undefined {
  return sagas
    .filter(({ kind, due }) => kind === 'seek' && (due <= now || due - now > SOUGHT_MS))
    .sort((a, b) => a.due - b.due || (a.id < b.id ? -1 : 1))[0];
}
