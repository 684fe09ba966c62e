import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BREAKER_CAP_MS, noteBirth } from '../../src/decide/breaker.ts';
import { shareOf } from '../../src/decide/budget.ts';
import { extend, fold } from '../../src/decide/lineage.ts';
import { freshMemory } from '../../src/decide/memory.ts';
import type { Entry } from '../../src/model.ts';
import { deed, entry, SEEDER } from './feeds.ts';
import { checkInvariants } from './invariants.ts';

describe('a share', () => {
  test.each([
    [0, true, 0],
    [1, true, 0],
    [2, true, 0],
    [3, true, 1],
    [4, true, 1],
    [5, true, 2],
    [99, true, 49],
    [99, false, 0],
  ])('of %d, able to divide: %s, is %d', (budget, able, share) => {
    expect(shareOf(budget, able)).toBe(share);
  });
  test('with the attempt and what the parent keeps, nothing is added', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.boolean(), (budget, able) => {
        const share = shareOf(budget, able);
        expect(share).toBeGreaterThanOrEqual(0);
        expect(budget - 1 - share).toBeGreaterThanOrEqual(share);
      }),
    );
  });
});

/** A tree that grows and dies by chance; what nobody could say is not said. */
class Tree {
  readonly feeds: Record<string, Entry[]> = {};
  lineage = fold({}, SEEDER);
  #made = 0;

  say(author: string, kind: string, one?: string, two?: string): void {
    this.feeds[author] ??= [];
    const feed = this.feeds[author];
    const said = entry(author, feed.length, feed.length, deed(author, kind, one, two));
    feed.push(said);
    this.lineage = extend(this.lineage, { [author]: [said] }) ?? fold(this.feeds, SEEDER);
  }

  id(): string {
    this.#made += 1;
    return `N${this.#made}`;
  }

  move(which: number, whose: number, share: number): void {
    const cells = Object.values(this.lineage.cells).filter((cell) => cell.state === 'living');
    const cell = cells[whose % cells.length];
    if (cell === undefined) return;
    const children = Object.values(this.lineage.cells).filter((one) => one.parent === cell.id && one.state !== 'gone');
    const [child] = children;
    const [attempt] = cell.attempts;
    if (which === 0 && cell.budget > 0) this.say(cell.id, 'reserve', this.id().toLowerCase());
    if (which === 1 && attempt !== undefined) this.say(cell.id, 'abandon', attempt);
    if (which === 2 && attempt !== undefined) {
      const born = attempt.toUpperCase();
      this.say(cell.id, 'birth', born, String(Math.min(cell.budget, share)));
      this.say(born, 'born', cell.id);
    }
    if (which === 3 && child !== undefined)
      this.say(cell.id, 'fence', child.id, String(this.lineage.folded[child.id] ?? 0));
    if (which === 5 && cell.id === this.lineage.mint)
      this.say(cell.id, 'grant', String(this.lineage.maxCells + 1 + (share % 3)));
    if (which === 4 && children.length === 0 && cell.attempts.length === 0 && cell.functions.length === 0) {
      this.say(cell.id, 'wilt');
      this.say(cell.id, 'farewell');
      this.say(cell.parent, 'bury', cell.id);
    }
  }
}

test('over random trees of divisions, deaths, failed births and raised limits the sum never passes maxCells', {
  timeout: 60_000,
}, () => {
  const move = fc.tuple(fc.constantFrom(0, 0, 0, 1, 2, 2, 2, 3, 4, 5), fc.nat(50), fc.nat(20));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.array(move, { maxLength: 150 }), (maxCells, moves) => {
      const tree = new Tree();
      tree.say(SEEDER, 'genesis', String(maxCells), 'web');
      const first = tree.id();
      tree.say(SEEDER, 'reserve', first.toLowerCase());
      tree.say(SEEDER, 'birth', first, String(maxCells - 1));
      tree.say(first, 'born', SEEDER);
      tree.say(SEEDER, 'give', 'web', first);
      for (const [which, whose, share] of moves) {
        tree.move(which, whose, share);
        expect(checkInvariants(tree.lineage)).toEqual([]);
        const cells = Object.values(tree.lineage.cells);
        const machines =
          cells.filter((cell) => cell.state !== 'gone').length + cells.flatMap((cell) => cell.attempts).length;
        expect(machines).toBeLessThanOrEqual(tree.lineage.maxCells);
      }
      expect(tree.lineage.quarantined).toEqual({});
      expect(fold(tree.feeds, SEEDER)).toEqual(tree.lineage);
    }),
    { numRuns: 60 },
  );
});

test('the breaker: growing delays, up to an hour, closed by a birth', () => {
  let memory = freshMemory();
  const pauses: number[] = [];
  for (let count = 0; count < 12; count += 1) {
    memory = noteBirth(memory, false, 1000, 10_000);
    pauses.push(memory.breaker.openUntil - 1000);
  }
  expect(pauses.slice(0, 4)).toEqual([20_000, 40_000, 80_000, 160_000]);
  expect(pauses.at(-1)).toBe(BREAKER_CAP_MS);
  expect(memory.breaker.failures).toBe(12);
  expect(noteBirth(memory, true, 1000).breaker).toEqual({ failures: 0, openUntil: 0 });
  for (let count = 0; count < 2000; count += 1) memory = noteBirth(memory, false, 0);
  expect(memory.breaker.openUntil).toBe(BREAKER_CAP_MS);
});
