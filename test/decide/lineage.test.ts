import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { extend, type Feeds, fold } from '../../src/decide/lineage.ts';
import type { Entry, Lineage } from '../../src/model.ts';
import { seeded } from '../sim/random.ts';
import { scenario } from '../sim/scenario.ts';
import { simulate } from '../sim/simulate.ts';
import { SEEDER as SIM_SEEDER } from '../sim/world.ts';
import { deed, entry, feeds, SEEDER } from './feeds.ts';
import { checkInvariants } from './invariants.ts';

/** A seeded organism: A is the first cell with web and db and a budget of 4. */
const SEEDED = `
  S genesis 5 web,db
  S reserve a; S birth A 4; S give web A; S give db A; S entrust a.body A; S weaned A
  A born S`;
/** And B, which performs web. */
const DIVIDED = `${SEEDED}
  A reserve b; A birth B 1; B born A; A give web B; A weaned B`;

const of = (text: string): Lineage => fold(feeds(text), SEEDER);
const sound = (lineage: Lineage): Lineage => {
  expect(checkInvariants(lineage)).toEqual([]);
  return lineage;
};

describe('a life', () => {
  test('before the genesis there is nothing', () => {
    expect(fold({}, SEEDER)).toMatchObject({ organism: '', maxCells: 0, cells: {}, homes: {} });
  });

  test('seeded: everything is on the first cell', () => {
    const lineage = sound(of(SEEDED));
    expect(lineage.seeder.budget).toBe(0);
    expect(lineage.cells.A).toMatchObject({ state: 'living', budget: 4, functions: ['db', 'web'], weaned: true });
    expect(lineage.homes).toEqual({ db: ['A'], web: ['A'] });
    expect(lineage.owners).toEqual({ 'a.body': 'A' });
  });

  test('an attempt costs one until it is abandoned', () => {
    expect(sound(of(`${SEEDED}; A reserve b`)).cells.A).toMatchObject({ budget: 3, attempts: ['b'] });
    const back = sound(of(`${SEEDED}; A reserve b; A abandon b`));
    expect(back.cells.A).toMatchObject({ budget: 4, attempts: [] });
    expect(back.owners).toEqual({ 'a.body': 'A' });
  });

  test('divided: budget and function have moved', () => {
    const lineage = sound(of(DIVIDED));
    expect(lineage.cells.A).toMatchObject({ budget: 2, functions: ['db'] });
    expect(lineage.cells.B).toMatchObject({ parent: 'A', state: 'living', budget: 1, functions: ['web'] });
    expect(lineage.owners['b.body']).toBe('A');
  });

  test('a function that a genome has new begins, moves and ends', () => {
    const begun = `${DIVIDED}; A begin mail; A give mail B`;
    expect(sound(of(begun)).homes.mail).toEqual(['B']);
    const ended = of(`${begun}; B end mail`);
    expect([ended.homes.mail, ended.cells.B?.functions]).toEqual([[], ['web']]);
    expect(sound(of(`${begun}; B end mail; A begin mail`)).homes.mail).toEqual(['A']);
    // Until somebody begins it, nobody can give it: that may come in a feed that is read later.
    expect(of(`${DIVIDED}; A give mail B`)).toMatchObject({ waiting: { A: 1 }, quarantined: {} });
  });

  test('what cells say of genomes is kept, the newest of each', () => {
    const many = Array.from({ length: 20 }, (_, index) => `A vote p${index} no`).join(';');
    const lineage = sound(of(`${DIVIDED}; B vote p; B took p; ${many}`));
    expect(lineage.said?.B?.map(({ kind, proposal, yes, genome }) => [kind, proposal, yes, genome])).toEqual([
      ['vote', 'p', true, null],
      ['took', 'p', true, 'gp'],
    ]);
    expect(lineage.said?.A?.map(({ proposal }) => proposal).at(-1)).toBe('p19');
    expect(lineage.said?.A).toHaveLength(12);
    expect(of(`${SEEDED}; S vote p`).quarantined).toEqual({ S: { seq: 7, why: 'only cells say that' } });
  });

  test('replicated: two homes', () => {
    const lineage = sound(of(`${SEEDED}; A reserve b; A birth B; B born A; A replicate web B`));
    expect(lineage.homes.web).toEqual(['A', 'B']);
    expect(sound(of(`${SEEDED}; A reserve b; A birth B; B born A; A replicate web B; B drop web`)).homes.web).toEqual([
      'A',
    ]);
  });

  test('merged back: state by state', () => {
    const wilting = `${DIVIDED}; B wilt`;
    expect(of(wilting).cells.B?.state).toBe('wilting');
    const parted = `${wilting}; B return web A; B farewell`;
    expect(sound(of(parted)).cells.B).toMatchObject({ state: 'parted', functions: [] });
    const gone = sound(of(`${parted}; A bury B`));
    expect(gone.cells.B).toMatchObject({ state: 'gone', budget: 0 });
    expect(gone.cells.A).toMatchObject({ budget: 4, functions: ['db', 'web'] });
    expect(gone.owners).toEqual({ 'a.body': 'A' });
  });

  test('a home that is its last does not drop', () => {
    const lineage = sound(of(`${DIVIDED}; B drop web`));
    expect(lineage.homes.web).toEqual(['B']);
    expect(lineage.quarantined).toEqual({});
  });

  test('orders come from the seeder, freezing from anybody; the newest counts', () => {
    expect(of(`${DIVIDED}; S order B`).orders).toEqual({ B: { wilt: true, why: 'because', at: expect.any(Number) } });
    expect(of(`${DIVIDED}; B freeze @50`).frozen).toEqual({ by: 'B', at: 50, why: 'because' });
    expect(of(`${DIVIDED}; B freeze @50; A thaw @51`).frozen).toBeNull();
    expect(of(`${DIVIDED}; B freeze @50; A thaw @49`).frozen).not.toBeNull();
    expect(of(`${DIVIDED}; B freeze @50; A thaw @50`).frozen).not.toBeNull();
    expect(of(`${DIVIDED}; A freeze @50; B thaw @50`).frozen).toBeNull();
  });
});

describe('fencing', () => {
  const GRANDCHILD = `${DIVIDED}; B reserve c; B birth C; C born B`;

  test('budget and functions come back, and the dead cell is gone', () => {
    const lineage = sound(of(`${DIVIDED}; A fence B 1`));
    expect(lineage.cells.B).toMatchObject({ state: 'gone', budget: 0, functions: [] });
    expect(lineage.cells.A).toMatchObject({ budget: 4, functions: ['db', 'web'] });
  });

  test('a replica on it just goes', () => {
    const lineage = sound(of(`${SEEDED}; A reserve b; A birth B; B born A; A replicate web B; A fence B 1`));
    expect(lineage.homes.web).toEqual(['A']);
  });

  test("its open attempts, children and stacks are its heir's", () => {
    const lineage = sound(of(`${GRANDCHILD}; B give web C; A fence B 4`));
    expect(lineage.cells.C).toMatchObject({ parent: 'A', state: 'living', functions: ['web'] });
    expect(lineage.owners['c.body']).toBe('A');
    const open = sound(of(`${DIVIDED}; B reserve c; A fence B 2`));
    expect(open.cells.A).toMatchObject({ budget: 3, attempts: ['c'] });
    expect(sound(of(`${DIVIDED}; B reserve c; A fence B 2; A abandon c`)).cells.A?.budget).toBe(4);
  });

  test('an orphan returns to its grandparent, whichever parent it names', () => {
    for (const to of ['A', 'B']) {
      const lineage = sound(
        of(`${GRANDCHILD}; B give web C; A fence B 4; C wilt; C return web ${to}; C farewell; A bury C`),
      );
      expect(lineage.cells.A).toMatchObject({ budget: 4, functions: ['db', 'web'] });
    }
  });

  test('what the dead cell said that its fencer had not seen is refused', () => {
    const lineage = sound(of(`${GRANDCHILD}; B give web C; A fence B 1`));
    expect(lineage.cells.C).toBeUndefined();
    expect(lineage.homes.web).toEqual(['A']);
    expect(lineage.quarantined.B).toMatchObject({ seq: 1 });
    expect(lineage.waiting).toEqual({ C: 1 });
    expect(lineage.cells.A?.budget).toBe(4);
  });

  test('waits for the entries that its fencer had seen', () => {
    const all = feeds(`${DIVIDED}; B reserve c; A fence B 2`);
    const early = fold({ ...all, B: (all.B ?? []).slice(0, 1) }, SEEDER);
    expect(early.cells.B?.state).toBe('living');
    expect(early.waiting).toEqual({ A: 1 });
    expect(early.ledger?.waitsFor).toEqual({ A: 'entry 2 of B' });
  });

  test('a feed that is stuck does not hold up its fencer', () => {
    const lineage = sound(of(`${DIVIDED}; B give db A; A fence B 2`));
    expect(lineage.cells.B?.state).toBe('gone');
    expect(lineage.quarantined.B).toMatchObject({ seq: 1 });
  });
});

describe('what can never be right ends a feed, and no other', () => {
  const table: readonly (readonly [string, string, string, RegExp])[] = [
    ['no genesis first', 'S reserve a', 'S', /first entry is not a genesis/],
    ['a second genesis', 'S genesis 3 web; S genesis 9 web', 'S', /said once/],
    ['more attempts than budget', 'S genesis 1 web; S reserve a; S reserve b', 'S', /no budget/],
    ['one birth reserved twice', `${SEEDED}; A reserve b; A reserve b`, 'A', /reserved before/],
    [
      'an attempt that was abandoned, again',
      `${SEEDED}; A reserve b; A abandon b; A reserve b`,
      'A',
      /reserved before/,
    ],
    ['abandoning what is not open', `${SEEDED}; A abandon b`, 'A', /no open attempt/],
    ['abandoning what was born', `${DIVIDED}; A abandon b`, 'A', /no open attempt/],
    ['a birth without an attempt', `${SEEDED}; A birth B`, 'A', /no open attempt/],
    ['two children in one birth', `${DIVIDED}; A birth B`, 'A', /no open attempt/],
    ["a birth in another cell's attempt", `${DIVIDED}; B reserve c; A birth C`, 'A', /no open attempt/],
    ['giving more budget than there is', `${SEEDED}; A reserve b; A birth B 4`, 'A', /gives 4 of a budget of 3/],
    ['giving a negative budget', `${SEEDED}; A reserve b; A birth B -1`, 'A', /not a whole number/],
    ['giving half a cell', `${SEEDED}; A reserve b; A birth B 0.5`, 'A', /not a whole number/],
    ['giving to itself', `${SEEDED}; A give web A`, 'A', /gives to itself/],
    ['giving to the seeder', `${SEEDED}; A give web S`, 'A', /seeder performs no functions/],
    ["being another's child", `${DIVIDED.replace('B born A', 'B born S')}`, 'B', /its parent says otherwise/],
    [
      'beginning with anything but its birth',
      DIVIDED.replace('B born A', 'B wilt'),
      'B',
      /first entry is not its birth/,
    ],
    ["weaning another's child", `${DIVIDED}; B weaned A`, 'B', /not its child/],
    ["burying another's child", `${DIVIDED}; B bury A`, 'B', /not its child/],
    ["fencing another's child", `${DIVIDED}; B fence A 1`, 'B', /not its child/],
    ['fencing twice', `${DIVIDED}; A fence B 1; A fence B 1`, 'A', /before/],
    ['an order from a cell', `${DIVIDED}; A order B`, 'A', /only the seeder/],
    ['a farewell with functions', `${DIVIDED}; B wilt; B farewell`, 'B', /farewell with web/],
    ['a farewell with children', `${DIVIDED}; A return db S; A farewell`, 'A', /living children/],
    ['a farewell with an attempt', `${DIVIDED}; B return web A; B reserve c; B farewell`, 'B', /open attempt/],
    ['a word after farewell', `${DIVIDED}; B return web A; B farewell; B freeze`, 'B', /said farewell/],
    ['growing while it wilts', `${DIVIDED}; B wilt; B reserve c`, 'B', /wilting/],
    ['a seeder that wilts', `${SEEDED}; S wilt`, 'S', /does not wilt/],
    ["a stack that is another's", `${DIVIDED}; B reserve a`, 'B', /reserved before/],
  ];
  test.each(table)('%s', (_, text, cell, why) => {
    // Everybody else goes on: the others' feeds are read as far as without it.
    const lineage = of(text);
    expect(lineage.quarantined[cell]?.why).toMatch(why);
    expect(Object.keys(lineage.quarantined)).toEqual([cell]);
    if (lineage.organism !== '') sound(lineage);
    const length = feeds(text)[cell]?.length ?? 0;
    expect(lineage.folded[cell] ?? 0).toBe(length - 1);
    expect(lineage.quarantined[cell]?.seq).toBe(length - 1);
  });

  test('a deed of a later version', () => {
    const all = feeds(DIVIDED);
    all.B?.push(entry('B', 1, 99, { kind: 'sing' } as never));
    expect(fold(all, SEEDER).quarantined.B?.why).toMatch(/"sing"/);
  });

  test('an entry of another organism', () => {
    const all = feeds(DIVIDED);
    all.B?.push({ ...entry('B', 1, 99, deed('B', 'wilt')), organism: 'other' });
    expect(fold(all, SEEDER).quarantined.B?.why).toMatch(/another organism/);
  });
});

describe('what may yet be right waits', () => {
  const table: readonly (readonly [string, string, Record<string, string>])[] = [
    ['a cell whose birth is not known', `${SEEDED}; C born A`, { C: 'the birth of C' }],
    ['a function that is not known to have come', `${DIVIDED}; B give db A`, { B: 'db to come to B' }],
    ['a burial before the farewell', `${DIVIDED}; A bury B`, { A: 'the farewell of B' }],
    [
      'a stack that is not known to be entrusted',
      `${DIVIDED}; B entrust a.body A`,
      { B: 'the stack a.body to be its own' },
    ],
    ['anything before the genesis', 'A born S', { A: 'the genesis' }],
  ];
  test.each(table)('%s', (_, text, waits) => {
    const lineage = of(text);
    expect(lineage.quarantined).toEqual({});
    expect(lineage.ledger?.waitsFor).toEqual(waits);
    expect(lineage.waiting).toEqual(Object.fromEntries(Object.keys(waits).map((id) => [id, 1])));
  });
});

/** But for whether it was noticed on the way that feeds contradict each other, which only costs time. */
function alike({ ledger, ...lineage }: Lineage): object {
  return { ...lineage, ledger: { ...ledger, contested: null, merges: null } };
}

/** Feeds arrive in pieces of random length, in random order. */
function piecewise(all: Feeds, choose: () => number): { readonly lineage: Lineage; readonly refolds: number } {
  const known: Record<string, number> = {};
  let lineage = fold({}, all[SIM_SEEDER] === undefined ? SEEDER : SIM_SEEDER);
  const seeder = lineage.seeder.id;
  let refolds = 0;
  for (;;) {
    const behind = Object.keys(all).filter((id) => (known[id] ?? 0) < (all[id]?.length ?? 0));
    if (behind.length === 0) return { lineage, refolds };
    const id = behind[Math.floor(choose() * behind.length)] as string;
    const from = known[id] ?? 0;
    const to = Math.min(all[id]?.length ?? 0, from + 1 + Math.floor(choose() * 4));
    known[id] = to;
    // One entry too many, as a session that is repeated would bring.
    const extended = extend(lineage, { [id]: (all[id] ?? []).slice(Math.max(0, from - 1), to) });
    if (extended === null) refolds += 1;
    lineage =
      extended ??
      fold(Object.fromEntries(Object.entries(all).map(([one, feed]) => [one, feed.slice(0, known[one] ?? 0)])), seeder);
    expect(checkInvariants(lineage)).toEqual([]);
  }
}

describe('the same feeds give the same lineage, however they arrive', () => {
  test('whole organisms', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 400 }),
        fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
        (seed, numbers) => {
          const all = simulate(scenario(seed)).feeds;
          const { lineage } = piecewise(all, () => numbers.next().value ?? 0);
          expect(lineage).toEqual(fold(all, SIM_SEEDER));
        },
      ),
      { numRuns: 15 },
    );
  });

  test('liars: whatever is said by whom, the sums hold', { timeout: 60_000 }, () => {
    const id = fc.constantFrom('A', 'B', 'C', 'D', 'S');
    const birth = fc.constantFrom('a', 'b', 'c', 'd');
    const name = fc.constantFrom('web', 'db');
    const number = fc.integer({ min: 0, max: 3 }).map(String);
    const said = fc.oneof(
      fc.tuple(fc.constant('reserve'), birth),
      fc.tuple(fc.constant('abandon'), birth),
      fc.tuple(fc.constantFrom('birth', 'fence'), id, number),
      fc.tuple(fc.constantFrom('give', 'replicate', 'return'), name, id),
      fc.tuple(fc.constant('drop'), name),
      fc.tuple(
        fc.constant('entrust'),
        birth.map((one) => `${one}.body`),
        id,
      ),
      fc.tuple(fc.constantFrom('weaned', 'bury', 'order'), id),
      fc.tuple(
        fc.constant('endow'),
        id,
        number.map((one) => `${Number(one) + 1}`),
      ),
      fc.tuple(
        fc.constant('endowed'),
        number.map((one) => `${Number(one) + 1}`),
      ),
      fc.tuple(
        fc.constant('grant'),
        number.map((one) => `${Number(one) + 4}`),
        number.map((one) => `${Number(one) + 5}`),
      ),
      fc.tuple(fc.constantFrom('wilt', 'farewell', 'freeze', 'thaw', 'lack')),
    );
    const feed = (author: string) =>
      fc
        .array(said, { maxLength: 8 })
        .map((list) => list.map((words) => deed(author, ...(words as [string, string?, string?]))));
    // Honest beginnings, so that lies have something to stand on.
    const honest = feeds(
      `${DIVIDED}; B reserve c; B birth C; C born B; A reserve d; A birth D; D born A; A replicate db D`,
    );
    const lies = fc.record({ S: feed('S'), A: feed('A'), B: feed('B'), C: feed('C'), D: feed('D') });
    fc.assert(
      fc.property(lies, fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })), (spoken, numbers) => {
        const all: Record<string, Entry[]> = {};
        for (const [author, begun] of Object.entries(honest)) {
          const more = (spoken as Record<string, readonly ReturnType<typeof deed>[]>)[author] ?? [];
          all[author] = [
            ...begun,
            ...more.map((what, index) => entry(author, begun.length + index, 100 + index, what)),
          ];
        }
        const whole = fold(all, SEEDER);
        expect(checkInvariants(whole)).toEqual([]);
        expect(fold(Object.fromEntries(Object.entries(all).reverse()), SEEDER)).toEqual(whole);
        expect(alike(piecewise(all, () => numbers.next().value ?? 0).lineage)).toEqual(alike(whole));
      }),
      { numRuns: Number(process.env.LIES ?? 400) },
    );
  });

  test('an honest organism without deaths is never read twice', () => {
    const all = feeds(`${DIVIDED}; B wilt; B return web A; B farewell; A bury B`);
    expect(piecewise(all, seeded(7)).refolds).toBe(0);
  });

  test('a gap in a feed is a mistake of the caller', () => {
    const all = feeds(SEEDED);
    const lineage = fold(all, SEEDER);
    expect(() => extend(lineage, { A: [entry('A', 5, 1, deed('A', 'wilt'))] })).toThrow(/from entry 0 to 5/);
    expect(extend(lineage, { A: all.A ?? [] })).toBe(lineage);
  });

  test('it is plain JSON: kept and gone on with', () => {
    const all = feeds(DIVIDED);
    const kept = JSON.parse(JSON.stringify(fold(all, SEEDER))) as Lineage;
    expect(extend(kept, { B: [entry('B', 1, 99, deed('B', 'wilt'))] })?.cells.B?.state).toBe('wilting');
  });
});

test('the invariants see what is wrong', () => {
  const lineage = of(DIVIDED);
  const broken: readonly (readonly [Partial<Lineage>, RegExp])[] = [
    [{ maxCells: 6 }, /is not 6/],
    [{ homes: { ...lineage.homes, web: [] } }, /web has no home/],
    [{ homes: { ...lineage.homes, web: ['A', 'B'] } }, /never replicated and has 2 homes/],
    [{ homes: { ...lineage.homes, web: ['X'] } }, /lives on X/],
    [{ seeder: { ...lineage.seeder, budget: -1 }, maxCells: 4 }, /seeder has a budget of -1/],
  ];
  for (const [change, what] of broken) {
    expect(checkInvariants({ ...lineage, ...change }).join('; ')).toMatch(what);
  }
});
