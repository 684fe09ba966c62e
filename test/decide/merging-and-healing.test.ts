import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide } from '../../src/decide/decide.ts';
import { actions, decided, half, SPENT, web, why } from './decisions.ts';
import { DIVIDED, genome, MIN, NOW, pulse, S, SEEDED, type Sketch, view } from './view.ts';

describe('merging back', () => {
  const CALM: Sketch = {
    life: DIVIDED,
    self: 'B',
    levels: { web: 'none' },
    pulses: { A: pulse('A', 1, { db: 'one' }) },
    memory: { calmSince: NOW - 15 * MIN, intent: { kind: 'wilt', function: null, due: NOW - 1 } },
  };
  test('a cell that was calm for long wilts', () => {
    expect(actions(CALM)).toEqual([{ kind: 'wilt', why: 'calm for 15 min, and A has room' }]);
  });
  test('after a random delay', () => {
    const decision = decided({ ...CALM, memory: { calmSince: NOW - 15 * MIN } });
    expect(decision.actions).toEqual([]);
    expect(decision.memory.intent).toEqual({ kind: 'wilt', function: null, due: NOW + 10 * S });
  });
  const no: readonly (readonly [string, Sketch, RegExp])[] = [
    [
      'not calm for long enough',
      { ...CALM, memory: { calmSince: NOW - 10 * MIN } },
      /calm for 10 min, waiting 5 min more/,
    ],
    ['work', { ...CALM, levels: { web: 'one' } }, /there is work here/],
    ['throttled', { ...CALM, memory: { ...CALM.memory, ...web(null, 50, 20 * S, 5 * S) } }, /there is work here/],
    [
      'the first cell',
      { ...CALM, self: 'A', life: SEEDED, levels: { web: 'none', db: 'none' } },
      /the first cell stays/,
    ],
    ['a child', { ...CALM, life: `${DIVIDED}; B reserve c; B birth C; C born B` }, /waiting for C to go first/],
    ['a saga', { ...CALM, sagas: [{ id: 'x', kind: 'absorb', step: 'enter', due: NOW + S }] }, /a saga is under way/],
    ['a parent never heard', { ...CALM, pulses: {} }, /never heard/],
    [
      'a silent parent',
      { ...CALM, memory: { ...CALM.memory, heard: { A: { seq: 1, at: NOW - 4 * MIN } } } },
      /not heard for 4 min/,
    ],
    ['a parent in breach', { ...CALM, pulses: { A: pulse('A', 1, { db: 'two' }) } }, /db on A is at two/],
    ['a throttled parent', { ...CALM, pulses: { A: pulse('A', 1, { db: 'one' }, 20) } }, /db on A is throttled/],
    ['a parent that goes itself', { ...CALM, life: `${DIVIDED}; A wilt` }, /its parent A is wilting/],
  ];
  test.each(no)('not: %s', (_, sketch, reason) => {
    const decision = decided(sketch);
    expect(decision.actions.filter((action) => action.kind === 'wilt')).toEqual([]);
    expect(why(decision)).toMatch(reason);
  });

  test('not: both together would not fit', () => {
    const tight = view(CALM);
    const load = { value: 9, low: 10, high: 100, level: 'none' } as const;
    const senses = { web: { health: 'healthy', readings: { load } } } as const;
    const parent = pulse('A', 1, { db: 'one' });
    const full = {
      ...parent,
      functions: { db: { ...parent.functions.db, pressure: { load: { ...load, value: 85 } } } },
    } as typeof parent;
    expect(why(decide({ ...tight, senses, pulses: { A: full } }, NOW, half))).toMatch(
      /load of web would not fit beside db/,
    );
  });

  test('a tick that could not sense keeps the time, and is no moment to go', () => {
    const decision = decided({ ...CALM, levels: { web: null }, memory: { calmSince: NOW - 5 * MIN } });
    expect(decision.memory.calmSince).toBe(NOW - 5 * MIN);
  });

  test('a cell where nothing is measured stays', () => {
    const decision = decided({ ...CALM, genome: genome({ web: { pressure: {} }, db: {} }) });
    expect(decision.actions).toEqual([]);
    expect(decision.memory.calmSince).toBeNull();
  });

  test('a function that was returned only to be given away again waits twice as long', () => {
    const times = (at: number) => `@${NOW - at * MIN}`;
    const again = `${SEEDED}
      A reserve b; A birth B 0; B born A; A give web B ${times(80)}; B wilt; B return web A ${times(60)}; B farewell; A bury B
      A reserve c; A birth C 0; C born A; A give web C ${times(50)}`;
    const sketch = { ...CALM, life: again, self: 'C' };
    expect(why(decided(sketch))).toMatch(/calm for 15 min, waiting 15 min more/);
    expect(actions({ ...sketch, memory: { ...CALM.memory, calmSince: NOW - 30 * MIN } })).toMatchObject([
      { kind: 'wilt' },
    ]);
  });

  test('ordered: at once, but children first', () => {
    const pulses = { A: pulse('A', 1, { db: 'one' }), B: pulse('B', 1) };
    const busy = { ...CALM, levels: { web: 'two' }, memory: {}, pulses } as const;
    expect(actions({ ...busy, life: `${DIVIDED}; S order B` })).toEqual([{ kind: 'wilt', why: 'ordered: because' }]);
    const decision = decided({ ...busy, self: 'A', life: `${DIVIDED}; S order A` });
    expect(decision.actions).toEqual([]);
    expect(why(decision)).toMatch(/ordered to \(because\): waiting for B to go first/);
    expect(actions({ ...busy, self: 'A', life: `${SEEDED}; S order A` })).toMatchObject([{ kind: 'wilt' }]);
  });

  test('a wilting child is taken in, the oldest first; a parted one is buried', () => {
    const two = `${DIVIDED}; A reserve c; A birth C; C born A; C wilt; B wilt`;
    expect(actions({ life: two })).toMatchObject([{ kind: 'absorb', child: 'B', why: 'B is wilting' }]);
    expect(actions({ life: `${DIVIDED}; B wilt; B return web A; B farewell` })).toEqual([
      { kind: 'absorb', child: 'B', why: 'B is done and can be buried' },
    ]);
    const sagas = [{ id: 'x', kind: 'absorb', step: 'enter', due: NOW + S }] as const;
    expect(actions({ life: two, sagas })).toEqual([]);
  });
});

describe('healing', () => {
  const TRIO = `${DIVIDED}; A reserve c; A birth C; C born A`;
  const heard = (ages: Record<string, number>) => ({
    heard: Object.fromEntries(Object.entries(ages).map(([id, age]) => [id, { seq: 1, at: NOW - age }])),
  });
  test('a silent child is suspected, then fenced', () => {
    const suspect = decided({ life: TRIO, memory: heard({ B: 4 * MIN, C: 0 }) });
    expect(suspect.actions).toEqual([]);
    expect(why(suspect)).toMatch(/suspecting: B silent for 4 min; taken for dead in 11 min/);
    expect(actions({ life: TRIO, memory: heard({ B: 15 * MIN, C: 0 }) })).toEqual([
      { kind: 'fence', child: 'B', why: 'B silent for 15 min' },
    ]);
  });
  test('also while a saga is open, which may be about that child', () => {
    const sagas = [{ id: 'x', kind: 'divide', step: 'close', due: 0 }] as const;
    expect(actions({ life: TRIO, memory: heard({ B: 15 * MIN, C: 0 }), sagas })).toMatchObject([{ kind: 'fence' }]);
  });
  test('a newer pulse ends the silence, whatever its clock says', () => {
    const late = { ...pulse('B', 2), at: NOW - 60 * MIN };
    expect(actions({ life: TRIO, memory: heard({ B: 15 * MIN, C: 0 }), pulses: { B: late } })).toEqual([]);
    const old = { ...pulse('B', 1), at: NOW };
    expect(actions({ life: TRIO, memory: heard({ B: 15 * MIN, C: 0 }), pulses: { B: old } })).toMatchObject([
      { kind: 'fence' },
    ]);
  });
  test('the only other cell, although nobody else can be heard', () => {
    expect(actions({ life: DIVIDED, memory: heard({ B: 15 * MIN }) })).toMatchObject([{ kind: 'fence', child: 'B' }]);
  });
  test('not when it hears nobody, or too many are silent at once', () => {
    const alone = decided({ life: TRIO, memory: heard({ B: 15 * MIN, C: 15 * MIN }) });
    expect(alone.actions).toEqual([]);
    expect(why(alone)).toMatch(/no other cell is heard either/);
    const four = `${TRIO}; A reserve d; A birth D; D born A`;
    const many = decided({ life: four, memory: heard({ B: 15 * MIN, C: 15 * MIN, D: 0 }) });
    expect(many.actions).toEqual([]);
    expect(why(many)).toMatch(/50% of all cells are silent at once \(at most 40%\)/);
  });
  test('only its own child', () => {
    expect(actions({ life: TRIO, self: 'B', memory: heard({ C: 15 * MIN, A: 0 }) })).toEqual([]);
  });
  test('one that has never pulsed counts from its birth', () => {
    const life = `${SEEDED}; A reserve b; A birth B 0 @${NOW - 16 * MIN}`;
    expect(actions({ life })).toMatchObject([{ kind: 'fence', child: 'B' }]);
    expect(actions({ life: life.replace(`@${NOW - 16 * MIN}`, `@${NOW - MIN}`) })).toEqual([]);
  });
});

describe('time', () => {
  test('a clock that went back leaves nothing in the future and no wait too long', () => {
    const ahead = 120 * MIN;
    const { memory } = decided({
      ...SPENT,
      memory: {
        at: NOW + ahead,
        restUntil: NOW + ahead,
        calmSince: NOW + ahead,
        breaker: { failures: 1, openUntil: NOW + ahead },
        intent: { kind: 'divide', function: 'web', due: NOW + ahead },
        functions: {
          web: { breachSince: NOW + ahead, throttle: 50, throttleSince: NOW + ahead, throttleAt: NOW + ahead },
        },
      },
    });
    expect(memory.restUntil).toBe(NOW + 3 * MIN);
    expect(memory.breaker.openUntil).toBe(NOW + 60 * MIN);
    expect(memory.functions.web).toMatchObject({ breachSince: NOW, throttleSince: NOW, throttleAt: NOW });
  });

  test('time that nobody watched does not count', () => {
    const slept = 8 * 60 * MIN;
    const memory = {
      ...SPENT.memory,
      ...web(slept + 5 * S),
      at: NOW - slept,
      heard: { B: { seq: 1, at: NOW - slept } },
    };
    const decision = decided({ life: DIVIDED.replace('A give web B; ', ''), levels: { web: 'two' }, memory });
    expect(decision.actions.filter((action) => action.kind === 'fence')).toEqual([]);
    expect(NOW - (decision.memory.functions.web?.breachSince ?? 0)).toBeLessThan(2 * MIN);
  });
});

test('every function and the cell itself always have a reason, and the same view gives the same decision', () => {
  const level = fc.constantFrom('none', 'one', 'two', 'many', null as never);
  const age = fc.option(fc.integer({ min: -MIN, max: 40 * MIN }));
  fc.assert(
    fc.property(
      level,
      level,
      age,
      fc.integer({ min: 0, max: 95 }),
      age,
      fc.boolean(),
      (one, two, breach, throttle, calm, saga) => {
        const sketch: Sketch = {
          life: DIVIDED.replace('A give web B; ', ''),
          levels: { web: one, db: two },
          memory: {
            ...web(breach, throttle, throttle === 0 ? null : breach),
            calmSince: calm === null ? null : NOW - calm,
          },
          sagas: saga ? [{ id: 'x', kind: 'divide', step: 'body', due: NOW + (breach ?? 0) }] : [],
          pulses: { B: pulse('B', 1) },
        };
        const decision = decided(sketch);
        const subjects = decision.reasons.map((reason) => reason.subject);
        expect(subjects).toEqual(expect.arrayContaining(['web', 'db']));
        for (const reason of decision.reasons) expect(reason.why).not.toMatch(/NaN|undefined|null|Infinity|-\d/);
        expect(decision.actions.filter((action) => !['throttle', 'relax'].includes(action.kind)).length).toBeLessThan(
          2,
        );
        expect(decided(sketch)).toEqual(decision);
        expect(JSON.parse(JSON.stringify(decision.memory))).toEqual(decision.memory);
      },
    ),
  );
});
