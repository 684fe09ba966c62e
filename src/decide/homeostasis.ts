/**
 * One function's balance: throttle in degrees while its pressure is too high, relieve when it held, and say when only a
 * division will do.
 *
 * The share of work that is let through is cut by a factor on a breach and given back in equal steps when there is
 * none: additive increase, multiplicative decrease, which settles where plain steps both ways would swing (Chiu and
 * Jain 1989, TCP's congestion avoidance). Every change is given `settle` to show before the next cut.
 */
import type { FunctionGene, Rhythm } from '../../genome/schema.ts';
import type { FunctionMemory, FunctionName, Level } from '../model.ts';
import { span } from './words.ts';

/** What is left of the allowed share after a cut. */
const CUT = { two: 0.5, many: 0.25 } as const;
/** Percent given back for each `settle` without a breach. */
const RELIEF = 10;
/** Smaller changes wait: each one runs a hook. */
const SMALLEST_RELIEF = 5;
/** A function is never stopped by throttling. */
const MOST = 95;
/** From here on throttling has nothing left to give. */
const SPENT = 90;
/** Throttled at least this much through the whole hold time, a function without a breach still lacks room. */
const STILL_HIGH = 30;

export interface Balance {
  readonly memory: FunctionMemory;
  /** The level to throttle to now, 0 to relax, null for no change. */
  readonly throttle: number | null;
  /** Why only a division will do, or null. */
  readonly wantsDivision: string | null;
  readonly why: string;
}

export interface Sensed {
  readonly name: FunctionName;
  readonly gene: FunctionGene;
  /** Null: nothing could be sensed in this tick. */
  readonly level: Level | null;
}

export const isBreach = (level: Level | null): level is 'two' | 'many' => level === 'two' || level === 'many';

export function balance(sensed: Sensed, before: FunctionMemory, now: number, rhythm: Rhythm): Balance {
  const { level } = sensed;
  if (level === null) return idle(before, 'its pressure could not be sensed: nothing is changed');
  if (isBreach(level)) {
    const memory = { ...before, breachSince: before.breachSince ?? now };
    return sensed.gene.throttle === undefined
      ? unthrottled(level, memory, now, rhythm)
      : throttled(level, memory, now, rhythm);
  }
  const memory = { ...before, breachSince: null };
  return memory.throttle > 0 ? relieved(level, memory, now, rhythm) : idle(memory, inBalance(level));
}

function inBalance(level: Level): string {
  return level === 'none' ? 'under its low bounds' : 'in balance';
}

function idle(memory: FunctionMemory, why: string): Balance {
  return { memory, throttle: null, wantsDivision: null, why };
}

function wanting(memory: FunctionMemory, why: string): Balance {
  return { memory, throttle: null, wantsDivision: why, why };
}

function unthrottled(level: Level, memory: FunctionMemory, now: number, rhythm: Rhythm): Balance {
  const lasted = now - (memory.breachSince ?? now);
  const what = `pressure ${level} for ${span(lasted)}, and it has no throttle hook`;
  if (lasted >= rhythm.hold) return wanting(memory, what);
  return idle(memory, `not dividing: ${what}; waiting ${span(rhythm.hold - lasted)} more`);
}

function throttled(level: 'two' | 'many', memory: FunctionMemory, now: number, rhythm: Rhythm): Balance {
  if (memory.throttle === 0) {
    const lasted = now - (memory.breachSince ?? now);
    if (lasted >= rhythm.settle) return cut(level, memory, now, `pressure ${level} for ${span(lasted)}`);
    return idle(
      memory,
      `not throttling: pressure ${level} for ${span(lasted)}, waiting ${span(rhythm.settle - lasted)} more`,
    );
  }
  const held = now - (memory.throttleSince ?? now);
  const sinceChange = now - (memory.throttleAt ?? now);
  if (held >= rhythm.hold) {
    return wanting(memory, `pressure ${level} although throttled for ${span(held)} (to ${memory.throttle})`);
  }
  if (sinceChange < rhythm.settle) {
    return idle(memory, `not dividing: throttled ${span(held)} ago, waiting ${span(rhythm.hold - held)} more`);
  }
  if (memory.throttle >= SPENT) {
    return wanting(memory, `pressure ${level} ${span(sinceChange)} after throttling to ${memory.throttle}`);
  }
  return cut(level, memory, now, `pressure ${level} ${span(sinceChange)} after throttling to ${memory.throttle}`);
}

function cut(level: 'two' | 'many', memory: FunctionMemory, now: number, why: string): Balance {
  const throttle = Math.min(MOST, Math.round(100 - (100 - memory.throttle) * CUT[level]));
  const next = { ...memory, throttle, throttleSince: memory.throttleSince ?? now, throttleAt: now };
  return { memory: next, throttle, wantsDivision: null, why: `throttling to ${throttle}: ${why}` };
}

function relieved(level: Level, memory: FunctionMemory, now: number, rhythm: Rhythm): Balance {
  const held = now - (memory.throttleSince ?? now);
  // Under its low bounds the load is gone: what the throttle holds back shows as it is given back.
  if (level !== 'none' && held >= rhythm.hold && memory.throttle >= STILL_HIGH) {
    return wanting(
      memory,
      `inside its bounds only because it has been throttled for ${span(held)} (to ${memory.throttle})`,
    );
  }
  return (
    relief(memory, now, rhythm) ?? idle(memory, `inside its bounds: throttle stays at ${memory.throttle} for a moment`)
  );
}

/** One step back of the throttle, or null when it is too early for one. */
export function relief(memory: FunctionMemory, now: number, rhythm: Rhythm): Balance | null {
  const elapsed = now - (memory.throttleAt ?? now);
  const step = rhythm.settle > 0 ? (RELIEF * elapsed) / rhythm.settle : memory.throttle;
  if (step < Math.min(SMALLEST_RELIEF, memory.throttle)) return null;
  const throttle = Math.max(0, Math.round(memory.throttle - step));
  if (throttle === 0) return relaxed(memory, now, 'inside its bounds');
  const why = `relieving the throttle to ${throttle}: inside its bounds`;
  return { memory: { ...memory, throttle, throttleAt: now }, throttle, wantsDivision: null, why };
}

/** The throttle goes at once. A breach that goes on counts anew. */
export function relaxed(memory: FunctionMemory, now: number, why: string): Balance {
  const breachSince = memory.breachSince === null ? null : now;
  return {
    memory: { breachSince, throttle: 0, throttleSince: null, throttleAt: null },
    throttle: 0,
    wantsDivision: null,
    why: `relaxing the throttle: ${why}`,
  };
}
