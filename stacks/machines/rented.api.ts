/** What calls to the APIs of clouds have in common: waiting until something is gone, and knowing what may go with it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CellError } from '../../src/errors.ts';
import { GONE_TIMEOUT_MS } from '../../src/limits.ts';
import type { TaggedMachine } from './machine.ts';

export interface Patience {
  readonly pause?: (ms: number) => Promise<unknown>;
}

const GONE_POLL_MS = 2_000;

/**
 * Asks until it is gone. What a cloud has only promised to end may run on, and its functions must not be started elsewhere
 * before. Throws PROVIDER_REFUSED when it stays.
 */
export async function untilGone(
  what: string,
  isGone: () => Promise<boolean>,
  { pause = sleep }: Patience = {},
): Promise<void> {
  for (let waited = 0; waited <= GONE_TIMEOUT_MS; waited += GONE_POLL_MS) {
    if (await isGone()) return;
    await pause(GONE_POLL_MS);
  }
  throw new CellError('PROVIDER_REFUSED', `${what} was asked to go and is there still`, {
    why: `its provider shows it ${GONE_TIMEOUT_MS / 1000} s later`,
    suggestion: 'This is tried again by itself. If it stays, look there for what holds it.',
  });
}

/** Whether another machine of the same birth is there, which needs what was made for that birth. */
export function hasTwin(machines: readonly TaggedMachine[], id: string, birth: string): boolean {
  return machines.some((other) => other.id !== id && other.birth === birth);
}
