/** In which cloud a child is made: tables of views and choices. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide } from '../../src/decide/decide.ts';
import { freshMemory, recall } from '../../src/decide/memory.ts';
import { choose, distance, noteGiven, noteRefused, REFUSED_CAP_MS, REFUSED_MS } from '../../src/decide/placement.ts';
import { stemFor } from '../../src/decide/ready.ts';
import type { View } from '../../src/model.ts';
import { GENES, genome, MIN, NOW, S, SEEDED, type Sketch, view } from './view.ts';

const CLOUDS = { near: { provider: 'local' }, far: { provider: 'local' }, third: { provider: 'local' } };
const AMSTERDAM = { region: 'digitalocean ams3', at: [52.4, 4.9] } as const;
const FRANKFURT = { region: 'linode eu-central', at: [50.1, 8.7] } as const;
const SYDNEY = { region: 'aws ap-southeast-2', at: [-33.9, 151.2] } as const;
const SAME = { near: 100, far: 100, third: 100 };
/** A, the first cell, has three children: in near, unless it is said otherwise. */
const life = (...children: readonly string[]) =>
  [SEEDED, ...children.map((id) => `A reserve ${id.toLowerCase()}; A birth ${id} 0; ${id} born A`)].join('; ');

const placed = (placement: object, more: Partial<Sketch> = {}, clouds: object = CLOUDS) =>
  view({ life: life(), genome: genome(GENES, { clouds, placement }), monthlyCents: SAME, ...more });
/** The same with cells in other clouds than near. */
function living(one: View, cloudsById: Readonly<Record<string, string>>): View {
  const cells = Object.fromEntries(
    Object.entries(one.lineage.cells).map(([id, cell]) => [id, { ...cell, cloud: cloudsById[id] ?? cell.cloud }]),
  );
  const lineage = { ...one.lineage, cells };
  return { ...one, lineage, self: cells[one.self.id] ?? one.self };
}
const cloudOf = (one: View, memory = freshMemory()) => {
  const choice = choose(one, memory, NOW);
  return 'cloud' in choice ? choice.cloud : choice.why;
};

describe('a child is made', () => {
  test.each<[string, View, string]>([
    ['in the own cloud when all else is alike', placed({}), 'near'],
    ['where it is cheapest', placed({}, { monthlyCents: { near: 100, far: 90, third: 95 } }), 'far'],
    [
      'where the genome prefers it, whatever that costs',
      placed({ prefer: ['third'] }, { monthlyCents: { ...SAME, third: 200 } }),
      'third',
    ],
    [
      'in the first preference that the cap leaves room for',
      placed({ prefer: ['third', 'far'] }, { monthlyCents: { ...SAME, third: 4950 } }),
      'far',
    ],
    [
      'in no cloud whose price nobody knows',
      placed({ prefer: ['third'] }, { monthlyCents: { near: 100, far: 90 } }),
      'far',
    ],
    [
      'the farthest from its siblings',
      placed({}, { life: life('B'), places: { near: AMSTERDAM, far: FRANKFURT, third: SYDNEY } }),
      'third',
    ],
    [
      'the farthest from the nearest of its siblings',
      living(placed({}, { life: life('B', 'C'), places: { near: AMSTERDAM, far: FRANKFURT, third: SYDNEY } }), {
        C: 'third',
      }),
      'far',
    ],
    [
      'in a region that no sibling is in, wherever it may be',
      placed({}, { life: life('B'), places: { near: AMSTERDAM, far: { region: 'x' }, third: AMSTERDAM } }),
      'far',
    ],
    [
      'where it is cheapest before it is far',
      placed({}, { life: life('B'), monthlyCents: { ...SAME, near: 99 }, places: { near: AMSTERDAM, far: SYDNEY } }),
      'near',
    ],
  ])('%s', (_, one, cloud) => expect(cloudOf(one)).toBe(cloud));

  test.each<[string, View, RegExp]>([
    [
      'for more than the cap',
      placed({}, { monthlyCents: { near: 4901, far: 9000, third: 9000 } }),
      /would pass the monthly cost cap \(49.01 of 50.00\)/,
    ],
    ['where no price is known', placed({}, { monthlyCents: {} }), /not known/],
  ])('never %s', (_, one, why) => expect(cloudOf(one)).toMatch(why));
});

describe('never all in one region', () => {
  const regions = { spread: 'regions' };
  const places = { near: AMSTERDAM, far: AMSTERDAM, third: SYDNEY };

  test.each<[string, View, string | RegExp]>([
    [
      'the second cell goes to another, preferred or not',
      placed({ ...regions, prefer: ['near', 'far'] }, { places }),
      'third',
    ],
    ['even where that is dearer', placed(regions, { places, monthlyCents: { near: 1, far: 1, third: 900 } }), 'third'],
    [
      'a third may go anywhere',
      living(placed(regions, { life: life('B'), places, monthlyCents: { ...SAME, near: 50 } }), { B: 'third' }),
      'near',
    ],
    ['clouds that say no region are one each', placed(regions), 'far'],
    [
      'none is made where that cannot be had',
      placed(regions, { places, monthlyCents: { ...SAME, third: 9000 } }),
      /^every cell is in digitalocean ams3, and no cloud in another region can be had$/,
    ],
  ])('%s', (_, one, cloud) => expect(cloudOf(one)).toMatch(cloud));

  test('no stem cell is taken that would leave them so', () => {
    const stem = (ready: string) => ({ id: 'x', kind: 'stem' as const, step: 'keep', due: NOW, ready });
    const sketch = (cloud: string, spread: string) =>
      placed({ spread }, { life: `${SEEDED}; A reserve x -`, places, sagas: [stem(cloud)] });
    expect(stemFor(sketch('far', 'none'))?.ready).toBe('far');
    expect(stemFor(sketch('far', 'regions'))).toBeUndefined();
    expect(stemFor(sketch('third', 'regions'))?.ready).toBe('third');
  });

  test('whatever lives where, and whatever the genome prefers', () => {
    const cloud = fc.constantFrom('near', 'far', 'third');
    const world = fc.record({
      prefer: fc.uniqueArray(cloud),
      cells: fc.tuple(cloud, cloud, cloud),
      cents: fc.nat(1000),
    });
    fc.assert(
      fc.property(world, ({ prefer, cells, cents }) => {
        const monthlyCents = { near: 10, far: cents, third: 20 };
        const before = placed({ ...regions, prefer }, { life: life('B', 'C'), places, monthlyCents });
        const one = living(before, { A: cells[0], B: cells[1], C: cells[2] });
        const chosen = cloudOf(one) as keyof typeof places;
        const there = [...cells, chosen].map((name) => places[name as keyof typeof places]?.region);
        expect(new Set(there).size).toBeGreaterThan(1);
      }),
    );
  });
});

describe('a cloud that refuses', () => {
  const QUOTA = 'quota: droplet limit';
  const one = placed({ prefer: ['far', 'third'] });
  const refused = noteRefused(freshMemory(), 'far', QUOTA, NOW - MIN);

  test('is passed over for the next, and the reason said with why', () => {
    expect(choose(one, refused, NOW)).toEqual({ cloud: 'third', passed: `far refused: ${QUOTA}` });
    const both = noteRefused(refused, 'third', 'capacity: none', NOW - MIN);
    expect(choose(one, both, NOW)).toEqual({
      cloud: 'near',
      passed: `far refused: ${QUOTA}; third refused: capacity: none`,
    });
    // Of one that would not have been taken nothing is said.
    expect(choose(placed({ prefer: ['near'] }), refused, NOW)).toEqual({ cloud: 'near', passed: null });
  });

  test('is asked again after a while, later each time, and at once when it gave a machine', () => {
    expect(cloudOf(one, noteRefused(freshMemory(), 'far', QUOTA, NOW - REFUSED_MS))).toBe('far');
    let memory = freshMemory();
    const waits: number[] = [];
    for (let times = 0; times < 5; times++) {
      memory = noteRefused(memory, 'far', QUOTA, NOW);
      waits.push((memory.refused?.far?.until ?? 0) - NOW);
    }
    expect(waits).toEqual([REFUSED_MS, 2 * REFUSED_MS, 4 * REFUSED_MS, REFUSED_CAP_MS, REFUSED_CAP_MS]);
    expect(noteGiven(memory, 'far').refused).toEqual({});
    // A clock that goes back makes no wait longer than it could have been set.
    const earlier = recall(memory, NOW - 2 * REFUSED_CAP_MS, one.genome);
    expect(earlier.refused?.far?.until).toBe(NOW - REFUSED_CAP_MS);
  });

  test('leaves nothing to do when all others have refused, too', () => {
    const all = ['near', 'far', 'third'].reduce(
      (memory, cloud) => noteRefused(memory, cloud, 'outage', NOW - MIN),
      freshMemory(),
    );
    expect(cloudOf(one, all)).toBe(
      'far refused: outage; third refused: outage; near refused: outage; asked again in 9 min',
    );
  });

  test('does not make the next one wait for the rest after a division', () => {
    const resting = { ...freshMemory(), restUntil: NOW + 3 * MIN };
    expect(noteRefused(resting, 'far', QUOTA, NOW).restUntil).toBe(NOW);
  });

  test('is in the reason of the division that goes elsewhere', () => {
    const throttled = {
      breachSince: NOW - 5 * MIN,
      throttle: 90,
      throttleSince: NOW - 4 * MIN,
      throttleAt: NOW - 3 * MIN,
    };
    const memory = {
      ...refused,
      functions: { web: throttled },
      intent: { kind: 'divide', function: 'web', due: NOW - S },
    } as const;
    const { actions } = decide({ ...placed({ prefer: ['far'] }, { levels: { web: 'many' }, memory }) }, NOW, () => 0);
    const [action] = actions.filter(({ kind }) => kind === 'divide');
    expect(action).toMatchObject({
      cloud: 'near',
      why: expect.stringMatching(/; in near, for far refused: quota: droplet limit$/),
    });
  });
});

test('distances are those of the earth', () => {
  expect(Math.round(distance(AMSTERDAM.at, FRANKFURT.at))).toBe(368);
  expect(Math.round(distance(AMSTERDAM.at, SYDNEY.at) / 100)).toBe(166);
  expect(distance([0, 179], [0, -179])).toBeLessThan(230);
  expect(distance([90, 0], [-90, 0])).toBeCloseTo(Math.PI * 6371, 3);
  expect(distance(SYDNEY.at, SYDNEY.at)).toBe(0);
});

describe('a cloud whose credential has ended', () => {
  const ended = 'its credential has ended';

  test('is passed over, with the reason', () => {
    const one = { ...placed({ prefer: ['far'] }), closed: { far: ended } };
    expect(choose(one, freshMemory(), NOW)).toEqual({ cloud: 'near', passed: `far: ${ended}` });
  });

  test('is said to be that when there is no other, beside those that refused', () => {
    const one = { ...placed({}), closed: { near: ended, far: ended, third: ended } };
    expect(cloudOf(one)).toBe(`near: ${ended}; far: ${ended}; third: ${ended}`);
    const two = { ...placed({}), closed: { near: ended, third: ended } };
    expect(cloudOf(two, noteRefused(freshMemory(), 'far', 'quota', NOW))).toMatch(
      /far refused: quota.*asked again in 10 min$/,
    );
  });
});
