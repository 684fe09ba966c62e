/** How often data is copied while its function runs. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { anotherPass, type Pass } from '../../src/decide/passes.ts';
import { PASSES_AT_MOST, SHORT_PASS_MS } from '../../src/limits.ts';

/** Passes over so much data (bytes), copied and changed at so many bytes a ms; gives how long each took. */
function course(size: number, copied: number, changed: number): number[] {
  const passes: Pass[] = [];
  let left = size;
  while (anotherPass(passes)) {
    const ms = left / copied;
    passes.push({ bytes: left, ms });
    left = Math.min(size, ms * changed);
  }
  return passes.map(({ ms }) => ms);
}

it.each([
  ['small data: once', 1_000, 100, 0, 1],
  ['large data that nobody changes: once more, which is short', 1e9, 1e5, 0, 2],
  ['a tenth as fast as it is copied: down to the second', 1e9, 1e5, 1e4, 3],
  ['half as fast: until there have been enough', 1e11, 1e5, 5e4, PASSES_AT_MOST],
  ['as fast as it is copied: no use in going on', 1e9, 1e5, 1e5, 2],
  ['faster: no use either', 1e9, 1e5, 1e6, 2],
])('%s', (_, size, copied, changed, passes) => {
  expect(course(size, copied, changed)).toHaveLength(passes);
});

it('ends, and leaves little, or what cannot be made less, or has tried often enough', () => {
  const rate = fc.double({ min: 1, max: 1e6, noNaN: true });
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e13, noNaN: true }), rate, rate, (size, copied, changed) => {
      const took = course(size, copied, changed);
      const [last = 0, before = Number.POSITIVE_INFINITY] = took.toReversed();
      expect(took.length).toBeLessThanOrEqual(PASSES_AT_MOST);
      expect(last < SHORT_PASS_MS || last >= before * 0.8 || took.length === PASSES_AT_MOST).toBe(true);
    }),
  );
});
