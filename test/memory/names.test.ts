import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BEINGS, nameOf, QUALITIES, uniqueName } from '../../src/memory/names.ts';

const ids = fc
  .array(fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz234567'), { minLength: 26, maxLength: 26 })
  .map((all) => all.join(''));

test('the lists are part of the stored format and never change', () => {
  expect(
    createHash('sha256')
      .update([...QUALITIES, '', ...BEINGS].join(' '))
      .digest('hex'),
  ).toBe('3768816aee5fef78b92acb1175f40f89ca7f770e18188f9fca38ef16626da123');
  expect(new Set([...QUALITIES, ...BEINGS]).size).toBe(256);
  expect(QUALITIES).toHaveLength(128);
});

test('a name is short, sayable and the same each time', () => {
  fc.assert(
    fc.property(ids, (id) => {
      expect(nameOf(id)).toMatch(/^[a-z]{3,7}-[a-z]{3,7}$/);
      expect(nameOf(id)).toBe(nameOf(id));
      expect(uniqueName(id, new Set())).toBe(nameOf(id));
    }),
  );
});

test('names stay unique, also when a thousand cells have the same hash', () => {
  fc.assert(
    fc.property(ids, (id) => {
      const taken = new Set<string>();
      for (let count = 0; count < 12; count++) {
        const name = uniqueName(id, taken);
        expect(taken.has(name)).toBe(false);
        taken.add(name);
      }
    }),
  );
});
