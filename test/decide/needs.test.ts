import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fold } from '../../src/decide/lineage.ts';
import { isWithin, needOf, type Portion, portionOf } from '../../src/decide/needs.ts';
import { feeds, SEEDER, upTo } from './feeds.ts';
import { genome as genomeWith } from './view.ts';

const rfc2136 = (zone: string) => ({
  provider: 'rfc2136',
  zone,
  server: '192.0.2.1',
  key: 'k',
  credentials: 'env:KEY',
});
const genome = genomeWith(
  { web: { domain: 'www.o.test' }, api: { domain: 'api.far.test' }, db: {}, both: { domain: 'b.far.test' } },
  {
    clouds: { near: { provider: 'local' }, far: { provider: 'local' } },
    dns: { one: rfc2136('o.test'), two: rfc2136('far.test') },
  },
);
const need = (functions: readonly string[], tokens: number, owner = false) =>
  needOf(genome, { functions, tokens }, owner);

describe('what a cell needs', () => {
  test('without a budget no machines, without a domain no records', () => {
    expect(need(['db'], 0)).toEqual({ compute: [], dns: {}, mints: { compute: false, dns: false } });
    expect(need(['web'], 0)).toEqual({
      compute: [],
      dns: { one: ['www.o.test'] },
      mints: { compute: false, dns: false },
    });
    expect(need(['db'], 1)).toEqual({ compute: ['far', 'near'], dns: {}, mints: { compute: false, dns: false } });
  });

  test('names at each provider are those of its own functions', () => {
    expect(need(['api', 'both', 'web'], 0).dns).toEqual({
      one: ['www.o.test'],
      two: ['api.far.test', 'b.far.test'],
    });
  });

  test('it mints where its children will need some, and no sooner', () => {
    expect(need(['web'], 1).mints).toEqual({ compute: false, dns: true });
    expect(need(['web'], 2).mints).toEqual({ compute: true, dns: true });
    expect(need(['db'], 2).mints).toEqual({ compute: true, dns: false });
  });

  test('the first cell mints for itself', () => {
    expect(need(['web'], 0, true).mints).toEqual({ compute: false, dns: true });
    expect(need(['web'], 1, true).mints).toEqual({ compute: true, dns: true });
  });
});

test('what a cell has is counted with all that it brought about, and without what is gone', () => {
  const life = `
    S genesis 9 web,db,api
    S reserve a; S birth A 8; S give web A; S give db A; S give api A
    A born S; A reserve b; A birth B 3; B born A; A give web B
    B reserve c; B birth C 1; C born B; B replicate web C; A reserve d`;
  const lineage = fold(feeds(life), SEEDER);
  expect(portionOf(lineage, 'A')).toEqual({ functions: ['api', 'db', 'web'], tokens: 8 });
  expect(portionOf(lineage, 'B')).toEqual({ functions: ['web'], tokens: 3 });
  expect(portionOf(lineage, 'C')).toEqual({ functions: ['web'], tokens: 1 });
  const after = fold(feeds(`${life}; B fence C 1`), SEEDER);
  expect(portionOf(after, 'B')).toEqual({ functions: ['web'], tokens: 3 });
  expect(portionOf(after, 'C')).toEqual({ functions: [], tokens: 0 });
});

const NAMES = ['api', 'both', 'db', 'web'];
const portion: fc.Arbitrary<Portion> = fc.record({ functions: fc.subarray(NAMES), tokens: fc.nat(6) });

test('a portion of a portion never needs more', () => {
  fc.assert(
    fc.property(portion, fc.nat(), fc.nat(), fc.boolean(), (whole, mask, share, owner) => {
      const functions = whole.functions.filter((_, index) => ((mask >> index) & 1) === 1);
      // A child costs one of what its parent has.
      const tokens = whole.tokens === 0 ? 0 : share % whole.tokens;
      expect(isWithin(needOf(genome, { functions, tokens }), needOf(genome, whole, owner))).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

test('within says no to everything that is more', () => {
  const small = need(['web'], 1);
  for (const more of [need(['web'], 2), need(['web', 'api'], 1), need(['web', 'db'], 1, true), need(['api'], 1)]) {
    expect(isWithin(more, small)).toBe(false);
  }
  expect(isWithin(need(['web'], 0), small)).toBe(true);
  expect(isWithin({ ...small, dns: { one: ['mail.o.test'] } }, small)).toBe(false);
});

/** One thing that happens: whom it happens to, and how much or what is given. */
const event = fc.record({
  kind: fc.constantFrom('divide', 'divide', 'divide', 'replicate', 'return', 'fence'),
  who: fc.nat(9),
  share: fc.nat(),
  mask: fc.nat(15),
});

/** A life in the language of feeds, in which everybody does only what they may. */
function lived(events: readonly { kind: string; who: number; share: number; mask: number }[]): string {
  const lines = [`S genesis 10 ${NAMES.join(',')}`, 'S reserve a', 'S birth A 9'];
  lines.push(...NAMES.map((name) => `S give ${name} A`), 'A born S');
  const cells = [{ id: 'A', parent: 'S', budget: 9, functions: new Set(NAMES), alive: true, entries: 1 }];
  const find = (id: string) => cells.find((cell) => cell.id === id);
  for (const { kind, who, share, mask } of events) {
    const living = cells.filter(({ alive }) => alive);
    const cell = living[who % living.length]!;
    const say = (line: string) => {
      lines.push(`${cell.id} ${line}`);
      cell.entries += 1;
    };
    const parent = find(cell.parent);
    const children = living.filter((one) => one.parent === cell.id);
    if (kind === 'divide' || kind === 'replicate') {
      if (cell.budget < 1 || cells.length > 20) continue;
      const id = String.fromCharCode(65 + cells.length);
      const budget = share % cell.budget;
      const given = [...cell.functions].sort().filter((_, index) => ((mask >> index) & 1) === 1);
      say(`reserve ${id.toLowerCase()}`);
      say(`birth ${id} ${budget}`);
      for (const name of given) say(`${kind === 'divide' ? 'give' : 'replicate'} ${name} ${id}`);
      lines.push(`${id} born ${cell.id}`);
      cell.budget -= 1 + budget;
      if (kind === 'divide') for (const name of given) cell.functions.delete(name);
      cells.push({ id, parent: cell.id, budget, functions: new Set(given), alive: true, entries: 1 });
    } else if (kind === 'return' && parent !== undefined) {
      for (const name of cell.functions) {
        say(`return ${name} ${parent.id}`);
        parent.functions.add(name);
      }
      cell.functions.clear();
    } else if (kind === 'fence' && children.length > 0) {
      const child = children[share % children.length]!;
      // Its own children first, so that nobody is an orphan here.
      if (living.some((one) => one.parent === child.id)) continue;
      say(`fence ${child.id} ${child.entries}`);
      child.alive = false;
      cell.budget += 1 + child.budget;
      for (const name of child.functions) cell.functions.add(name);
    }
  }
  return lines.join('\n');
}

/** What each cell was given with its birth: what its credentials were minted for. */
function portionsAtBirth(all: ReturnType<typeof feeds>): ReadonlyMap<string, Portion> {
  const found = new Map<string, Portion>();
  const deeds = Object.values(all).flatMap((feed) => feed.map(({ deed }) => deed));
  for (const deed of deeds) {
    if (deed.kind !== 'birth') continue;
    const to = deed.child.id;
    const functions = deeds.flatMap((one) =>
      one.kind === 'give' && one.to === to && one.mode !== 'return' ? one.function : [],
    );
    found.set(to, { functions, tokens: deed.budget });
  }
  return found;
}

test('along any line of descent, and over any life, authority never grows', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 14 }), (events) => {
      const all = feeds(lived(events));
      const lengths = Object.fromEntries(Object.entries(all).map(([id, feed]) => [id, feed.length]));
      const born = portionsAtBirth(all);
      // The whole, and what was heard before each last word: what was given at a birth holds for ever after.
      for (const id of ['', ...Object.keys(all)]) {
        const lineage = fold(upTo(all, id === '' ? lengths : { ...lengths, [id]: (lengths[id] ?? 1) - 1 }), SEEDER);
        // Nobody lies here; but where a dead cell's last word is missing, a fence may end a feed before it.
        if (id === '') expect(lineage.quarantined).toEqual({});
        for (const cell of Object.values(lineage.cells).filter(({ state }) => state !== 'gone')) {
          const own = needOf(genome, portionOf(lineage, cell.id), cell.parent === SEEDER);
          if (cell.parent !== SEEDER) {
            const above = needOf(
              genome,
              portionOf(lineage, cell.parent),
              lineage.cells[cell.parent]?.parent === SEEDER,
            );
            expect(isWithin(own, above)).toBe(true);
            expect(isWithin(own, needOf(genome, born.get(cell.id)!))).toBe(true);
          }
        }
      }
    }),
    { numRuns: Number(process.env.LIVES ?? 300) },
  );
});
