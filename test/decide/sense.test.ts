import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { functionLevel, levelOf, readingsOf, smooth, smoothing } from '../../src/decide/sense.ts';
import type { Level } from '../../src/model.ts';
import { genome } from './view.ts';

const GENOME = genome({ web: {} });
const TAU = 3_000;
const LEVELS: readonly Level[] = ['none', 'one', 'two', 'many'];

describe('smoothing', () => {
  test('goes over two beats, and never over more than a breach has to settle', () => {
    const over = (heartbeat: number, settle: number) =>
      smoothing({ body: { ...GENOME.body, heartbeat }, rhythm: { ...GENOME.rhythm, settle } });
    expect(over(1_000, 60_000)).toBe(2_000);
    expect(over(60_000, 3_000)).toBe(3_000);
  });

  test('the first value, no time constant and a clock that went back: as it is', () => {
    expect(smooth(null, 7, 0, 1000)).toBe(7);
    expect(smooth({ value: 1, at: 0 }, 7, 10, 0)).toBe(7);
    expect(smooth({ value: 1, at: 100 }, 7, 50, 1000)).toBe(7);
  });

  test('a step has come through to 63% after one time constant, however often it was sampled', () => {
    for (const steps of [1, 2, 10, 1000]) {
      let last = { value: 0, at: 0 };
      for (let step = 1; step <= steps; step += 1) {
        const at = (1000 * step) / steps;
        last = { value: smooth(last, 100, at, 1000), at };
      }
      expect(last.value).toBeCloseTo(63.2, 1);
    }
  });

  test('stays between the last value and the new one', () => {
    const number = fc.double({ min: 0, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(
        number,
        number,
        fc.integer({ min: 0, max: 1e9 }),
        fc.integer({ min: 1, max: 1e6 }),
        (last, value, now, tau) => {
          const smoothed = smooth({ value: last, at: 0 }, value, now, tau);
          expect(smoothed).toBeGreaterThanOrEqual(Math.min(last, value) - 1e-6);
          expect(smoothed).toBeLessThanOrEqual(Math.max(last, value) + 1e-6);
        },
      ),
    );
  });
});

describe('levels', () => {
  const table: readonly (readonly [number, Level | null, Level])[] = [
    [9.9, null, 'none'],
    [10, null, 'one'],
    [100, null, 'one'],
    [100.1, null, 'two'],
    [150, null, 'two'],
    [150.1, null, 'many'],
    // A breach is seen at once, and is over a little below the edge.
    [100.1, 'one', 'two'],
    [96, 'two', 'two'],
    [94.9, 'two', 'one'],
    [96, 'many', 'two'],
    [143, 'many', 'many'],
    [142, 'many', 'two'],
    // The low edge counts at once downwards, and a little above upwards.
    [9.9, 'one', 'none'],
    [10.4, 'none', 'none'],
    [10.6, 'none', 'one'],
    [5, 'many', 'none'],
  ];
  test.each(table)('%d after %s is %s', (value, before, level) => {
    expect(levelOf(value, 10, 100, before)).toBe(level);
  });

  test('a value at rest has a level at rest, and bounds that meet have no middle to get stuck in', () => {
    const bound = fc.double({ min: 0, max: 1000, noNaN: true });
    fc.assert(
      fc.property(
        bound,
        bound,
        fc.double({ min: 0, max: 2000, noNaN: true }),
        fc.constantFrom(...LEVELS),
        (a, b, value, before) => {
          const [low, high] = [Math.min(a, b), Math.max(a, b)];
          const once = levelOf(value, low, high, before);
          expect(levelOf(value, low, high, once)).toBe(once);
          // Never further from the plain level than the margin explains.
          const plain = levelOf(value, low, high);
          if (once !== plain)
            expect(once).toBe(before === 'many' && value <= high ? 'two' : before === 'none' ? 'none' : once);
          if (value > high) expect(['two', 'many']).toContain(once);
        },
      ),
    );
  });

  test('a function has its highest breach, and none only when all are under', () => {
    const of = (...levels: Level[]) => functionLevel(levels.map((level) => ({ level })));
    expect(of()).toBe('none');
    expect(of('none', 'none')).toBe('none');
    expect(of('none', 'one')).toBe('one');
    expect(of('none', 'two', 'one')).toBe('two');
    expect(of('two', 'many', 'none')).toBe('many');
  });
});

test('readings: by the genome, smoothed; what was not measured has none', () => {
  const gene = genome({
    web: { pressure: { cpu: { bounds: ['5%', '80%'] }, load: { http: '/', path: '$.x', bounds: [1, 9] } } },
  }).functions.web;
  if (gene === undefined) throw new Error('no gene');
  const first = readingsOf(gene, { cpu: 90, other: 3 }, {}, 1000, TAU);
  expect(first).toEqual({ cpu: { value: 90, low: 5, high: 80, level: 'two' } });
  expect(readingsOf(gene, { cpu: 0 }, first, 0, TAU).cpu?.value).toBe(90);
  expect(readingsOf(gene, { cpu: 0 }, first, 3000, TAU).cpu?.value).toBeCloseTo(33.1, 1);
  expect(readingsOf(gene, { cpu: 0 }, first, -5, TAU).cpu?.value).toBe(0);
  expect(readingsOf(gene, { cpu: Number.NaN }, first, 1000, TAU)).toEqual({});
});
