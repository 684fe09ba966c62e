/**
 * The label of a minted credential: `cell.garden.b0123456789.compute-near.2`. Worked out from whose it is before it is
 * there, so that a retry finds what an attempt left, and a sweep what nobody knows of. At most 98 characters of
 * `a-z0-9.-`, for an organism and a place of 32 and 9,999,999 generations; Linode takes 100, Cloudflare 120.
 */
import type { Holder } from './credential.ts';

export function labelOf({ organism, birth, kind, place, generation }: Holder): string {
  return `cell.${organism}.${birth}.${kind}-${place}.${generation}`;
}

const LABEL = /^cell\.([a-z][a-z0-9-]*)\.(b[0-9a-f]{10})\.(compute|dns)-([a-z][a-z0-9-]*)\.([1-9]\d{0,6})$/;

/** Whose a label says it is, or null for one that is none of ours. */
export function parseLabel(label: string): Holder | null {
  const [, organism, birth, kind, place, generation] = LABEL.exec(label) ?? [];
  if (organism === undefined || birth === undefined || place === undefined) return null;
  return { organism, birth, kind: kind === 'dns' ? 'dns' : 'compute', place, generation: Number(generation) };
}
