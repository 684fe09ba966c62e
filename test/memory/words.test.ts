/** Reasons come from anywhere, from a cloud's error page too: none of them may keep a cell from saying what it has to say. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_WHY } from '../../src/memory/limits.ts';
import { publishPulse } from '../../src/memory/pulses.ts';
import { lineOf } from '../../src/pulse.ts';
import { organism } from './support.ts';

const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 3 * MAX_WHY }),
  fc.integer({ min: 0, max: 3 * MAX_WHY }).map((length) => 'x'.repeat(length)),
  fc.constant('could not delete\n  a record:\tit is gone\r\n'),
);

test('any text can be the reason in a deed and in a pulse, on one line', async () => {
  const { seeder } = await organism(0);
  await fc.assert(
    fc.asyncProperty(texts, async (why) => {
      await seeder.say({ kind: 'freeze', why });
      const { identity, home, memory } = seeder;
      const told = { at: 1, functions: {}, budget: 0, links: [], entries: 0, frozen: false, why };
      const pulse = publishPulse(home, memory.organism, identity, told);
      expect(pulse.why.length).toBeLessThanOrEqual(MAX_WHY);
      expect(pulse.why).not.toMatch(/\p{Cc}/u);
    }),
    { numRuns: 30 },
  );
});

test('what failed is told, however long it is, and so is what comes after it', () => {
  const reasons = [
    { subject: 'web', why: 'under its low bounds' },
    { subject: 'cell', why: 'just born' },
  ];
  const line = lineOf(['x'.repeat(5_000), 'second'], reasons);
  expect(line).toMatch(/^x+…; second; cell: just born; web: under its low bounds$/);
  expect(line.length).toBeLessThanOrEqual(MAX_WHY);
  const many = Array.from({ length: 100 }, (_, i) => ({ subject: `f${i}`, why: 'under its low bounds, for long' }));
  expect(lineOf(['first'], many)).toMatch(/^first; f0: under.*long$/);
  expect(lineOf([], [])).toBe('');
});
