import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mendQuantity, nearest } from '../../genome/suggest.ts';
import {
  formatDuration,
  formatMoney,
  parseDuration,
  parseMoney,
  parsePercent,
  parseRate,
  parseSize,
} from '../../genome/units.ts';

describe('quantities', () => {
  it.each([
    [parseDuration, '250ms', 250],
    [parseDuration, '1.5h', 5_400_000],
    [parseDuration, '7d', 604_800_000],
    [parseSize, '512MiB', 512 * 1024 * 1024],
    [parseSize, '1GB', 1_000_000_000],
    [parsePercent, '12.5%', 12.5],
    [parseRate, '120/m', 2],
  ] as const)('%o reads %s', (parse, text, value) => {
    expect(parse(text)).toBe(value);
  });

  it.each(['', '5', 's', '-5s', '5 S', '5s5s', '5,5s', '1e3s', 'Infinity s', '5toString', '5__proto__', '٥s'])(
    '%o is no duration',
    (text) => {
      expect(parseDuration(text)).toBeNull();
    },
  );

  it('what is written as a duration is read as the same duration', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 400 }),
        fc.constantFrom(1, 1000, 60_000, 3_600_000, 86_400_000),
        (count, unit) => {
          const ms = count * unit;
          expect(parseDuration(formatDuration(ms))).toBe(ms);
        },
      ),
    );
  });

  it('what is written as money is read as the same money', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1_000_000_000 }),
        fc.constantFrom('USD', 'EUR', 'CHF'),
        (cents, currency) => {
          expect(parseMoney(formatMoney(cents, currency))).toEqual({ cents, currency });
        },
      ),
    );
  });
});

describe('what was probably meant', () => {
  it.each([
    ['duration', 60, '60s'],
    ['duration', '5 mins', '5m'],
    ['duration', '2 Hours', '2h'],
    ['duration', '1,5h', '1.5h'],
    ['size', '512mb', '512MB'],
    ['size', '2 gib', '2GiB'],
    ['size', 64, '64MiB'],
    ['money', '$120', '120 USD'],
    ['money', '120', '120 USD'],
    ['money', '4.50 eur', '4.50 EUR'],
    ['percent', 40, '40%'],
    ['percent', '40 percent', '40%'],
    ['bound', '100 rps', '100/s'],
    ['bound', '5 secs', '5s'],
  ] as const)('a %s of %o is offered as %s', (kind, found, meant) => {
    expect(mendQuantity(kind, found)).toBe(meant);
  });

  it.each([
    ['duration', 'soon'],
    ['duration', '-5s'],
    ['duration', '5 parsecs'],
    ['money', 'free'],
    ['size', null],
    ['bound', true],
  ] as const)('a %s of %o is offered nothing', (kind, found) => {
    expect(mendQuantity(kind, found)).toBeUndefined();
  });

  it('a word is offered when it is a letter in three away, and never for one or two letters', () => {
    const words = ['delegate', 'replicate', 'never'];
    expect(nearest('replcate', words)).toBe('replicate');
    expect(nearest('DELEGATE', words)).toBe('delegate');
    expect(nearest('always', words)).toBeUndefined();
    expect(nearest('xy', ['x'])).toBeUndefined();
    expect(nearest('a'.repeat(100_000), words)).toBeUndefined();
    expect(nearest('a', [])).toBeUndefined();
  });
});
