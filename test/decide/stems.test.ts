/** Stem cells: who may keep which, when one is made, looked at and given up, and what a division makes of it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide, decideNow } from '../../src/decide/decide.ts';
import { fold } from '../../src/decide/lineage.ts';
import { ALL_SLOTS, joined, shared } from '../../src/decide/slots.ts';
import type { OpenSaga } from '../../src/model.ts';
import { actions, DUE, decided, half, SPENT, web, why } from './decisions.ts';
import { feeds, SEEDER } from './feeds.ts';
import { checkInvariants } from './invariants.ts';
import { DIVIDED, GENES, genome, MIN, NOW, S, SEEDED, type Sketch, view } from './view.ts';

const keeping = (stemCells: number, more: Record<string, unknown> = {}) =>
  genome(GENES, { body: { maxCells: 5, stemCells }, ...more });
const stem = (id: string, due = NOW + MIN, cloud = 'near'): OpenSaga => ({
  id,
  kind: 'stem',
  step: 'keep',
  due,
  ready: cloud,
});
const MAKE = { kind: 'stem', cloud: 'near', why: expect.any(String) };
/** Nobody is silent. */
const HEARD = { heard: Object.fromEntries(['B', 'C', 'D', 'E'].map((id) => [id, { seq: 0, at: NOW }])) };
/** A has a stem cell, b, in slot 0. */
const ONE = `${SEEDED}; A reserve b`;

describe('slots', () => {
  const slotsOf = (life: string) => fold(feeds(life), SEEDER).ledger?.slots;

  test('the first cell has them all; a birth splits them, and what is filled stays', () => {
    expect(slotsOf(SEEDED)).toMatchObject({ A: ALL_SLOTS });
    expect(slotsOf(`${SEEDED}; A reserve b; A birth B 1`)).toEqual({ S: [], A: [0, 2, 4, 6, 8], B: [1, 3, 5, 7, 9] });
    // c is taken by the division; b, in slot 0, is kept.
    expect(slotsOf(`${ONE}; A reserve c; A birth C 1`)).toMatchObject({ A: [0, 2, 4, 6, 8], C: [1, 3, 5, 7, 9] });
    expect(slotsOf(`${ONE}; A reserve c; A birth B 1`)).toMatchObject({ A: [0, 1, 4, 6, 8], B: [2, 3, 5, 7, 9] });
    expect(slotsOf(`${SEEDED}; A reserve b; A birth B 0`)).toMatchObject({ A: ALL_SLOTS, B: [] });
  });

  test('a fence and a burial bring them back', () => {
    const back = { A: ALL_SLOTS };
    expect(slotsOf(`${DIVIDED}; A fence B 1`)).toMatchObject(back);
    expect(slotsOf(`${SEEDED}; A reserve b; A birth B 1; B born A; B wilt; B farewell; A bury B`)).toMatchObject(back);
  });

  test('an attempt takes the lowest that is free, and gives it back', () => {
    const births = (life: string) => fold(feeds(life), SEEDER).ledger?.births;
    expect(births(`${ONE}; A reserve c`)).toMatchObject({ b: { slot: 0 }, c: { slot: 1 } });
    expect(births(`${ONE}; A reserve c; A abandon b; A reserve d`)).toMatchObject({ c: { slot: 1 }, d: { slot: 0 } });
  });

  test('none is lost and none is doubled', () => {
    const some = fc.subarray([...ALL_SLOTS]);
    fc.assert(
      fc.property(some, some, fc.nat(3), fc.nat(3), (slots, filled, parent, child) => {
        const halves = shared(slots, filled, { parent, child });
        expect(joined(halves.parent, halves.child)).toEqual(slots);
        expect(halves.parent.length + halves.child.length).toBe(slots.length);
        expect(halves.child.filter((slot) => filled.includes(slot))).toEqual([]);
        if (child === 0) expect(halves.child).toEqual([]);
      }),
    );
  });

  test('an attempt counts against the budget', () => {
    const lineage = fold(feeds(`${ONE}; A reserve c; A abandon b`), SEEDER);
    expect(lineage.cells.A).toMatchObject({ budget: 3, attempts: ['c'] });
    expect(checkInvariants(lineage)).toEqual([]);
  });
});

describe('making', () => {
  test('as many as the genome says, one at a time, when nothing presses', () => {
    const decision = decided({ life: SEEDED, genome: keeping(2) });
    expect(decision.actions).toEqual([MAKE]);
    expect(why(decision)).toMatch(
      /cell: making a stem cell: 0 stem cells ready of the organism's 2, and nothing presses/,
    );
    expect(actions({ life: ONE, genome: keeping(2), sagas: [stem('b')] })).toEqual([MAKE]);
    const two = decided({ life: `${ONE}; A reserve c`, genome: keeping(2), sagas: [stem('b'), stem('c')] });
    expect(two.actions).toEqual([]);
    expect(why(two)).toMatch(/cell: 2 stem cells ready$/);
  });

  test('none where the genome asks for none, without a word', () => {
    const decision = decided({ life: SEEDED });
    expect(decision.actions).toEqual([]);
    expect(why(decision)).not.toMatch(/stem/);
  });

  test('one that is ready goes where the genome allows fewer now', () => {
    const lower = keeping(1, { body: { maxCells: 1, stemCells: 1 } });
    expect(actions({ life: ONE, genome: lower, sagas: [stem('b')] })).toMatchObject([{ kind: 'release', birth: 'b' }]);
    expect(actions({ life: ONE, genome: keeping(1), sagas: [stem('b')] })).toEqual([]);
  });

  test('only who has a slot', () => {
    const both = { life: DIVIDED, genome: keeping(1), memory: HEARD };
    expect(actions({ ...both, self: 'A' })).toEqual([MAKE]);
    expect(actions({ ...both, self: 'B' })).toEqual([]);
    expect(actions({ ...both, genome: keeping(2), self: 'B' })).toEqual([MAKE]);
  });

  const dear = keeping(1, { body: { maxCells: 5, stemCells: 1, maxMonthlyCost: '10 USD' } });
  const cases: [string, Sketch, RegExp][] = [
    ['under pressure', { life: SEEDED, levels: { web: 'two' } }, /web is under pressure/],
    ['throttled', { life: SEEDED, memory: web(null, 30, 5 * S) }, /web is throttled/],
    ['starting', { life: SEEDED, health: 'starting' }, /(web|db) is still starting/],
    [
      'after its budget was spent',
      {
        life: `${SEEDED}${['B', 'C', 'D', 'E'].map((id) => `; A reserve ${id.toLowerCase()}; A birth ${id} 0`).join('')}`,
        memory: HEARD,
      },
      /no budget is left/,
    ],
    [
      'where the genome allows no more',
      { life: SEEDED, genome: keeping(1, { body: { maxCells: 1, stemCells: 1 } }) },
      /the genome allows 1 cell in all/,
    ],
    [
      'after a failed birth',
      { life: SEEDED, memory: { breaker: { failures: 1, openUntil: NOW + S } } },
      /a birth failed/,
    ],
    ['at the cost cap', { life: SEEDED, genome: dear, monthlyCents: { near: 600 } }, /would pass the monthly cost cap/],
    ['ordered away', { life: `${SEEDED}; S order A` }, /ordered/],
    [
      'calm, with a parent to go to',
      { life: DIVIDED, self: 'B', genome: keeping(2), memory: { calmSince: NOW - S }, levels: { web: 'none' } },
      /may go/,
    ],
  ];
  test.each(cases)('not %s', (_, sketch, reason) => {
    const decision = decided({ genome: keeping(1), ...sketch });
    expect(decision.actions.filter(({ kind }) => kind === 'stem')).toEqual([]);
    expect(why(decision)).toMatch(reason);
  });

  test('not while anything else is done, nor frozen', () => {
    const sagas = [{ id: 'x', kind: 'divide', step: 'close', due: NOW + 30 * S }] as const;
    expect(actions({ life: SEEDED, genome: keeping(1), sagas })).toEqual([]);
    expect(actions({ life: `${SEEDED}; A freeze @${NOW}`, genome: keeping(1) })).toEqual([]);
  });

  test('one that is under way is gone on with before anything else', () => {
    const sagas = [{ id: 'b', kind: 'stem', step: 'body', due: 0 }] as const;
    expect(actions({ life: ONE, genome: keeping(2), sagas })).toEqual([
      { kind: 'resume', saga: 'b', why: 'stem at step body' },
    ]);
    expect(why(decided({ ...SPENT, life: ONE, sagas }))).toMatch(/making a stem cell is under way \(at body\)/);
  });
});

describe('a division', () => {
  const having = { ...SPENT, life: ONE, genome: keeping(1), sagas: [stem('b')] };

  test('takes the one that is ready, which is paid for', () => {
    const [action] = actions(having);
    expect(action).toMatchObject({ kind: 'divide', function: 'web', stem: 'b', cloud: 'near' });
    expect(decideNow(view(having), 'web', NOW).actions).toMatchObject([{ kind: 'divide', stem: 'b' }]);
  });

  test('gives the child as much of the budget as it would without', () => {
    const genes = { web: { divide: 'replicate' } };
    const plan = (sketch: Sketch) =>
      actions({ ...sketch, ...SPENT, ...sketch, memory: { ...web(61 * S, 75, 61 * S), ...DUE } })[0];
    const without = plan({ life: SEEDED, genome: genome(genes) });
    const stemmed = plan({ life: ONE, genome: genome(genes), sagas: [stem('b')] });
    expect(without).toMatchObject({ kind: 'divide', budget: 1 });
    expect(stemmed).toMatchObject({ kind: 'divide', budget: 1, stem: 'b' });
  });

  test('needs no other budget and no room under the cap', () => {
    const last = { ...having, life: `${SEEDED.replace('S birth A 4', 'S birth A 1')}; A reserve b` };
    expect(actions(last)).toMatchObject([{ kind: 'divide', stem: 'b', budget: 0 }]);
    const dear = keeping(1, { body: { maxCells: 5, stemCells: 1, maxMonthlyCost: '10 USD' } });
    expect(actions({ ...having, genome: dear, monthlyCents: { near: 600 } })).toMatchObject([{ kind: 'divide' }]);
  });

  test('prefers one of its own cloud, then the highest slot', () => {
    const clouds = { near: { provider: 'local' }, far: { provider: 'local', network: '127.78.0.0/16' } };
    const sketch = { ...having, life: `${ONE}; A reserve c; A reserve d`, genome: keeping(3, { clouds }) };
    expect(actions({ ...sketch, sagas: [stem('b'), stem('c'), stem('d', NOW, 'far')] })).toMatchObject([{ stem: 'c' }]);
    expect(
      actions({ ...having, life: ONE, genome: keeping(3, { clouds }), sagas: [stem('b', NOW, 'far')] }),
    ).toMatchObject([{ stem: 'b', cloud: 'far' }]);
    // A cloud that the genome has no more, and one whose attempt is over.
    expect(actions({ ...sketch, sagas: [stem('b', NOW, 'lost')] })).not.toMatchObject([{ stem: 'b' }]);
    expect(actions({ ...sketch, sagas: [stem('x')] })).toMatchObject([{ kind: 'resume', saga: 'x' }]);
  });
});

describe('keeping', () => {
  test('it is looked at when that is due, and not before', () => {
    const sketch = { life: ONE, genome: keeping(1) };
    expect(actions({ ...sketch, sagas: [stem('b', NOW + 1)] })).toEqual([]);
    expect(actions({ ...sketch, sagas: [stem('b', NOW)] })).toMatchObject([{ kind: 'resume', saga: 'b' }]);
  });

  test('one too many is released, and one in a cloud that is gone', () => {
    expect(actions({ life: ONE, genome: keeping(0), sagas: [stem('b')] })).toMatchObject([
      { kind: 'release', birth: 'b' },
    ]);
    const two = { life: `${ONE}; A reserve c`, sagas: [stem('b'), stem('c')] };
    expect(actions({ ...two, genome: keeping(1) })).toMatchObject([{ kind: 'release', birth: 'c' }]);
    expect(actions({ ...two, genome: keeping(2), sagas: [stem('b', NOW, 'lost'), stem('c')] })).toMatchObject([
      { kind: 'release', birth: 'b' },
    ]);
  });

  test('an attempt that nobody goes on with is reclaimed: a dead keeper left it', () => {
    expect(actions({ life: `${ONE}; A reserve c`, genome: keeping(2), sagas: [stem('b')] })).toMatchObject([
      { kind: 'reclaim', birth: 'c' },
    ]);
  });

  test('its keeper releases it before it goes', () => {
    const life = `${DIVIDED}; S order B; B reserve c`;
    const leaving = { life, self: 'B', genome: keeping(2) };
    expect(actions({ ...leaving, sagas: [stem('c')] })).toMatchObject([{ kind: 'release', birth: 'c' }]);
    expect(actions({ life: `${life}; B abandon c`, self: 'B', genome: keeping(2) })).toMatchObject([{ kind: 'wilt' }]);
  });
});

describe('baking', () => {
  const bakeable = [{ cloud: 'near', birth: 'a' }];
  const decide_ = (sketch: Sketch) => decide({ ...view(sketch), bakeable }, NOW, half).actions;
  const BAKE = { kind: 'bake', cloud: 'near', birth: 'a', why: expect.any(String) };

  test('is done when nothing presses, before a stem cell is made of it', () => {
    expect(decide_({ life: SEEDED })).toEqual([BAKE]);
    expect(decide_({ life: SEEDED, genome: keeping(1) })).toEqual([BAKE]);
    expect(decide_({ life: SEEDED, levels: { web: 'two' } })).toEqual([]);
    expect(decide_(SPENT)).toMatchObject([{ kind: 'divide' }]);
    const sagas = [{ id: 'x', kind: 'divide', step: 'close', due: NOW + 30 * S }] as const;
    expect(decide_({ life: SEEDED, sagas })).toEqual([]);
  });
});
