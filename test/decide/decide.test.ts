import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide, decideNow } from '../../src/decide/decide.ts';
import type { TickMemory } from '../../src/model.ts';
import { actions, DUE, decided, half, SPENT, web, why } from './decisions.ts';
import { DIVIDED, GENES, genome, MIN, NOW, S, SEEDED, type Sketch, view } from './view.ts';

describe('throttling', () => {
  const table: readonly (readonly [string, Sketch, number | 'relax' | null, RegExp])[] = [
    ['in balance', { life: SEEDED }, null, /web: in balance/],
    [
      'a breach that just began',
      { life: SEEDED, levels: { web: 'two' } },
      null,
      /not throttling: pressure two for 0 ms, waiting 10 s more/,
    ],
    [
      'a breach that lasted',
      { life: SEEDED, levels: { web: 'two' }, memory: web(10 * S) },
      50,
      /throttling to 50: pressure two for 10 s/,
    ],
    [
      'a great breach that lasted',
      { life: SEEDED, levels: { web: 'many' }, memory: web(10 * S) },
      75,
      /throttling to 75/,
    ],
    [
      'a cut that had no time to show',
      { life: SEEDED, levels: { web: 'two' }, memory: web(20 * S, 50, 9 * S) },
      null,
      /throttled 9 s ago, waiting 51 s more/,
    ],
    ['a cut that did not do', { life: SEEDED, levels: { web: 'two' }, memory: web(30 * S, 50, 10 * S) }, 75, /to 75/],
    ['a third cut', { life: SEEDED, levels: { web: 'many' }, memory: web(30 * S, 75, 30 * S, 10 * S) }, 94, /to 94/],
    ['relief', { life: SEEDED, memory: web(null, 50, 20 * S, 10 * S) }, 40, /relieving the throttle to 40/],
    ['relief after longer', { life: SEEDED, memory: web(null, 50, 30 * S, 30 * S) }, 20, /to 20/],
    ['too early for relief', { life: SEEDED, memory: web(null, 50, 20 * S, 2 * S) }, null, /stays at 50/],
    ['the last relief', { life: SEEDED, memory: web(null, 8, 40 * S, 10 * S) }, 'relax', /relaxing/],
    ['nothing sensed', { life: SEEDED, levels: { web: null }, memory: web(10 * S) }, null, /could not be sensed/],
  ];
  test.each(table)('%s', (_, sketch, level, reason) => {
    const decision = decided(sketch);
    expect(decision.actions).toEqual(
      level === null
        ? []
        : [
            level === 'relax'
              ? { kind: 'relax', function: 'web', why: expect.any(String) }
              : { kind: 'throttle', function: 'web', level, why: expect.any(String) },
          ],
    );
    expect(why(decision)).toMatch(reason);
    if (level !== null) expect(decision.memory.functions.web?.throttle).toBe(level === 'relax' ? 0 : level);
  });

  test('never stops a function', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('one', 'two', 'many', 'none' as const), { maxLength: 60 }), (levels) => {
        let memory: Partial<TickMemory> = {};
        let now = NOW;
        for (const level of levels) {
          const decision = decide(
            view({ life: SEEDED, levels: { web: level }, memory: { ...memory, at: now - 5 * S } }),
            now,
            half,
          );
          const throttle = decision.memory.functions.web?.throttle ?? 0;
          expect(throttle).toBeGreaterThanOrEqual(0);
          expect(throttle).toBeLessThanOrEqual(95);
          expect(throttle === 0).toBe(decision.memory.functions.web?.throttleSince === null);
          memory = decision.memory;
          now += 5 * S;
        }
      }),
    );
  });

  test('is bounded in time: where nothing can divide, it is relaxed when its time is over', () => {
    const decision = decided({ ...SPENT, genome: genome({ web: { divide: 'never' }, db: {} }) });
    expect(decision.actions).toMatchObject([{ kind: 'relax', function: 'web' }]);
    expect(why(decision)).toMatch(/web: relaxing the throttle: not dividing: its genome says divide: never/);
    expect(decision.memory.functions.web).toMatchObject({ throttle: 0, breachSince: NOW });
  });

  test('is kept for a division that is coming', () => {
    const decision = decided({ ...SPENT, memory: { ...SPENT.memory, restUntil: NOW + 30 * S } });
    expect(decision.actions).toEqual([]);
    expect(why(decision)).toMatch(/not dividing: resting after the last division, 30 s more/);
    expect(decision.memory.functions.web?.throttle).toBe(75);
  });
});

describe('dividing', () => {
  test('is not for a load that is gone: the throttle is given back', () => {
    const gone = { ...SPENT, levels: { web: 'none' }, memory: { ...web(null, 50, 61 * S, 10 * S), ...DUE } } as const;
    expect(actions(gone)).toMatchObject([{ kind: 'throttle', function: 'web' }]);
    expect(decided(gone).memory.functions.web?.throttle).toBeLessThan(50);
  });

  test('when throttling did not hold', () => {
    expect(actions(SPENT)).toEqual([
      {
        kind: 'divide',
        function: 'web',
        mode: 'delegate',
        along: [],
        cloud: 'near',
        budget: 0,
        why: expect.stringMatching(/although throttled for 61 s/),
      },
    ]);
  });

  const yes: readonly (readonly [string, Sketch])[] = [
    ['throttling has nothing left to give', { ...SPENT, memory: { ...web(40 * S, 94, 30 * S, 10 * S), ...DUE } }],
    [
      'it is inside its bounds only because it is throttled',
      { ...SPENT, levels: {}, memory: { ...web(null, 50, 61 * S, 5 * S), ...DUE } },
    ],
    [
      'it has no throttle hook, and the breach lasted',
      {
        ...SPENT,
        genome: genome({ web: { divide: 'delegate', throttle: undefined }, db: {} }),
        memory: { ...web(60 * S), ...DUE },
      },
    ],
  ];
  test.each(yes)('when %s', (_, sketch) => {
    expect(actions(sketch)).toMatchObject([{ kind: 'divide', function: 'web' }]);
  });

  const no: readonly (readonly [string, Sketch, RegExp])[] = [
    [
      'no budget',
      { ...SPENT, life: SEEDED.replace('genesis 5', 'genesis 1').replace('A 4', 'A 0') },
      /no budget is left/,
    ],
    [
      'a genome that allows no more, whatever budget there is',
      { ...SPENT, genome: genome(GENES, { body: { maxCells: 1 } }) },
      /the genome allows 1 cell in all/,
    ],
    [
      'attempts, which count',
      { ...SPENT, life: `${SEEDED}; A reserve b`, genome: genome(GENES, { body: { maxCells: 2 } }) },
      /the genome allows 2 cells in all/,
    ],
    ['the only function', { ...SPENT, life: SEEDED.replace('; S give db A', '') }, /only function here/],
    [
      'resting',
      { ...SPENT, memory: { ...SPENT.memory, restUntil: NOW + 1000 } },
      /resting after the last division, 1 s more/,
    ],
    [
      'the breaker',
      { ...SPENT, memory: { ...SPENT.memory, breaker: { failures: 3, openUntil: NOW + 40 * S } } },
      /the last 3 births failed, waiting 40 s more/,
    ],
    [
      'a saga',
      { ...SPENT, sagas: [{ id: 'x', kind: 'absorb', step: 'bury', due: NOW + 5 * S }] },
      /taking a child back in is under way \(at bury\)/,
    ],
    ['still starting', { ...SPENT, health: 'starting' }, /still starting/],
    ['an order to wilt', { ...SPENT, life: `${SEEDED}; S order A` }, /ordered to wilt/],
    ['the cost cap', { ...SPENT, monthlyCents: { near: 2600 } }, /would pass the monthly cost cap \(26.00 of 50.00\)/],
    ['an unknown price', { ...SPENT, monthlyCents: {} }, /not known/],
    [
      'the hold time not over without a hook',
      {
        ...SPENT,
        genome: genome({ web: { divide: 'delegate', throttle: undefined }, db: {} }),
        memory: { ...web(59 * S), ...DUE },
      },
      /waiting 1 s more/,
    ],
  ];
  test.each(no)('not: %s', (_, sketch, reason) => {
    const decision = decided(sketch);
    expect(decision.actions.filter((action) => action.kind === 'divide')).toEqual([]);
    expect(why(decision)).toMatch(reason);
  });

  test('after a random delay, drawn once', () => {
    const first = decided({ ...SPENT, memory: web(61 * S, 75, 61 * S) });
    expect(first.actions).toEqual([]);
    expect(first.memory.intent).toEqual({ kind: 'divide', function: 'web', due: NOW + 10 * S });
    expect(why(first)).toMatch(/dividing in 10 s/);
    const then = decide({ ...view(SPENT), memory: first.memory }, NOW + 9 * S, () => 0.9);
    expect(then.memory.intent?.due).toBe(NOW + 10 * S);
    const due = decide({ ...view(SPENT), memory: first.memory }, NOW + 10 * S, () => 0.9);
    expect(due.actions).toMatchObject([{ kind: 'divide' }]);
    expect(due.memory).toMatchObject({ intent: null, restUntil: NOW + 10 * S + 3 * MIN });
  });

  test('the delay is forgotten when the pressure goes', () => {
    expect(decided({ ...SPENT, levels: {}, memory: { ...web(null), ...DUE } }).memory.intent).toBeNull();
  });

  test('the rest counts from the end of a division', () => {
    const saga = { id: 'x', kind: 'divide', step: 'close', due: NOW } as const;
    expect(decided({ life: SEEDED, sagas: [saga] }).memory.restUntil).toBe(NOW + 3 * MIN);
  });

  test('the worst first, one at a time', () => {
    const functions = {
      web: web(61 * S, 75, 61 * S).functions?.web,
      db: web(61 * S, 75, 61 * S).functions?.web,
    } as TickMemory['functions'];
    const both = genome({ web: { divide: 'replicate' }, db: { divide: 'replicate' } });
    const decision = decided({ life: SEEDED, genome: both, levels: { web: 'two', db: 'many' }, memory: { functions } });
    expect(decision.memory.intent?.function).toBe('db');
    expect(why(decision)).toMatch(/web: not dividing: one at a time/);
  });

  test('a replica takes along what it needs of its own, and budget it can use', () => {
    const genes = genome({
      web: { divide: 'replicate', needs: { db: 'own', mail: 'shared' } },
      db: { needs: { disk: 'own' } },
      mail: {},
      disk: {},
    });
    const life = SEEDED.replace('web,db', 'web,db,mail,disk').replace(
      'S weaned A',
      'S give disk A; S give mail A; S weaned A',
    );
    expect(actions({ ...SPENT, life, genome: genes })).toMatchObject([
      { kind: 'divide', mode: 'replicate', along: ['db', 'disk'], budget: 1 },
    ]);
  });

  test('into the own cloud where others are no cheaper, and where the cost cap leaves room', () => {
    const clouds = { near: { provider: 'local' }, far: { provider: 'local' } };
    const two = genome(GENES, { clouds });
    expect(actions({ ...SPENT, genome: two, monthlyCents: { near: 100, far: 100 } })).toMatchObject([
      { cloud: 'near' },
    ]);
    expect(actions({ ...SPENT, genome: two, monthlyCents: { near: 2600, far: 50 } })).toMatchObject([{ cloud: 'far' }]);
  });

  test('by hand: every check but pressure, timers and the delay', () => {
    const calm: Sketch = { life: SEEDED, memory: { restUntil: NOW + MIN } };
    expect(decideNow(view(calm), 'web', NOW).actions).toMatchObject([
      { kind: 'divide', function: 'web', why: 'asked for by hand' },
    ]);
    expect(decideNow(view(calm), 'web', NOW).memory.restUntil).toBe(NOW + 3 * MIN);
    for (const [sketch, reason] of [
      [{ life: `${SEEDED}; S freeze` }, /frozen \(because\)/],
      [{ life: SEEDED, genome: genome({ web: { divide: 'never' }, db: {} }) }, /never/],
      [{ life: SEEDED, memory: { breaker: { failures: 1, openUntil: NOW + S } } }, /the last birth failed/],
      [{ life: DIVIDED }, /not performed here/],
    ] as const) {
      const decision = decideNow(view(sketch), 'web', NOW);
      expect(decision.actions).toEqual([]);
      expect(why(decision)).toMatch(reason);
    }
  });
});

describe('frozen', () => {
  test('nothing is done, and it says who, when and why', () => {
    const sagas = [{ id: 'x', kind: 'divide', step: 'body', due: 0 }] as const;
    const decision = decided({ ...SPENT, life: `${DIVIDED}; B freeze @${NOW - 40 * S}`, sagas });
    expect(decision.actions).toEqual([]);
    expect(why(decision)).toBe('cell: nothing is decided: frozen by B 40 s ago (because)');
  });

  test('what was going on counts anew after the thaw', () => {
    const { memory } = decided({ ...SPENT, life: `${SEEDED}; S freeze` });
    expect(memory).toMatchObject({
      calmSince: null,
      intent: null,
      functions: { web: { breachSince: null, throttle: 75 } },
    });
  });
});

describe('sagas', () => {
  test('one that is due goes on, and nothing else is begun', () => {
    const sagas = [
      { id: 'late', kind: 'divide', step: 'close', due: NOW + 30 * S },
      { id: 'due', kind: 'divide', step: 'body', due: NOW },
    ] as const;
    expect(actions({ ...SPENT, sagas })).toEqual([{ kind: 'resume', saga: 'due', why: 'divide at step body' }]);
  });
  test('one that waits is waited for', () => {
    const decision = decided({ life: SEEDED, sagas: [{ id: 'x', kind: 'divide', step: 'close', due: NOW + 30 * S }] });
    expect(decision.actions).toEqual([]);
    expect(why(decision)).toMatch(/divide at step close goes on in 30 s/);
  });
  test('a clock that went back does not put it off for ever', () => {
    expect(
      actions({ life: SEEDED, sagas: [{ id: 'x', kind: 'divide', step: 'close', due: NOW + 60 * MIN }] }),
    ).toMatchObject([{ kind: 'resume' }]);
  });
  test('throttling goes beside it', () => {
    const sagas = [{ id: 'x', kind: 'absorb', step: 'bury', due: 0 }] as const;
    const found = actions({ life: SEEDED, levels: { web: 'two' }, memory: web(10 * S), sagas });
    expect(found.map((action) => action.kind)).toEqual(['throttle', 'resume']);
  });
  test('an attempt without a saga is cleared up', () => {
    expect(actions({ life: `${SEEDED}; A reserve b` })).toMatchObject([{ kind: 'reclaim', birth: 'b' }]);
    const sagas = [{ id: 'b', kind: 'divide', step: 'body', due: NOW + S }] as const;
    expect(actions({ life: `${SEEDED}; A reserve b`, sagas })).toEqual([]);
  });
});
