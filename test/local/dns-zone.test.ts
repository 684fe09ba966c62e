import dnsPacket from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { respond } from '../../src/local/packet.ts';
import {
  answer,
  conflictOf,
  idOf,
  problemsOf,
  type RecordSet,
  type RecordType,
  withoutSet,
  withSet,
  type Zones,
} from '../../src/local/zone.ts';

const ZONE = 'garden.test';

function set(name: string, type: RecordType, values: string[], more: Partial<RecordSet> = {}): RecordSet {
  return { organism: 'garden', birth: 'b1', zone: ZONE, name, type, values, ttl: 5, ...more };
}

const zones: Zones = [
  set('www.garden.test', 'A', ['127.0.0.2']),
  set('www.garden.test', 'A', ['127.0.0.3', '127.0.0.2'], { birth: 'b2', ttl: 3 }),
  set('www.garden.test', 'AAAA', ['::1']),
  set('_cell.www.garden.test', 'TXT', ['v=cell1 organism=garden cell=b1']),
  set('alias.garden.test', 'CNAME', ['WWW.garden.test']),
  set('lost.garden.test', 'CNAME', ['nowhere.garden.test']),
  set('out.garden.test', 'CNAME', ['www.example.org']),
  set('round.garden.test', 'CNAME', ['about.garden.test']),
  set('about.garden.test', 'CNAME', ['round.garden.test']),
  set('deep.down.garden.test', 'A', ['127.0.0.9']),
  set('_http._tcp.garden.test', 'SRV', ['1 2 8080 www.garden.test']),
  set('x.inner.garden.test', 'A', ['127.0.0.7'], { zone: 'inner.garden.test' }),
].reduce(withSet, { serials: {}, sets: [] } as Zones);

const ask = (name: string, type = 'A', turn = 0) => {
  const { rcode, answers, authorities } = answer(zones, { name, type }, turn);
  return [rcode, answers.map((a) => `${a.name} ${a.type} ${a.value}`), authorities.map((a) => `${a.name} ${a.type}`)];
};
const SOA = [`${ZONE} SOA`];

describe('zone answers', () => {
  it.each<[string, string, string, string[], string[]]>([
    ['www.garden.test', 'AAAA', 'NOERROR', ['www.garden.test AAAA ::1'], []],
    ['wWw.GARDEN.test', 'AAAA', 'NOERROR', ['wWw.GARDEN.test AAAA ::1'], []],
    ['www.garden.test.', 'AAAA', 'NOERROR', ['www.garden.test AAAA ::1'], []],
    ['www.garden.test', 'TXT', 'NOERROR', [], SOA],
    ['nope.garden.test', 'A', 'NXDOMAIN', [], SOA],
    ['down.garden.test', 'A', 'NOERROR', [], SOA],
    ['own.garden.test', 'A', 'NXDOMAIN', [], SOA],
    ['garden.test', 'A', 'NOERROR', [], SOA],
    ['garden.test', 'NS', 'NOERROR', ['garden.test NS localhost'], []],
    ['other.test', 'A', 'REFUSED', [], []],
    ['notgarden.test', 'A', 'REFUSED', [], []],
    ['test', 'A', 'REFUSED', [], []],
    ['', 'A', 'REFUSED', [], []],
    ['lost.garden.test', 'A', 'NXDOMAIN', ['lost.garden.test CNAME nowhere.garden.test'], SOA],
    ['out.garden.test', 'A', 'NOERROR', ['out.garden.test CNAME www.example.org'], []],
    ['out.garden.test', 'CNAME', 'NOERROR', ['out.garden.test CNAME www.example.org'], []],
    ['www.garden.test', 'ANY', 'NOERROR', ['www.garden.test HINFO RFC8482'], []],
    ['nope.garden.test', 'ANY', 'NXDOMAIN', [], SOA],
    ['x.inner.garden.test', 'A', 'NOERROR', ['x.inner.garden.test A 127.0.0.7'], []],
    ['y.inner.garden.test', 'A', 'NXDOMAIN', [], ['inner.garden.test SOA']],
    ['_http._tcp.garden.test', 'SRV', 'NOERROR', ['_http._tcp.garden.test SRV 1 2 8080 www.garden.test'], []],
    ['www\\046garden.test', 'A', 'REFUSED', [], []],
  ])('%s %s', (name, type, rcode, answers, authorities) => {
    expect(ask(name, type)).toEqual([rcode, answers, authorities]);
  });

  it('unites the owners, each value once, with the lowest TTL', () => {
    const { answers } = answer(zones, { name: 'www.garden.test', type: 'A' });
    expect(answers.map((a) => a.value)).toEqual(['127.0.0.2', '127.0.0.3']);
    expect(answers.map((a) => a.ttl)).toEqual([3, 3]);
  });

  it('moves the order on with each turn, and never loses a value', () => {
    const first = [0, 1, 2].map(
      (turn) => answer(zones, { name: 'www.garden.test', type: 'A' }, turn).answers[0]?.value,
    );
    expect(first).toEqual(['127.0.0.2', '127.0.0.3', '127.0.0.2']);
  });

  it('follows an alias inside the zone, without regard to case', () => {
    expect(ask('alias.garden.test', 'AAAA')).toEqual([
      'NOERROR',
      ['alias.garden.test CNAME WWW.garden.test', 'WWW.garden.test AAAA ::1'],
      [],
    ]);
  });

  it('ends where aliases go round', () => {
    const [rcode, answers] = ask('round.garden.test');
    expect([rcode, answers?.length]).toEqual(['NOERROR', 2]);
  });

  it('says SOA with a negative TTL that is not above any record’s', () => {
    const [soa] = answer(zones, { name: 'nope.garden.test', type: 'A' }).authorities;
    expect(soa?.ttl).toBe(3);
    expect(soa?.value).toMatch(/ 3$/);
  });
});

describe('zone changes', () => {
  const owners = fc.constantFrom('b1', 'b2', 'b3');
  const change = fc.record({
    remove: fc.boolean(),
    birth: owners,
    name: fc.constantFrom('a.garden.test', 'b.garden.test'),
    value: fc.constantFrom('127.0.0.1', '127.0.0.2', '127.0.0.3'),
  });

  it('keep every owner’s records apart, whatever the others do', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        let now: Zones = { serials: {}, sets: [] };
        const expected = new Map<string, string>();
        for (const { remove, birth, name, value } of changes) {
          const next = set(name, 'A', [value], { birth });
          const before = now;
          now = remove ? withoutSet(now, idOf(next)) : withSet(now, next);
          if (remove) expected.delete(idOf(next));
          else expected.set(idOf(next), value);
          // The serial moves exactly when something changed.
          expect(now.serials[ZONE] !== before.serials[ZONE]).toBe(now !== before);
        }
        expect(new Map(now.sets.map((each) => [idOf(each), each.values[0]]))).toEqual(expected);
        for (const name of ['a.garden.test', 'b.garden.test']) {
          const mine = [...expected].filter(([id]) => id.includes(`/${name}/`)).map(([, value]) => value);
          const got = answer(now, { name, type: 'A' }).answers.map((a) => a.value);
          expect(got).toEqual([...new Set(mine)].sort());
        }
      }),
    );
  });

  it('refuse an alias beside other records of others', () => {
    expect(conflictOf(zones, set('www.garden.test', 'CNAME', ['x.garden.test'], { birth: 'b3' }))).toContain('www');
    expect(conflictOf(zones, set('alias.garden.test', 'A', ['127.0.0.1'], { birth: 'b3' }))).toContain('CNAME');
    expect(conflictOf(zones, set('alias.garden.test', 'CNAME', ['www.garden.test'], { birth: 'b3' }))).toBeNull();
    expect(conflictOf(zones, set('www.garden.test', 'A', ['127.0.0.8'], { birth: 'b3' }))).toBeNull();
  });

  it.each<[string, Partial<Record<keyof RecordSet, unknown>>]>([
    ['organism', { organism: 'a/b' }],
    ['birth', { birth: '' }],
    ['name', { name: 'UPPER.garden.test' }],
    ['name', { name: 'www.other.test' }],
    ['name', { name: 'a..garden.test' }],
    ['type', { type: 'MX' }],
    ['ttl', { ttl: 1.5 }],
    ['ttl', { ttl: -1 }],
    ['values', { values: [] }],
    ['values', { values: ['127.0.0.256'] }],
    ['values', { values: [{ $value: 'address' }] }],
    ['values', { type: 'SRV', values: ['1 2 70000 www.garden.test'] }],
    ['values', { type: 'AAAA', values: ['fe80::1%lo'] }],
    ['values', { type: 'CNAME', values: ['a.test', 'b.test'] }],
  ])('find what is wrong with %s: %j', (key, more) => {
    const good = set('www.garden.test', 'A', ['127.0.0.1']);
    expect(problemsOf({ ...good })).toEqual([]);
    expect(problemsOf({ ...good, ...more }).map((problem) => problem.key)).toContain(key);
  });
});

const query = (name: string, type: string, more: object = {}) =>
  dnsPacket.encode({ type: 'query', id: 7, flags: 0x0100, questions: [{ name, type: type as 'A' }], ...more });
const opt = (more: object = {}) => [{ type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0, options: [], ...more }];
const read = (bytes: Buffer | null) => dnsPacket.decode(bytes as Buffer) as dnsPacket.DecodedPacket & { rcode: string };
const many = Array.from({ length: 60 }, (_, i) => `127.0.1.${i}`);
const large = withSet(zones, set('many.garden.test', 'A', many));

describe('packets', () => {
  it('repeats id, question to the letter and RD; says AA and not RA', () => {
    const asked = query('wWw.gARDEN.test', 'AAAA');
    const bytes = respond(zones, asked, 'udp') as Buffer;
    const got = read(bytes);
    expect(got).toMatchObject({ id: 7, flag_qr: true, flag_aa: true, flag_rd: true, flag_ra: false, rcode: 'NOERROR' });
    expect(bytes.subarray(12, asked.length)).toEqual(asked.subarray(12));
    expect(got.answers?.[0]?.name).toBe('wWw.gARDEN.test');
  });

  it('truncates over UDP at 512 or what EDNS allows, and not over TCP', () => {
    const cases = [
      [respond(large, query('many.garden.test', 'A'), 'udp'), true],
      [respond(large, query('many.garden.test', 'A', { additionals: opt({ udpPayloadSize: 100 }) }), 'udp'), true],
      [respond(large, query('many.garden.test', 'A', { additionals: opt({ udpPayloadSize: 4096 }) }), 'udp'), false],
      [respond(large, query('many.garden.test', 'A'), 'tcp'), false],
    ] as const;
    for (const [bytes, truncated] of cases) {
      const got = read(bytes);
      expect([got.flag_tc, got.answers?.length]).toEqual([truncated, truncated ? 0 : 60]);
      if (truncated) expect(bytes?.length).toBeLessThanOrEqual(512);
    }
  });

  it('answers EDNS with EDNS only when it was asked with it, and knows version 0 only', () => {
    expect(read(respond(zones, query('www.garden.test', 'A'), 'udp')).additionals).toEqual([]);
    const plain = read(respond(zones, query('www.garden.test', 'A', { additionals: opt({ flags: 0x8000 }) }), 'udp'));
    expect(plain.additionals?.[0]).toMatchObject({ type: 'OPT', ednsVersion: 0, flag_do: true });
    const later = read(respond(zones, query('www.garden.test', 'A', { additionals: opt({ ednsVersion: 1 }) }), 'udp'));
    expect(later.additionals?.[0]).toMatchObject({ type: 'OPT', extendedRcode: 1 });
    expect(later.answers).toEqual([]);
    const twice = query('www.garden.test', 'A', { additionals: [...opt(), ...opt()] });
    expect(read(respond(zones, twice, 'udp')).rcode).toBe('FORMERR');
  });

  it('refuses what it does not do', () => {
    const rcode = (bytes: Buffer) => read(respond(zones, bytes, 'tcp')).rcode;
    expect(rcode(query('www.garden.test', 'A', { flags: 5 << 11 }))).toBe('NOTIMP');
    expect(rcode(query('garden.test', 'AXFR'))).toBe('REFUSED');
    expect(
      rcode(query('www.garden.test', 'A', { questions: [{ name: 'www.garden.test', type: 'A', class: 'CH' }] })),
    ).toBe('REFUSED');
    const a = { name: 'www.garden.test', type: 'A' };
    expect(rcode(query('x', 'A', { questions: [a, a] }))).toBe('FORMERR');
    expect(rcode(query('x', 'A', { questions: [] }))).toBe('FORMERR');
    expect(rcode(query('www.garden.test', 'A').subarray(0, 20) as Buffer)).toBe('FORMERR');
    expect(respond(zones, query('www.garden.test', 'A').subarray(0, 11) as Buffer, 'udp')).toBeNull();
    expect(respond(zones, dnsPacket.encode({ type: 'response', id: 1 }), 'udp')).toBeNull();
  });

  it('does not take a dot inside a label for one between labels', () => {
    const asked = query('wwwXgarden.test', 'A');
    asked[asked.indexOf('X')] = 0x2e;
    const bytes = respond(zones, asked, 'udp') as Buffer;
    expect(bytes.readUInt16BE(2) & 0xf).toBe(5);
    expect(bytes.subarray(12, asked.length)).toEqual(asked.subarray(12));
  });

  it('carries long texts in pieces of 255 bytes', () => {
    const text = 'é'.repeat(400);
    const bytes = respond(
      withSet(zones, set('long.garden.test', 'TXT', [text])),
      query('long.garden.test', 'TXT'),
      'tcp',
    );
    const data = ((read(bytes).answers ?? [])[0] as dnsPacket.TxtAnswer).data as Buffer[];
    expect(Buffer.concat(data).toString('utf8')).toBe(text);
    expect(data.every((part) => part.length <= 255)).toBe(true);
  });

  it('never fails on bytes, and what it answers can be read', () => {
    const garbage = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      // A good query with bytes changed, cut or added.
      fc
        .tuple(
          fc.constantFrom('www.garden.test', 'nope.garden.test', 'x'),
          fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 4 }),
          fc.uint8Array({ maxLength: 20 }),
          fc.nat(60),
        )
        .map(([name, changes, more, cut]) => {
          const bytes = Buffer.concat([query(name, 'A', { additionals: opt() }), more]);
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          return bytes.subarray(0, bytes.length - (cut > 40 ? cut - 40 : 0));
        }),
    );
    fc.assert(
      fc.property(garbage, fc.constantFrom('udp' as const, 'tcp' as const), (bytes, transport) => {
        const query = Buffer.from(bytes);
        const reply = respond(zones, query, transport);
        if (query.length < 12 || (query[2] as number) >= 0x80) {
          expect(reply).toBeNull();
          return;
        }
        expect(reply?.readUInt16BE(0)).toBe(query.readUInt16BE(0));
        expect(() => read(reply)).not.toThrow();
      }),
      { numRuns: 2000 },
    );
  });
});
