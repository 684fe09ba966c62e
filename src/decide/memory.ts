/**
 * What a tick remembers, kept sound: timers survive a clock that jumps, and time that nobody watched does not count.
 */
import type { Genome } from '../../genome/schema.ts';
import type { FunctionMemory, TickMemory } from '../model.ts';
import { BREAKER_CAP_MS } from './breaker.ts';
import { REFUSED_CAP_MS } from './placement.ts';

export const CALM: FunctionMemory = { breachSince: null, throttle: 0, throttleSince: null, throttleAt: null };

/** The memory before the first tick. A newborn rests first: it has just been given what it is to do. */
export function freshMemory(restUntil = 0): TickMemory {
  return { v: 1, functions: {}, calmSince: null, restUntil, intent: null, breaker: { failures: 0, openUntil: 0 } };
}

/**
 * The memory as of now. After a pause of many heartbeats (asleep, cron stopped, a clock set forward) everything that
 * lasted "since" is moved on, for it was not watched; after a clock that went back nothing lies in the future, and no
 * wait is longer than it could have been set.
 */
export function recall(memory: TickMemory, now: number, genome: Genome): TickMemory {
  const { heartbeat } = genome.body;
  const gap = memory.at === undefined ? 0 : now - memory.at;
  const unwatched = gap > 5 * heartbeat + 30_000 ? gap - heartbeat : 0;
  const since = (at: number) => Math.min(now, at + unwatched);
  const maybe = (at: number | null | undefined) => (at === null || at === undefined ? null : since(at));
  const until = (at: number, longest: number) => Math.min(at, now + longest);
  const { intent, breaker } = memory;
  return {
    ...memory,
    functions: mapped(memory.functions, (one) => ({
      breachSince: maybe(one.breachSince),
      throttle: one.throttle,
      throttleSince: maybe(one.throttleSince),
      throttleAt: maybe(one.throttleAt ?? one.throttleSince),
    })),
    calmSince: maybe(memory.calmSince),
    restUntil: until(memory.restUntil, genome.rhythm.refractory),
    intent: intent === null ? null : { ...intent, due: until(intent.due, genome.rhythm.jitter) },
    breaker: { ...breaker, openUntil: until(breaker.openUntil, BREAKER_CAP_MS) },
    ...(memory.refused === undefined
      ? {}
      : { refused: mapped(memory.refused, (one) => ({ ...one, until: until(one.until, REFUSED_CAP_MS) })) }),
    heard: mapped(memory.heard ?? {}, (one) => ({ seq: one.seq, at: since(one.at) })),
    at: now,
  };
}

function mapped<T, U>(table: Readonly<Record<string, T>>, how: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(table).map(([key, value]) => [key, how(value)]));
}
