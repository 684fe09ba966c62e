/** Lists that come in pages, and answers that have to hold one: of every API of a provider, for machines and for records. */
import { CellError } from '../src/errors.ts';

/** Pages of one list, at most: an API that never comes to an end is not believed. */
const MOST_PAGES = 1_000;

/**
 * Every item of a list: `ask` gives those of one page, counted from 1, and whether more follow. Throws PROVIDER_REFUSED for a
 * list without an end.
 */
export async function allPages<T>(
  provider: string,
  ask: (page: number) => Promise<{ readonly items: readonly T[]; readonly more: boolean }>,
): Promise<readonly T[]> {
  const all: T[] = [];
  for (let page = 1; page <= MOST_PAGES; page++) {
    const { items, more } = await ask(page);
    all.push(...items);
    if (!more || items.length === 0) return all;
  }
  throw senseless(provider, `its list has more than ${MOST_PAGES} pages`);
}

/** A member of an answer that has to be a list. Throws PROVIDER_REFUSED. */
export function listIn<T>(provider: string, body: unknown, member: string): readonly T[] {
  const list = (body as Record<string, unknown> | null)?.[member];
  if (Array.isArray(list)) return list as readonly T[];
  throw senseless(provider, `there is no list of ${member} in it`);
}

export function senseless(provider: string, why: string): CellError {
  return new CellError('PROVIDER_REFUSED', `${provider} answered what makes no sense`, {
    why,
    suggestion: 'A proxy may stand between, or the API is in trouble; this is tried again by itself.',
    fields: { provider },
  });
}
