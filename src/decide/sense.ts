/**
 * From measured values to levels: smoothing, bounds, and the level of a function with several measures.
 *
 * A cell asks only how much there is against what is healthy: none, one, two or many. That is as much as simple
 * organisms tell apart, and it keeps every rule above free of units.
 */
import type { FunctionGene, Genome } from '../../genome/schema.ts';
import type { Level, Reading } from '../model.ts';

/** Past this many times the high bound there are `many`. */
const MANY = 1.5;

/** How long a step takes to come through to 63%, ms: two beats, and never longer than a breach has to settle. */
export function smoothing({ body, rhythm }: Pick<Genome, 'body' | 'rhythm'>): number {
  return Math.min(2 * body.heartbeat, rhythm.settle);
}

/** How far a value must come back over an edge before the level changes back: a twentieth of the edge. */
const MARGIN = 0.05;

/**
 * An exponentially weighted moving average that knows time: after one time constant a step has come through to 63%,
 * however often it was sampled. The first value is taken as it is, and so is one after a clock that went backwards.
 *
 * @param tau time constant, ms; 0 or less means no smoothing.
 */
export function smooth(
  last: { readonly value: number; readonly at: number } | null,
  value: number,
  now: number,
  tau: number,
): number {
  if (last === null || tau <= 0 || now < last.at) return value;
  return last.value + (value - last.value) * (1 - Math.exp(-(now - last.at) / tau));
}

function plain(value: number, low: number, high: number): Level {
  if (value > high * MANY) return 'many';
  if (value > high) return 'two';
  return value < low ? 'none' : 'one';
}

const ORDER: readonly Level[] = ['none', 'one', 'two', 'many'];

/** The level of a value; `before` is the last one, which a value just past an edge keeps. */
export function levelOf(value: number, low: number, high: number, before: Level | null = null): Level {
  const now = plain(value, low, high);
  if (before === null || before === now) return now;
  const width = Math.min(1, high > low ? (high - low) / (2 * MARGIN * (high + low)) : 0) * MARGIN;
  const rose = ORDER.indexOf(now) > ORDER.indexOf(before);
  // Going up counts at once but for the low edge: a breach is never hidden. Going down, each edge is lower by the margin.
  if (rose) return now === 'one' && value < low * (1 + width) ? 'none' : now;
  if (before === 'many' && value > high * MANY * (1 - width)) return 'many';
  if (now !== 'two' && value > high * (1 - width)) return 'two';
  return now;
}

/** A reading of a smoothed value. */
function readingOf(value: number, low: number, high: number, before: Level | null = null): Reading {
  return { value, low, high, level: levelOf(value, low, high, before) };
}

/**
 * The readings of a function: what was measured now, smoothed against the last readings. A measure that could not be
 * taken has no reading.
 *
 * @param elapsed since the last readings, ms.
 * @param tau time constant, ms.
 */
export function readingsOf(
  gene: Pick<FunctionGene, 'pressure'>,
  measures: Readonly<Record<string, number>>,
  before: Readonly<Record<string, Reading>>,
  elapsed: number,
  tau: number,
): Record<string, Reading> {
  const readings: Record<string, Reading> = {};
  for (const [name, { bounds }] of Object.entries(gene.pressure)) {
    const measured = measures[name];
    if (measured === undefined || !Number.isFinite(measured)) continue;
    const last = before[name];
    const value = smooth(last === undefined ? null : { value: last.value, at: 0 }, measured, elapsed, tau);
    readings[name] = readingOf(value, bounds[0].value, bounds[1].value, last?.level ?? null);
  }
  return readings;
}

/** The level of a function with these readings: its highest breach; `none` only when every one is under its low bound. */
export function functionLevel(readings: readonly Pick<Reading, 'level'>[]): Level {
  const levels = readings.map((reading) => reading.level);
  if (levels.includes('many')) return 'many';
  if (levels.includes('two')) return 'two';
  return levels.every((level) => level === 'none') ? 'none' : 'one';
}
