import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AddressRecord, type TextRecord, textData, updateMessage } from '../../../src/effects/dns/message.ts';
import { plainAddress } from '../../../stacks/address.ts';
import {
  claimsIn,
  heldBy,
  indexed,
  isForeign,
  planPut,
  planTake,
  type Seen,
  type Step,
  type Wanted,
} from '../../../stacks/records/claims.ts';
import { readMessage } from '../../effects/dns/server.support.ts';
import { address, MemoryZone } from '../../effects/dns/zone.support.ts';

const ZONE = 'garden.test';
const NAME = 'www.garden.test';
const [A, CNAME, TXT, AAAA] = [1, 5, 16, 28];

/** What a server with this zone would show. */
function look(zone: MemoryZone, name = NAME): Seen {
  const texts = (owner: string): TextRecord[] =>
    zone.answer(owner, TXT).map(({ ttl, data }) => ({ name: owner, type: 'TXT', ttl, data: [data.subarray(1)] }));
  const four = zone.answer(name, A);
  const addresses: AddressRecord[] = [
    ...four
      .filter(({ type }) => type === A)
      .map(({ ttl, data }) => ({ name, type: 'A' as const, ttl, data: data.join('.') })),
    ...zone.set(name, AAAA).map(({ ttl, data }) => {
      const words = Array.from({ length: 8 }, (_, index) => data.readUInt16BE(index * 2).toString(16));
      return { name, type: 'AAAA' as const, ttl, data: plainAddress(words.join(':')) };
    }),
  ];
  const alias = four.some(({ type }) => type === CNAME);
  return { name, zone: ZONE, addresses, alias, texts: texts(`_cell.${name}`), index: texts(`_cell.${ZONE}`) };
}

/** Does a step, over the wire's bytes; gives what the server says. */
function act(zone: MemoryZone, step: Step): number {
  if (step.kind !== 'update') throw new Error(`there is nothing to do: ${step.kind}`);
  return zone.update(readMessage(updateMessage(1, ZONE, step.update)));
}

function want(birth: string, values: readonly string[], more: Partial<Wanted> = {}): Wanted {
  return { organism: 'garden', birth, zone: ZONE, name: NAME, values, ttl: 30, ...more };
}

const FOREIGN = [address('mail.garden.test', '203.0.113.9'), address('garden.test', '203.0.113.10', 3600)];

describe('a cell', () => {
  test('adds its address, its claim and the entry of the index at once', () => {
    const zone = new MemoryZone(ZONE, FOREIGN);
    expect(act(zone, planPut(look(zone), want('b1', ['192.0.2.1', '2001:DB8:0::1'])))).toBe(0);
    expect(zone.serial).toBe(2);
    expect(zone.dump()).toEqual([
      '_cell.garden.test 30 16 v=cell1 organism=garden name=www.garden.test',
      '_cell.www.garden.test 30 16 v=cell1 organism=garden cell=b1 address=192.0.2.1,2001:db8::1',
      'garden.test 3600 1 203.0.113.10',
      'mail.garden.test 300 1 203.0.113.9',
      'www.garden.test 30 1 192.0.2.1',
      'www.garden.test 30 28 20010db8000000000000000000000001',
    ]);
    expect(planPut(look(zone), want('b1', ['192.0.2.1', '2001:db8::1']))).toEqual({ kind: 'there' });
    expect(heldBy(look(zone), want('b1', []))).toEqual({ values: ['192.0.2.1', '2001:db8::1'], ttl: 30 });
    expect(act(zone, planTake(look(zone), want('b1', [])))).toBe(0);
    expect(zone.dump()).toEqual(new MemoryZone(ZONE, FOREIGN).dump());
    expect(planTake(look(zone), want('b1', []))).toEqual({ kind: 'there' });
  });

  test('changes its own address and leaves the others', () => {
    const zone = new MemoryZone(ZONE);
    for (const [birth, value] of [
      ['b1', '192.0.2.1'],
      ['b2', '192.0.2.2'],
    ] as const) {
      expect(act(zone, planPut(look(zone), want(birth, [value])))).toBe(0);
    }
    expect(act(zone, planPut(look(zone), want('b1', ['192.0.2.7'])))).toBe(0);
    expect(
      look(zone)
        .addresses.map(({ data }) => data)
        .sort(),
    ).toEqual(['192.0.2.2', '192.0.2.7']);
    expect(claimsIn(look(zone).texts).map(({ birth, addresses }) => [birth, ...addresses])).toEqual(
      expect.arrayContaining([
        ['b1', '192.0.2.7'],
        ['b2', '192.0.2.2'],
      ]),
    );
    expect(act(zone, planPut(look(zone), want('b1', ['192.0.2.7'], { ttl: 5 })))).toBe(0);
    expect(look(zone).addresses.map(({ ttl }) => ttl)).toEqual([5, 5]);
  });

  test('at the top of the zone has its claim beside the index', () => {
    const zone = new MemoryZone(ZONE);
    const top = want('b1', ['192.0.2.1'], { name: ZONE });
    expect(act(zone, planPut(look(zone, ZONE), top))).toBe(0);
    expect(act(zone, planPut(look(zone), want('b2', ['192.0.2.2'])))).toBe(0);
    expect(indexed('garden', look(zone).index)).toEqual([ZONE, NAME]);
    expect(act(zone, planTake(look(zone, ZONE), top))).toBe(0);
    expect(indexed('garden', look(zone).index)).toEqual([NAME]);
    expect(act(zone, planTake(look(zone), want('b2', [])))).toBe(0);
    expect(zone.dump()).toEqual([]);
  });

  test('of another organism shares the name, with an entry of its own in the index', () => {
    const zone = new MemoryZone(ZONE);
    const other = want('b1', ['192.0.2.9'], { organism: 'meadow' });
    expect(act(zone, planPut(look(zone), want('b1', ['192.0.2.1'])))).toBe(0);
    expect(act(zone, planPut(look(zone), other))).toBe(0);
    expect([indexed('garden', look(zone).index), indexed('meadow', look(zone).index)]).toEqual([[NAME], [NAME]]);
    expect(act(zone, planTake(look(zone), want('b1', [])))).toBe(0);
    expect([indexed('garden', look(zone).index), indexed('meadow', look(zone).index)]).toEqual([[], [NAME]]);
    expect(look(zone).addresses.map(({ data }) => data)).toEqual(['192.0.2.9']);
  });
});

describe('what is not ours', () => {
  test('is not joined: a name with an address that no cell claims', () => {
    const zone = new MemoryZone(ZONE, [address(NAME, '203.0.113.1', 3600)]);
    expect(isForeign(look(zone))).toBe(true);
    expect(act(zone, planPut(look(zone), want('b1', ['192.0.2.1'])))).toBe(7);
    expect(zone.dump()).toEqual(['www.garden.test 3600 1 203.0.113.1']);
  });

  test('may answer by a wildcard, which leaves the name free', () => {
    const zone = new MemoryZone(ZONE, [address('*.garden.test', '203.0.113.1')]);
    expect(isForeign(look(zone))).toBe(true);
    expect(act(zone, planPut(look(zone), want('b1', ['192.0.2.1'])))).toBe(0);
    expect(look(zone).addresses.map(({ data }) => data)).toEqual(['192.0.2.1']);
    expect(act(zone, planTake(look(zone), want('b1', [])))).toBe(0);
    expect(zone.dump()).toEqual(['*.garden.test 300 1 203.0.113.1']);
  });

  test('that came beside ours by hand stays, and is claimed by nobody', () => {
    const zone = new MemoryZone(ZONE);
    expect(act(zone, planPut(look(zone), want('b1', ['192.0.2.1'])))).toBe(0);
    zone.records = [...zone.records, address(NAME, '203.0.113.1', 30)];
    expect(act(zone, planPut(look(zone), want('b2', ['192.0.2.2'])))).toBe(0);
    expect(planPut(look(zone), want('b3', ['203.0.113.1']))).toEqual({ kind: 'taken', address: '203.0.113.1' });
    for (const birth of ['b1', 'b2']) expect(act(zone, planTake(look(zone), want(birth, [])))).toBe(0);
    expect(zone.dump()).toEqual(['www.garden.test 30 1 203.0.113.1']);
  });

  test('is not joined when it came in the place of the cells that were seen', () => {
    const zone = new MemoryZone(ZONE);
    expect(act(zone, planPut(look(zone), want('b1', ['192.0.2.1'])))).toBe(0);
    const late = planPut(look(zone), want('b2', ['192.0.2.2']));
    expect(act(zone, planTake(look(zone), want('b1', [])))).toBe(0);
    zone.records = [address(NAME, '203.0.113.1', 3600)];
    expect(act(zone, late)).toBe(8);
    expect(zone.dump()).toEqual(['www.garden.test 3600 1 203.0.113.1']);
  });

  test('keeps its TTL: a text that somebody put where claims are', () => {
    const text = { name: `_cell.${NAME}`, type: TXT, ttl: 3600, data: Buffer.from('\x02hi') };
    const zone = new MemoryZone(ZONE, [text]);
    expect(act(zone, planPut(look(zone), want('b1', ['192.0.2.1'])))).toBe(0);
    expect(zone.dump()).toContain('_cell.www.garden.test 3600 16 hi');
    expect(act(zone, planTake(look(zone), want('b1', [])))).toBe(0);
    expect(zone.dump()).toEqual(['_cell.www.garden.test 3600 16 hi']);
  });

  test('is not taken for ours: texts of other programs', () => {
    const texts = [
      'v=spf1 -all',
      'v=cell1',
      'v=cell1 organism=garden',
      'v=cell2 organism=garden cell=b1 address=192.0.2.1',
      '',
    ];
    const records = texts.map((text): TextRecord => ({ name: NAME, type: 'TXT', ttl: 1, data: textData(text) }));
    expect(claimsIn(records)).toEqual([]);
    expect(indexed('garden', records)).toEqual([]);
  });

  test('an address that a new cell was given before the old one was taken away', () => {
    const zone = new MemoryZone(ZONE);
    expect(act(zone, planPut(look(zone), want('old', ['192.0.2.1'])))).toBe(0);
    const late = planTake(look(zone), want('old', []));
    expect(act(zone, planPut(look(zone), want('new', ['192.0.2.1'])))).toBe(0);
    expect(act(zone, late)).toBe(8);
    expect(act(zone, planTake(look(zone), want('old', [])))).toBe(0);
    expect(heldBy(look(zone), want('new', []))?.values).toEqual(['192.0.2.1']);
  });
});

interface Doing {
  readonly cell: number;
  /** An address to have, or null to have none. */
  readonly value: string | null;
  seen: Seen | null;
  done: boolean;
}

test('however the steps of many cells fall between each other, each ends with its own and the rest is as it was', () => {
  const doings = fc.array(
    fc.record({ cell: fc.nat({ max: 3 }), value: fc.option(fc.constantFrom('192.0.2.1', '192.0.2.2', '192.0.2.3')) }),
    { minLength: 1, maxLength: 8 },
  );
  fc.assert(
    fc.property(doings, fc.infiniteStream(fc.nat({ max: 1000 })), (list, chances) => {
      const zone = new MemoryZone(ZONE, FOREIGN);
      const queue: Doing[] = list.map(({ cell, value }) => ({ cell, value, seen: null, done: false }));
      const last = new Map(queue.map(({ cell, value }) => [cell, value]));
      for (let step = 0; queue.some(({ done }) => !done); step++) {
        expect(step).toBeLessThan(2000);
        // A cell does one thing at a time; the cells among each other in any order.
        const open = queue.filter(
          (one, at) => !one.done && !queue.slice(0, at).some((b) => !b.done && b.cell === one.cell),
        );
        const one = open[(chances.next().value as number) % open.length]!;
        const owner = want(`b${one.cell}`, one.value === null ? [] : [one.value]);
        if (one.seen === null) {
          one.seen = look(zone);
          continue;
        }
        const plan = one.value === null ? planTake(one.seen, owner) : planPut(one.seen, owner);
        expect(plan.kind).not.toBe('taken');
        one.done = plan.kind === 'there' || act(zone, plan) === 0;
        one.seen = null;
        const now = look(zone);
        const claimed = new Set(claimsIn(now.texts).flatMap(({ addresses }) => addresses));
        expect(new Set(now.addresses.map(({ data }) => data))).toEqual(claimed);
        expect(indexed('garden', now.index)).toEqual(claimed.size === 0 ? [] : [NAME]);
        expect(zone.dump()).toEqual(expect.arrayContaining([...new MemoryZone(ZONE, FOREIGN).dump()]));
      }
      for (const [cell, value] of last) {
        expect(heldBy(look(zone), want(`b${cell}`, []))?.values ?? []).toEqual(value === null ? [] : [value]);
      }
    }),
    { numRuns: 300 },
  );
});

test('addresses have one spelling', () => {
  expect(['192.0.2.1', '2001:0DB8::0:1', '::FFFF:192.0.2.1', '::'].map(plainAddress)).toEqual([
    '192.0.2.1',
    '2001:db8::1',
    '::ffff:c000:201',
    '::',
  ]);
});
