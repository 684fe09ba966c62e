/** Whose records are whose, however the steps of many cells fall between each other and whatever else is in the zone. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  heldBy,
  leftOver,
  listedIn,
  planPut,
  planTake,
  type Said,
  type Step,
  type ZoneRecord,
} from '../../../stacks/records/owned.ts';
import { placeId, placeOf } from '../../../stacks/records/place.ts';
import { CloudflareZone, Refusal, type Row, ZONE } from './cloudflare.support.ts';

const NAME = 'www.garden.test';
const bare = (content: string) => content.replace(/^"(.*)"$/, '$1');
const recordOf = ({ id, name, type, content, ttl, proxied }: Row): ZoneRecord => ({
  ...{ id, name, type, ttl, veiled: proxied, value: type === 'TXT' ? bare(content) : content },
});
const look = (zone: CloudflareZone) => zone.rows.map(recordOf);

/** Does it, as the zone takes it; false when it says that the records are not as they were. */
function act(zone: CloudflareZone, step: Step): boolean {
  if (step.kind !== 'change') throw new Error(`there is nothing to do: ${step.kind}`);
  const { remove, mend, add } = step.edit;
  const content = (type: string, value: string) => (type === 'TXT' ? `"${value}"` : value);
  try {
    zone.batch({
      deletes: remove.map((id) => ({ id })),
      patches: mend.map(({ id, ttl, veiled }) => ({ id, ttl, proxied: veiled === true })),
      posts: add.map(({ name, type, value, ttl }) => ({ name, type, content: content(type, value), ttl })),
    });
    return true;
  } catch (refusal) {
    if (refusal instanceof Refusal && refusal.code > 81_000) return false;
    throw refusal;
  }
}

const want = (birth: string, values: readonly string[], organism = 'garden'): Said => ({
  ...{ organism, birth, name: NAME, values, ttl: 60 },
});

interface Doing {
  readonly cell: number;
  /** An address to have, or null to have none. */
  readonly value: string | null;
  seen: readonly ZoneRecord[] | null;
  done: boolean;
}

test('each ends with its own, claimed addresses are those that are there, and the rest is as it was', () => {
  const doings = fc.array(
    fc.record({ cell: fc.nat({ max: 3 }), value: fc.option(fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::3')) }),
    { minLength: 1, maxLength: 8 },
  );
  // Other names, other types and other texts; not addresses at the name itself, which would keep cells away.
  const foreign = fc.uniqueArray(
    fc.record({
      name: fc.constantFrom(ZONE, `mail.${ZONE}`, `*.${ZONE}`, NAME, `_cell.${NAME}`, `_cell.mail.${ZONE}`),
      content: fc.stringMatching(/^[ -~]{1,20}$/),
      ttl: fc.constantFrom(60, 300),
    }),
    { maxLength: 5, selector: ({ name, content }) => `${name} ${content}` },
  );
  fc.assert(
    fc.property(doings, foreign, fc.infiniteStream(fc.nat({ max: 1000 })), (list, others, chances) => {
      const zone = new CloudflareZone(others.map((one) => ({ ...one, type: 'TXT' })));
      const before = zone.dump();
      const queue: Doing[] = list.map((one) => ({ ...one, seen: null, done: false }));
      const last = new Map(list.map(({ cell, value }) => [cell, value]));
      for (let step = 0; queue.some(({ done }) => !done); step++) {
        expect(step).toBeLessThan(2_000);
        // A cell does one thing at a time; the cells among each other in any order.
        const open = queue.filter(
          (one, at) => !one.done && !queue.slice(0, at).some((other) => !other.done && other.cell === one.cell),
        );
        const one = open[(chances.next().value as number) % open.length]!;
        if (one.seen === null) {
          one.seen = look(zone);
          continue;
        }
        const own = want(`b${one.cell}`, one.value === null ? [] : [one.value]);
        const plan = one.value === null ? planTake(one.seen, own) : planPut(one.seen, own);
        expect(plan.kind).not.toBe('taken');
        one.done = plan.kind === 'there' || act(zone, plan);
        one.seen = null;
        const listed = listedIn(look(zone), 'garden', ZONE).filter(({ name }) => name === NAME);
        const shown = look(zone).filter(({ name, type }) => name === NAME && type !== 'TXT');
        expect(new Set(shown.map(({ value }) => value))).toEqual(new Set(listed.flatMap(({ values }) => values)));
        expect(zone.dump()).toEqual(expect.arrayContaining([...before]));
      }
      for (const [cell, value] of last) {
        expect(heldBy(look(zone), want(`b${cell}`, []))?.values ?? []).toEqual(value === null ? [] : [value]);
      }
      for (const cell of last.keys()) {
        const step = planTake(look(zone), want(`b${cell}`, []));
        if (step.kind !== 'there') expect(act(zone, step)).toBe(true);
      }
      expect(zone.dump()).toEqual(before);
    }),
    { numRuns: 300 },
  );
});

test('what is left over is what an attempt left beside what the stack has, and never another cell’s', () => {
  const cells = fc.uniqueArray(fc.record({ birth: fc.constantFrom('b1', 'b2', 'b3'), address: fc.nat({ max: 3 }) }), {
    ...{ minLength: 1, maxLength: 3, selector: ({ birth }: { birth: string }) => birth },
  });
  fc.assert(
    fc.property(cells, fc.nat({ max: 3 }), fc.boolean(), (list, lost, halfLost) => {
      let next = 0;
      const put = (birth: string, address: string): ZoneRecord[] => [
        {
          ...{ id: `${next++}`, name: `_cell.${NAME}`, type: 'TXT', ttl: 60 },
          value: `v=cell1 organism=garden cell=${birth} address=${address}`,
        },
        { id: `${next++}`, name: NAME, type: 'A', value: address, ttl: 60 },
      ];
      const [one, ...others] = list.map(({ birth, address }) => ({ birth, address: `192.0.2.${address}` }));
      const kept = put(one!.birth, one!.address);
      const left = Array.from({ length: lost }, () => put(one!.birth, one!.address)).flat();
      const half = halfLost && left.length > 0 ? left.slice(1) : left;
      const theirs = others.flatMap(({ birth, address }) => put(birth, address));
      const needed = others.filter(({ address }) => address === one!.address).length;
      const found = leftOver([...half, ...kept, ...theirs], want(one!.birth, []), new Set(kept.map(({ id }) => id)));
      const all = [...half, ...kept, ...theirs];
      expect(found.some((id) => kept.some((record) => record.id === id))).toBe(false);
      const stays = all.filter(({ id }) => !found.includes(id));
      // The claims of others, one of its own, and of its address as many records as there are claims.
      expect(stays.filter(({ type }) => type === 'TXT')).toHaveLength(1 + others.length);
      expect(stays.filter(({ value }) => value === one!.address)).toHaveLength(1 + needed);
      expect(theirs.filter(({ type }) => type === 'TXT').every((record) => stays.includes(record))).toBe(true);
      expect(leftOver(all, want(one!.birth, []), new Set())).toEqual([]);
    }),
  );
});

test('a place is written into an id and read again', () => {
  const word = fc.stringMatching(/^[a-z][a-z0-9.-]{0,20}$/);
  fc.assert(
    fc.property(word, word, word, word, (organism, birth, zone, name) => {
      expect(placeOf(placeId({ organism, birth, zone, name }))).toEqual({ organism, birth, zone, name });
    }),
  );
});

test('addresses count by what they say, however a zone writes them', () => {
  const text = 'v=cell1 organism=garden cell=b1 address=2001:DB8:0::1';
  const records: ZoneRecord[] = [
    { id: '1', name: `_cell.${NAME}`, type: 'TXT', value: text, ttl: 60 },
    { id: '2', name: NAME, type: 'AAAA', value: '2001:0db8::0:1', ttl: 60 },
  ];
  expect(heldBy(records, want('b1', []))).toEqual({ values: ['2001:db8::1'], ttl: 60 });
  const step = planTake(records, want('b1', []));
  expect(step.kind === 'change' && step.edit.remove).toEqual(['2', '1']);
});
