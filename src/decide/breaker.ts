/** The circuit breaker of births: machines that fail to come up are not asked for again and again. */
import type { TickMemory } from '../model.ts';

/** The breaker never keeps a cell from trying for longer than this. */
export const BREAKER_CAP_MS = 3_600_000;

/** The genome's default `rhythm.settle`. */
const SETTLE_MS = 10_000;

/**
 * A birth succeeded or failed. Each failure in a row doubles how long no other is tried, from twice `settle` up to an
 * hour; a success closes the breaker.
 *
 * @param settle the genome's `rhythm.settle`, ms.
 * @param why what the failure was, for people.
 */
export function noteBirth(
  memory: TickMemory,
  ok: boolean,
  now: number,
  settle: number = SETTLE_MS,
  why?: string | null,
): TickMemory {
  if (ok) return { ...memory, breaker: { failures: 0, openUntil: 0 } };
  const failures = memory.breaker.failures + 1;
  const pause = Math.min(BREAKER_CAP_MS, settle * 2 ** Math.min(failures, 40));
  return { ...memory, breaker: { failures, openUntil: now + pause, ...(why == null ? {} : { why }) } };
}
