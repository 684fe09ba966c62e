/** Any label value comes out of both formats as it went in, and the whole is what both specifications allow. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Family, openMetrics } from '../../src/decide/openmetrics.ts';
import { readOpenMetrics, readText } from './exposition.ts';

const VALUE = fc.oneof(fc.double(), fc.nat(), fc.constantFrom(0, 1e21, 1e-9, Number.POSITIVE_INFINITY, Number.NaN));
const TEXT = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('"', '\\', '\n', 'n', ' ', '}', ',', '#', 'é') }),
);
const family = fc
  .record({
    name: fc.constantFrom('cell_a', 'cell_b', 'cell_c', 'cell_d'),
    type: fc.constantFrom('gauge', 'counter'),
    unit: fc.option(fc.constantFrom('seconds', 'ratio'), { nil: undefined }),
    help: fc.constantFrom('What it is.', 'Why: 1, 2 {and} 3 # more'),
    samples: fc.uniqueArray(fc.record({ one: TEXT, other: TEXT, value: VALUE }), {
      selector: ({ one, other }) => JSON.stringify([one, other]),
      maxLength: 5,
    }),
  })
  .map(({ name, type, unit, help, samples }): Family => {
    const about = unit === undefined ? { name } : { name: `${name}_${unit}`, unit };
    return {
      ...about,
      type: type as Family['type'],
      help,
      samples: samples.map(({ one, other, value }) => ({
        labels: { one, other },
        value: type === 'counter' ? Math.abs(Number.isNaN(value) ? 0 : value) : value,
      })),
    };
  });

it('is read back by both formats as it was', () => {
  fc.assert(
    fc.property(fc.uniqueArray(family, { selector: ({ name }) => name }), (families) => {
      const text = openMetrics(families);
      const expected = families.flatMap(({ name, type, samples }) =>
        samples.map(({ labels, value }) => ({ name: type === 'counter' ? `${name}_total` : name, labels, value })),
      );
      // -0 is a zero to everybody who reads it.
      const plain = (reads: readonly { readonly value: number }[]) =>
        reads.map((read) => ({ ...read, value: read.value + 0 }));
      expect(plain(readOpenMetrics(text))).toEqual(plain(expected));
      expect(plain(readText(text))).toEqual(plain(expected));
    }),
  );
});

it('reads as people expect', () => {
  const families: Family[] = [
    { name: 'cell_ticks', type: 'counter', help: 'Ticks.', samples: [{ value: 7 }] },
    { name: 'cell_none', type: 'gauge', help: 'Nothing.', samples: [] },
    {
      name: 'cell_age_seconds',
      type: 'gauge',
      unit: 'seconds',
      help: 'Age.',
      samples: [{ labels: { cell: 'a"b' }, value: 0.25 }],
    },
  ];
  expect(openMetrics(families)).toBe(`# TYPE cell_ticks counter
# HELP cell_ticks Ticks.
cell_ticks_total 7
# TYPE cell_age_seconds gauge
# UNIT cell_age_seconds seconds
# HELP cell_age_seconds Age.
cell_age_seconds{cell="a\\"b"} 0.25
# EOF
`);
});
