import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as d from '../../src/decide/renewal.ts';
import { generateHostKey, isPublicKey } from '../../src/effects/keys.ts';
import type { Cell, CellId, Lineage, Proposed, Pulse, Said } from '../../src/model.ts';
import { birthOf } from './feeds.ts';

const NAMES = ['A', 'B', 'C', 'D', 'E', 'F', 'G'] as const;
const RULES = ['majority', 'unanimous', 'authority'] as const;

function cell(id: CellId, state: Cell['state'] = 'living'): Cell {
  const rest = { bornAt: 0, budget: 0, functions: [], attempts: [], weaned: true, why: '' };
  return { ...birthOf(id), parent: 'S', state, ...rest };
}

function proposed(id: string, parent: string | null = null, at = 0): Proposed {
  const signed = { v: 1, organism: 'o', at, why: '', raises: [], author: 'key', sig: '' } as const;
  return { ...signed, id, parent, genome: `g${id}`, commit: `c${id}` };
}

const vote = (proposal: string, yes = true): Said => ({ kind: 'vote', proposal, yes, genome: null, why: 'so', at: 0 });
const took = (proposal: string | null, yes = true): Said => {
  return { kind: 'took', proposal, yes, genome: `g${proposal}`, why: 'so', at: 0 };
};

type View = d.Ballots & { readonly lineage: Pick<Lineage, 'cells' | 'said'> };
function view(proposals: readonly Proposed[], said: Readonly<Record<CellId, readonly Said[]>>): View {
  return { proposals, lineage: { cells: Object.fromEntries(Object.keys(said).map((id) => [id, cell(id)])), said } };
}

describe('the rule', () => {
  const P = proposed('p', null, 1);
  const Q = proposed('q', null, 2);
  const accepted = (rule: (typeof RULES)[number], said: Record<CellId, readonly Said[]>) =>
    d.verdict(view([P, Q], said), null, rule).accepted?.id ?? null;

  test.each([
    ['one of one', { A: [vote('p')] }, 'p'],
    ['two of three', { A: [vote('p')], B: [vote('p')], C: [] }, 'p'],
    ['one of two is not most', { A: [vote('p')], B: [] }, null],
    ['a no is no yes', { A: [vote('p')], B: [vote('p', false)] }, null],
    ['a no that became a yes', { A: [vote('p')], B: [vote('p', false), vote('p')] }, 'p'],
    ['the first yes stands', { A: [vote('p'), vote('q')], B: [vote('q')], C: [vote('q'), vote('p')] }, 'q'],
    ['all gave theirs and none has most: the newest', { A: [vote('p')], B: [vote('q')] }, 'q'],
    ['one that was refused is passed by another', { A: [vote('p')], B: [vote('p', false), vote('q')] }, 'q'],
    ['who runs it said yes', { A: [took('p')], B: [vote('p')], C: [] }, 'p'],
    ['what did not hold is out', { A: [vote('p'), took('p', false)], B: [vote('p')], C: [] }, null],
    ['and its votes are free', { A: [vote('p'), took('p', false), vote('q')], B: [vote('p'), vote('q')], C: [] }, 'q'],
  ] as const)('majority: %s', (_, said, expected) => {
    expect(accepted('majority', said)).toBe(expected);
  });

  test('unanimous wants all, an authority alone the newest of what was signed', () => {
    expect(accepted('unanimous', { A: [vote('p')], B: [vote('p')], C: [] })).toBeNull();
    expect(accepted('unanimous', { A: [vote('p')], B: [vote('p')] })).toBe('p');
    expect(accepted('authority', { A: [], B: [] })).toBe('q');
    expect(accepted('authority', { A: [took('q', false)], B: [] })).toBe('p');
  });

  test('who goes, or is gone, has no say', () => {
    const said = { A: [vote('p')], B: [], C: [] };
    const { lineage, proposals } = view([P], said);
    const cells = { ...lineage.cells, B: cell('B', 'wilting'), C: cell('C', 'gone') };
    expect(d.verdict({ proposals, lineage: { ...lineage, cells } }, null, 'majority').accepted?.id).toBe('p');
  });
});

/** Everything that cells said, and how much of it each of two others has heard. */
const history = fc.record({
  cells: fc.integer({ min: 1, max: NAMES.length }),
  votes: fc.array(
    fc.record({
      by: fc.nat(NAMES.length - 1),
      of: fc.constantFrom('p', 'q', 'r'),
      yes: fc.boolean(),
      took: fc.boolean(),
    }),
    { maxLength: 40 },
  ),
  heard: fc.array(fc.nat(40), { minLength: NAMES.length, maxLength: NAMES.length }),
  rule: fc.constantFrom(...RULES),
});

describe('whatever cells say', () => {
  const all = [proposed('p', null, 3), proposed('q', null, 2), proposed('r', null, 1)];
  const saidIn = ({
    cells,
    votes,
  }: Pick<typeof history extends fc.Arbitrary<infer T> ? T : never, 'cells' | 'votes'>) =>
    Object.fromEntries(
      NAMES.slice(0, cells).map((name, index) => [
        name,
        votes.flatMap(({ by, of, yes, took: ran }) => {
          if (by !== index) return [];
          return [ran && yes ? took(of) : vote(of, yes)];
        }),
      ]),
    );

  test('with the same view all accept the same, and not more than one has most', () => {
    fc.assert(
      fc.property(history, fc.shuffledSubarray(all, { minLength: 3 }), (given, order) => {
        const said = saidIn(given);
        const first = d.verdict(view(all, said), null, given.rule).accepted?.id;
        expect(d.verdict(view(order, said), null, given.rule).accepted?.id).toBe(first);
        const most = all.filter((one) => d.tally(view(all, said), one).yes.length > given.cells / 2);
        expect(most.length).toBeLessThanOrEqual(1);
        if (given.rule === 'majority' && most[0] !== undefined) expect(first).toBe(most[0].id);
      }),
      { numRuns: 2_000 },
    );
  });

  test('who has heard less of the same cells never accepts another by most votes', () => {
    fc.assert(
      fc.property(history, (given) => {
        const said = saidIn(given);
        // Feeds only grow, so what somebody has heard of each is its beginning.
        const part = Object.fromEntries(
          Object.entries(said).map(([id, list], index) => [id, list.slice(0, given.heard[index])]),
        );
        const some = all.find((one) => d.tally(view(all, part), one).yes.length > given.cells / 2);
        const later = d.verdict(view(all, said), null, 'majority').accepted;
        if (some !== undefined) expect(later?.id).toBe(some.id);
      }),
      { numRuns: 2_000 },
    );
  });

  test('what was not proposed is not accepted, whoever votes for it', () => {
    fc.assert(
      fc.property(history, (given) => {
        // A proposal that no authority signed never gets into the view: the votes alone do nothing.
        const known = all.filter(({ id }) => id !== 'p');
        expect(d.verdict(view(known, saidIn(given)), null, given.rule).accepted?.id).not.toBe('p');
      }),
    );
  });
});

describe('what a genome asks of cells that live', () => {
  test('keys of authorities are those that a key can be', () => {
    const key = () => generateHostKey().publicKey;
    const keys = Array.from({ length: 200 }, key);
    const [one = '', two = ''] = keys;
    const authorities = [`${one} laptop`, `  ${two}  ci  `, one, 'ssh-ed25519 AAAA ci', `${one.slice(0, -1)} short`];
    expect(d.keysOf({ governance: { rule: 'majority', authorities, operators: [] } })).toEqual([one, two]);
    expect(d.keysOf({ governance: { rule: 'majority', authorities: keys, operators: [] } })).toEqual(keys);
    expect(keys.every(isPublicKey)).toBe(true);
  });

  const gene = (more: object) => ({ packages: [], secrets: {}, ...more });
  const genome = (functions: object) => ({ functions }) as unknown as Parameters<typeof d.newSecrets>[0];
  const before = genome({ web: gene({ packages: ['jq'], secrets: { KEY: 'env:KEY' } }), db: gene({}) });

  test('secrets that are new, or from another source; none that stayed', () => {
    const after = genome({
      web: gene({ secrets: { KEY: 'env:KEY', MORE: 'file:more' } }),
      db: gene({ secrets: {} }),
      mail: gene({ secrets: { KEY: 'env:KEY' } }),
    });
    expect(d.newSecrets(before, after)).toEqual([
      { function: 'web', variable: 'MORE', source: 'file:more' },
      { function: 'mail', variable: 'KEY', source: 'env:KEY' },
    ]);
    expect(d.newSecrets(before, genome({ web: gene({ secrets: { KEY: 'env:OTHER' } }) }))).toHaveLength(1);
    expect(d.newSecrets(before, before)).toEqual([]);
  });

  test('packages, of those that perform the function, and of all for a new one', () => {
    const after = genome({
      web: gene({ packages: ['jq', 'redis'] }),
      db: gene({ image: 'docker.io/db' }),
      mail: gene({ packages: ['exim4'] }),
    });
    expect(d.newPackages(before, after, ['web'])).toEqual(['exim4', 'redis']);
    expect(d.newPackages(before, after, ['db'])).toEqual(['exim4', 'podman']);
    expect(d.newPackages(before, before, ['web', 'db'])).toEqual([]);
  });
});

describe('a spread', () => {
  const P = proposed('p');
  const now = 1_000_000;
  const pulse = (id: CellId, health: 'healthy' | 'unhealthy' = 'healthy', at = now): Pulse => ({
    ...{ v: 1, organism: 'o', cell: id, seq: 1, at, budget: 0, links: [], entries: 0, frozen: false, why: '', sig: '' },
    functions: { web: { health, level: 'none', pressure: {}, throttle: 0, port: null } },
  });
  const ids = (count: number) => Array.from({ length: count }, (_, index) => `cell${index}`);
  const spread = (done: readonly CellId[], count: number, pulses = ids(count).map((id) => pulse(id))): d.Spread => ({
    ...view([P], Object.fromEntries(ids(count).map((id) => [id, done.includes(id) ? [took('p')] : []]))),
    proposal: P,
    pulses: Object.fromEntries(pulses.map((one) => [one.cell, one])),
    now,
    freshFor: 60_000,
  });
  const turns = (state: d.Spread) => Object.keys(state.lineage.cells).filter((id) => d.turnOf(state, id).turn);

  test.each([
    [1, [1]],
    [2, [1, 1]],
    [3, [1, 1, 1]],
    [12, [1, 2, 9]],
    [100, [1, 10, 89]],
  ])('of %i cells goes by stages of %j', (count, sizes) => {
    expect(d.stages(spread([], count)).map(({ cells }) => cells.length)).toEqual(sizes);
  });

  test('a stage begins when the one before runs it and is well', () => {
    const [one] = d.stages(spread([], 30))[0]?.cells ?? [];
    const first = one ?? '';
    expect(turns(spread([], 30))).toEqual([first]);
    expect(turns(spread([first], 30)).length).toBe(4);
    const ill = ids(30).map((id) => pulse(id, id === first ? 'unhealthy' : 'healthy'));
    expect(turns(spread([first], 30, ill))).toEqual([first]);
    const silent = ids(30).map((id) => pulse(id, 'healthy', id === first ? now - 70_000 : now));
    expect(d.turnOf(spread([first], 30, silent), d.stages(spread([], 30))[1]?.cells[0] ?? '')).toEqual({
      turn: false,
      why: `stage 1 of 3 is not done: ${first}: not heard of lately`,
    });
  });

  test('never more than a stage runs what did not prove itself before, in whatever order cells act', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.array(fc.nat(1_000), { maxLength: 200 }), (count, picks) => {
        const done: CellId[] = [];
        for (const pick of picks) {
          const state = spread(done, count);
          const all = d.stages(state);
          const id = `cell${pick % count}`;
          if (!d.turnOf(state, id).turn || done.includes(id)) continue;
          const at = all.findIndex(({ cells }) => cells.includes(id));
          for (const { cells } of all.slice(0, at)) expect(cells.every((other) => done.includes(other))).toBe(true);
          done.push(id);
        }
      }),
    );
  });

  test('one that stands on it counts as it', () => {
    const next = proposed('n', 'p');
    const said = { A: [took('n')], B: [took('p')], C: [took(null)] };
    expect(d.isComplete(view([P, next], said), 'p')).toBe(false);
    expect(d.isComplete(view([P, next], { ...said, C: [took('n')] }), 'p')).toBe(true);
    expect(d.isComplete(view([P, next], { A: [took('p'), took(null)], B: [] }), null)).toBe(true);
  });
});
