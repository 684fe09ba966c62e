/** A raised budget: counted once, by one cell, for no more than an authority signed, in whatever order it is heard of. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { grantDue, mayRaise, roomIn, warrantFor } from '../../src/decide/grant.ts';
import { fold } from '../../src/decide/lineage.ts';
import type { Deed, Entry, Lineage, Proposal, Proposed } from '../../src/model.ts';
import { allowing, deed, entry, feeds, SEEDER } from './feeds.ts';
import { checkInvariants } from './invariants.ts';

/** A is the first cell, B its child: five cells in all. */
const GROWN = `
  S genesis 5 web,db
  S reserve a; S birth A 4; S give web A; S give db A; S entrust a.body A; S weaned A
  A born S; A reserve b; A birth B 1; B born A; A give web B; A weaned B`;

const of = (text: string, more: Readonly<Record<string, readonly Deed[]>> = {}): Lineage => {
  const all: Record<string, Entry[]> = feeds(text);
  for (const [author, deeds] of Object.entries(more)) {
    for (const what of deeds) all[author] = [...(all[author] ?? []), entry(author, all[author]?.length ?? 0, 99, what)];
  }
  const lineage = fold(all, SEEDER);
  expect(checkInvariants(lineage)).toEqual([]);
  return lineage;
};
const grant = (cells: number, ...proposals: readonly Proposal[]): Deed => ({ kind: 'grant', cells, proposals });

describe('a grant', () => {
  test('is what the limit rises by, to the first cell', () => {
    const [before, after] = [of(GROWN), of(`${GROWN}; A grant 8`)];
    expect([before.maxCells, before.cells.A?.budget]).toEqual([5, 2]);
    expect([after.maxCells, after.cells.A?.budget, after.quarantined]).toEqual([8, 5, {}]);
    // A second one begins where the first ended.
    expect(of(`${GROWN}; A grant 8; A grant 9`).cells.A?.budget).toBe(6);
  });

  test.each([
    ['said twice', `${GROWN}; A grant 8; A grant 8`, 'A', /there are 8 already/],
    ['for less than there is', `${GROWN}; A grant 4`, 'A', /there are 5 already/],
    ['for more than was signed', `${GROWN}; A grant 9 8`, 'A', /makes 9 of 8/],
    ['by another cell', `${GROWN}; B grant 8`, 'B', /only the first cell may/],
    ['by another, too', `${GROWN}; A grant 8; B grant 8`, 'B', /only the first cell may/],
    ['by the seeder', `${GROWN}; S grant 8`, 'S', /only cells/],
  ])('%s is refused', (_, text, who, why) => {
    const lineage = of(text);
    expect(lineage.quarantined[who]?.why).toMatch(why);
    expect(Object.keys(lineage.quarantined)).toEqual([who]);
  });

  const byCi = allowing(8, { author: 'ci' });
  test('counts for the keys that the genesis names, and for those that one of them names', () => {
    const ci = of(GROWN, { A: [grant(8, byCi)] });
    expect(ci.quarantined.A?.why).toMatch(/no authority/);
    const named = allowing(5, { raises: [], authorities: ['ci'] });
    expect(of(GROWN, { A: [grant(8, named, byCi)] }).cells.A?.budget).toBe(5);
    const byNobody = of(GROWN, { A: [grant(8, { ...named, author: 'x' }, byCi)] });
    expect(byNobody.quarantined.A?.why).toMatch(/no authority/);
    const [first, ...rest] = feeds(GROWN).S as [Entry, ...Entry[]];
    const genesis = { ...first, deed: { ...first.deed, authorities: ['ci'] } as Deed };
    const all: Record<string, Entry[]> = { ...feeds(GROWN), S: [genesis, ...rest] };
    all.A = [...(all.A ?? []), entry('A', all.A?.length ?? 0, 99, grant(8, byCi))];
    expect(fold(all, SEEDER).cells.A?.budget).toBe(5);
  });

  test('needs a proposal of this organism that raises', () => {
    const why = (one: Proposal) => of(GROWN, { A: [grant(8, one)] }).quarantined.A?.why;
    expect(why(allowing(8, { organism: 'other' }))).toMatch(/to the organism other/);
    expect(why(allowing(8, { raises: ['maxMonthlyCost'] }))).toMatch(/makes 8 of 0/);
    expect(of(GROWN, { A: [grant(8)] }).quarantined.A?.why).toMatch(/makes 8 of 0/);
  });

  test('is the heir’s to take up when its cell died before, and goes to the heir when it died after', () => {
    const dead = `${GROWN}; S fence A`;
    const before = of(`${dead} 5; S reserve n; S birth N 2; N born S; N grant 8`);
    expect([before.mint, before.maxCells, before.cells.N?.budget, before.quarantined]).toEqual(['N', 8, 5, {}]);
    // What A said and nobody had heard when it was ended is not counted, so that the next may.
    const unheard = of(`${GROWN}; A grant 8; S fence A 5; S reserve n; S birth N 2; N born S; N grant 8`);
    expect([unheard.maxCells, unheard.cells.N?.budget]).toEqual([8, 5]);
    const heard = of(`${GROWN}; A grant 8; S fence A 6; S reserve n; S birth N 5; N born S; N grant 8`);
    expect([heard.maxCells, heard.cells.N?.budget]).toEqual([8, 5]);
    expect(heard.quarantined.N?.why).toMatch(/there are 8 already/);
  });
});

describe('what a cell has to say', () => {
  const proposed = (id: string, more: Partial<Proposed>): Proposed => ({
    ...allowing(8),
    id,
    commit: `commit of ${id}`,
    ...more,
  });
  const lineage = of(GROWN);

  test('only where the genome allows more, an accepted proposal does, and it is its turn', () => {
    const accepted = [proposed('p', {})];
    expect(grantDue(lineage, 'A', accepted, 8)).toEqual({ kind: 'grant', cells: 8, proposals: [allowing(8)] });
    expect(grantDue(lineage, 'B', accepted, 8)).toBe(null);
    expect(grantDue(lineage, 'A', accepted, 5)).toBe(null);
    expect(grantDue(lineage, 'A', [], 8)).toBe(null);
    expect(grantDue(lineage, 'A', accepted, 9)).toBe(null);
    expect(grantDue(of(`${GROWN}; A grant 8`), 'A', accepted, 8)).toBe(null);
  });

  test('a higher one that was lowered since gives what the genome says now', () => {
    const accepted = [proposed('p', {}), proposed('q', { raises: [], maxCells: undefined as never })];
    expect(grantDue(lineage, 'A', accepted, 7)?.cells).toBe(7);
  });

  test('an author that a genome named is proved by it', () => {
    const named = proposed('p', { raises: [], authorities: ['ci'] });
    const raised = proposed('q', { author: 'ci' });
    expect(warrantFor(lineage, [named, raised], 8)).toHaveLength(2);
    expect(warrantFor(lineage, [raised], 8)).toBe(null);
    // Named afterwards is not named then.
    expect(warrantFor(lineage, [raised, named], 8)).toBe(null);
    expect([mayRaise(lineage, [named], 'ci'), mayRaise(lineage, [], 'ci'), mayRaise(lineage, [], 'k')]).toEqual([
      true,
      false,
      true,
    ]);
  });
});

test('room: living cells and attempts count', () => {
  const lineage = of(`${GROWN}; A reserve c`);
  expect([roomIn(lineage, 5), roomIn(lineage, 3), roomIn(lineage, 2)]).toEqual([2, 0, -1]);
});

test('whoever says what, whenever it is heard: never more than an authority signed', { timeout: 60_000 }, () => {
  const honest = feeds(GROWN);
  const said = (author: string) =>
    fc.array(
      fc.oneof(
        fc
          .record({
            cells: fc.integer({ min: 1, max: 14 }),
            signed: fc.integer({ min: 1, max: 12 }),
            by: fc.constantFrom('k', 'k', 'ci', 'x'),
            named: fc.boolean(),
          })
          .map(({ cells, signed, by, named }) =>
            grant(
              cells,
              ...(named ? [allowing(1, { raises: [], authorities: ['ci'] })] : []),
              allowing(signed, { author: by }),
            ),
          ),
        fc.constantFrom('c', 'd', 'e').map((birth) => deed(author, 'reserve', birth)),
        fc.tuple(fc.constantFrom('C', 'D', 'E'), fc.nat(4)).map(([id, share]) => deed(author, 'birth', id, `${share}`)),
        fc.tuple(fc.constantFrom('A', 'B'), fc.nat(9)).map(([id, seen]) => deed(author, 'fence', id, `${seen}`)),
      ),
      { maxLength: 7 },
    );
  fc.assert(
    fc.property(fc.record({ S: said('S'), A: said('A'), B: said('B') }), fc.nat(12), (spoken, upTo) => {
      const all: Record<string, Entry[]> = {};
      let signed = 5;
      for (const [author, begun] of Object.entries(honest)) {
        const more = (spoken as Record<string, readonly Deed[]>)[author] ?? [];
        all[author] = [...begun, ...more.map((what, index) => entry(author, begun.length + index, 50 + index, what))];
        for (const what of more) {
          if (what.kind !== 'grant') continue;
          const { author: by, maxCells = 0 } = what.proposals.at(-1) ?? { author: 'x' };
          if (by !== 'x') signed = Math.max(signed, maxCells);
        }
      }
      for (const lengths of [{}, { A: upTo }, { B: upTo }, { S: upTo }] as Record<string, number>[]) {
        const known = Object.fromEntries(Object.entries(all).map(([id, feed]) => [id, feed.slice(0, lengths[id])]));
        const lineage = fold(known, SEEDER);
        expect(checkInvariants(lineage)).toEqual([]);
        expect(lineage.maxCells).toBeLessThanOrEqual(signed);
        expect(fold(Object.fromEntries(Object.entries(known).reverse()), SEEDER)).toEqual(lineage);
      }
    }),
    { numRuns: Number(process.env.LIES ?? 400) },
  );
});

test('a first cell that was born with no budget has the slots of stem cells, for it may get one', () => {
  const alone = of('S genesis 1 web; S reserve a; S birth A 0; A born S; A grant 3');
  expect([alone.cells.A?.budget, alone.ledger?.slots.A?.length, alone.ledger?.slots.S]).toEqual([2, 10, []]);
});

test('a birth gives the right to raise to the first cell alone', () => {
  expect(of('S genesis 5 web').mint).toBe(SEEDER);
  expect(of(GROWN).mint).toBe('A');
});
