/** What came of something that a tick did, for its log and its counters. */
import type { Level } from './log.ts';

/** What the counters of the metrics count (decide/metrics.ts). */
export type TickEvent = 'division' | 'failedBirth' | 'merge' | 'fence';

export interface Outcome {
  /** One line for people. */
  readonly line: string;
  readonly level: Level;
  readonly event?: TickEvent;
}

/** As it should be. */
export const fine = (line: string, event?: TickEvent): Outcome => ({
  line,
  level: 'notice',
  ...(event === undefined ? {} : { event }),
});

/** Somebody may want to look. */
export const wrong = (line: string, event?: TickEvent): Outcome => ({ ...fine(line, event), level: 'warning' });
