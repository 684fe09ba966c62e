/** Seeded randomness: one stream for each purpose, so that one draw more in one place does not change all others. */
import type { Random } from '../../src/model.ts';

/** mulberry32 (Tommy Ettinger, public domain): small, fast, good enough for faults. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Streams of one seed, by name. */
export function streams(seed: number): (name: string) => Random {
  const known = new Map<string, Random>();
  return (name) => {
    const before = known.get(name);
    if (before !== undefined) return before;
    let mixed = seed ^ 0x9e3779b9;
    for (const character of name) mixed = Math.imul(mixed ^ (character.codePointAt(0) ?? 0), 0x01000193);
    const stream = seeded(mixed);
    known.set(name, stream);
    return stream;
  };
}

/** A whole number from `low` to `high`, both included. */
export function between(random: Random, low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1));
}

export function pick<T>(random: Random, from: readonly T[]): T | undefined {
  return from[Math.floor(random() * from.length)];
}
