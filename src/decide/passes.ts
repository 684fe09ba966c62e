/** How often data is copied while its function runs, so that it stands still only for what is left. Pure. */
import { PASSES_AT_MOST, SHORT_PASS_MS } from '../limits.ts';

export interface Pass {
  /** Over the network. */
  readonly bytes: number;
  /** How long it took. */
  readonly ms: number;
}

/** A pass that took more than this of the one before it brought the end no nearer. */
const SHRINKS = 0.8;

/**
 * Whether another pass is worth it. Each copies what changed during the one before, so they get shorter until what
 * changes takes as long to copy as it does to change; the pause is then bounded by that, and not by how much there is.
 */
export function anotherPass(passes: readonly Pass[]): boolean {
  const [last, before] = passes.toReversed();
  if (last === undefined) return true;
  if (passes.length >= PASSES_AT_MOST || last.ms < SHORT_PASS_MS) return false;
  return before === undefined || last.ms < before.ms * SHRINKS;
}
