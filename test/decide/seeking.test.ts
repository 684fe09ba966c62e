/** What was given up and may appear: when it is looked for again, what it costs meanwhile, and what goes before it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FIRST_LOOK_MS, isOver, nextLook, PAID_MS, SOUGHT_MS, seekId } from '../../src/decide/seeking.ts';
import type { OpenSaga } from '../../src/model.ts';
import { actions, decided, SPENT, why } from './decisions.ts';
import { DIVIDED, MIN, NOW, S, SEEDED } from './view.ts';

describe('looks', () => {
  test.each([
    ['the first', 0, 20 * S],
    ['the next', 20 * S, 40 * S],
    ['after that', 40 * S, 80 * S],
    ['one that was late, for the cell was off', 25 * MIN, 50 * MIN],
    ['the last', 40 * MIN, 60 * MIN],
    ['none', 60 * MIN, null],
    ['none after a long absence', 600 * MIN, null],
    ['a clock that went back', -MIN, 20 * S],
  ])('%s', (_, looked, next) => {
    expect(nextLook(NOW, NOW + looked)).toBe(next === null ? null : NOW + next);
  });

  test('grow apart, end, and are few, however late each is', () => {
    const delays = fc.array(fc.integer({ min: 0, max: 10 * MIN }), { minLength: 20, maxLength: 20 });
    fc.assert(
      fc.property(delays, (late) => {
        const looks = [NOW];
        for (let next = nextLook(NOW, NOW); next !== null; next = nextLook(NOW, looks.at(-1)!)) {
          looks.push(next + (late[looks.length - 1] ?? 0));
          expect(looks.length).toBeLessThan(12);
        }
        expect(looks.at(-1)! - NOW).toBeGreaterThanOrEqual(SOUGHT_MS);
        // The last may be cut short by the end.
        const gaps = looks.slice(1, -1).map((at, index) => at - looks[index]!);
        for (const [index, gap] of gaps.slice(1).entries()) expect(gap).toBeGreaterThanOrEqual(gaps[index]!);
        expect(gaps[0]).toBeGreaterThanOrEqual(FIRST_LOOK_MS);
        // Some look comes after what is paid for, so that the cost comes back.
        expect(looks.some((at) => isOver(NOW, at))).toBe(true);
      }),
    );
  });

  test('have the cost back only once it was not there for long enough', () => {
    expect(isOver(NOW, NOW + PAID_MS - 1)).toBe(false);
    expect(isOver(NOW, NOW + PAID_MS)).toBe(true);
    expect(isOver(NOW, NOW - MIN)).toBe(false);
  });
});

describe('a cell that looks for what it gave up', () => {
  const seek = (due: number, birth = 'b', more: Partial<OpenSaga> = {}): OpenSaga => ({
    ...{ id: seekId(birth), kind: 'seek', step: 'look', due },
    ...more,
  });
  const LOOK = { kind: 'resume', saga: 's-b', why: expect.any(String) };
  /** A pays for the attempt b. */
  const HELD = `${SEEDED}; A reserve b`;

  test('looks when it is time, and neither before nor instead of reclaiming', () => {
    expect(actions({ life: HELD, sagas: [seek(NOW)] })).toEqual([LOOK]);
    const later = decided({ life: HELD, sagas: [seek(NOW + 1)] });
    expect(later.actions).toEqual([]);
    expect(why(later)).toMatch(/cell: the machine of b, given up, may appear/);
    expect(actions({ life: HELD })).toMatchObject([{ kind: 'reclaim', birth: 'b' }]);
  });

  test('looks also when nothing is paid for any more', () => {
    expect(actions({ life: SEEDED, sagas: [seek(NOW)] })).toEqual([LOOK]);
    expect(why(decided({ life: SEEDED, sagas: [seek(NOW + MIN)] }))).not.toMatch(/given up/);
  });

  test('looks for what is due longest', () => {
    expect(actions({ life: SEEDED, sagas: [seek(NOW - 1, 'c'), seek(NOW - S), seek(NOW - 1, 'a')] })).toEqual([LOOK]);
  });

  test('looks when the clock went back', () => {
    expect(actions({ life: SEEDED, sagas: [seek(NOW + 10 * SOUGHT_MS)] })).toEqual([LOOK]);
  });

  test('says why it could not', () => {
    const failed = seek(NOW + MIN, 'b', { failure: 'DigitalOcean answers 503' });
    expect(why(decided({ life: HELD, sagas: [failed] }))).toMatch(/looked for again in 60 s.*DigitalOcean answers 503/);
  });

  test('divides meanwhile, with what budget it has left', () => {
    expect(actions({ ...SPENT, sagas: [seek(NOW + MIN)] })).toMatchObject([{ kind: 'divide', function: 'web' }]);
    // What goes on is done first, and what was given up after it.
    const division: OpenSaga = { id: 'c', kind: 'divide', step: 'body', due: NOW };
    expect(actions({ ...SPENT, sagas: [seek(NOW), division] })).toMatchObject([{ kind: 'resume', saga: 'c' }]);
  });

  test('does not go before its attempt is paid back, and goes when it is', () => {
    const ordered = `${DIVIDED}; S order B`;
    const sagas = [seek(NOW + MIN, 'x')];
    expect(actions({ life: `${ordered}; B reserve x`, self: 'B', sagas })).toEqual([]);
    expect(actions({ life: ordered, self: 'B', sagas })).toMatchObject([{ kind: 'wilt' }]);
  });
});
