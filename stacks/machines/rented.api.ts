/** What calls to the APIs of clouds have in common: pages, and waiting until something is gone. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CellError } from '../../src/errors.ts';

export interface Patience {
  readonly pause?: (ms: number) => Promise<unknown>;
}

/** Clouds take a minute to end a machine that runs. */
const GONE_WITHIN_MS = 180_000;
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
  for (let waited = 0; waited <= GONE_WITHIN_MS; waited += GONE_POLL_MS) {
    if (await isGone()) return;
    await pause(GONE_POLL_MS);
  }
  throw new CellError('PROVIDER_REFUSED', `${what} was asked to go and is there still`, {
    why: `its provider shows it ${GONE_WITHIN_MS / 1000} s later`,
    suggestion: 'This is tried again by itself; if it stays, look at the provider for what holds it.',
  });
}

/** Every item of a list that comes in pages: `ask` gives those of one page, counted from 1, and whether more follow. */
export async function paged<T>(
  ask: (page: number) => Promise<{ readonly items: readonly T[]; readonly more: boolean }>,
): Promise<readonly T[]> {
  const all: T[] = [];
  for (let page = 1; ; page++) {
    const { items, more } = await ask(page);
    all.push(...items);
    if (!more) return all;
  }
}

/** A member that has to be a list. Throws PROVIDER_REFUSED for an answer that makes no sense. */
export function listIn<T>(provider: string, body: unknown, member: string): readonly T[] {
  const list = (body as Record<string, unknown> | null)?.[member];
  if (Array.isArray(list)) return list as readonly T[];
  throw new CellError('PROVIDER_REFUSED', `${provider} answered what makes no sense`, {
    why: `there is no list of ${member} in it`,
    suggestion: 'A proxy may stand between, or the API is in trouble; this is tried again by itself.',
    fields: { provider },
  });
}
