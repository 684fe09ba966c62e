/**
 * The provider `rfc2136` against the servers people run: the same suite on Knot and on BIND. What each server's own policy
 * is worth is tried with a key limited to one domain; every zone is compared as a whole, before and after.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { compile, firstCell } from '../../genome/compile.ts';
import { parseGenome } from '../../genome/parse.ts';
import type { Genome } from '../../genome/schema.ts';
import { doctor } from '../../src/doctor.ts';
import { type PrimaryCredential, withPrimary } from '../../src/effects/dns/primary.ts';
import { untilNotShown } from '../../src/effects/dns/published.ts';
import { freePort } from '../../src/effects/services.ts';
import type { CellError } from '../../src/errors.ts';
import { engine } from '../../stacks/engines/index.ts';
import { type ClientOptions, listed, put, take } from '../../stacks/records/rfc2136.client.ts';
import { recordHandler } from '../../stacks/records/rfc2136.handler.ts';
import { rfc2136Dns } from '../../stacks/records/rfc2136.ts';
import type { Json } from '../../stacks/stack.ts';
import { type NameServer, newKey, type ServerKey, startBind, startKnot } from './nameservers.ts';
import { BIND, KNOT, needs } from './needs.ts';

const ZONE = 'garden.test';
const NAME = 'www.garden.test';
const CELLS = 100;
/** Longer than a loaded machine takes for an update, so that only what is dropped is lost. */
const PATIENCE: ClientOptions = { answerMs: 2_000 };
/** What others have in the zone, also under and around the names that the organism uses. */
const FOREIGN = [
  '@ 3600 A 203.0.113.1',
  '@ MX 10 mail',
  '@ TXT "v=spf1 -all"',
  'mail A 203.0.113.2',
  'old CNAME mail',
  'www MX 10 mail',
  '_cell.www 60 TXT "somebody else\'s text"',
  '*.wild A 203.0.113.3',
];
const SERVERS = [
  { kind: 'knot', title: 'rfc2136 on Knot', needed: KNOT, start: startKnot },
  { kind: 'bind', title: 'rfc2136 on BIND', needed: BIND, start: startBind },
] as const;

const want = (birth: string, value: string, name = NAME) => ({
  organism: 'garden',
  birth,
  zone: ZONE,
  name,
  values: [value],
  ttl: 30,
});
const json = (credential: PrimaryCredential): Json => credential as unknown as Json;
const failure = (work: Promise<unknown>): Promise<CellError> =>
  work.then(
    () => expect.fail('it worked'),
    (thrown: CellError) => thrown,
  );

describe.each(SERVERS)('$title', ({ kind, title, needed, start }) => {
  describe.skipIf(needs(title, needed))('with real programs', () => {
    const all = newKey('garden-all', 'hmac-sha512');
    const only: ServerKey = newKey('garden-only', 'hmac-sha256', { zone: ZONE, domains: [NAME] });
    let server: NameServer;
    let before: readonly string[];

    beforeAll(async () => {
      const port = await freePort('127.0.0.1');
      server = await start({ zone: ZONE, address: '127.0.0.1', port, keys: [all, only], records: FOREIGN });
      before = await server.dump();
    });
    afterAll(() => server?.stop());
    // What a failed test left must not make the next one fail.
    afterEach(async () => {
      for (const { id } of await rfc2136Dns.list('garden', json(credential()))) {
        await rfc2136Dns.remove(id, json(credential()));
      }
    });
    const credential = (key = all): PrimaryCredential => server.credential(key);
    const context = (key = all) => ({ credential: json(credential(key)) });
    const resolve = async (name = NAME, type: 'A' | 'AAAA' | 'TXT' = 'A') =>
      [...(await rfc2136Dns.resolve(name, type, json(credential())))].sort();
    const expectAsBefore = async () => expect(await server.dump()).toEqual(before);

    test.each([
      ['the whole zone', all],
      ['one domain', only],
    ])('records come, change, are listed and go, with a key for %s', async (_, key) => {
      const mine = want('b1', '192.0.2.1');
      expect(await resolve()).toEqual([]);
      expect(await recordHandler.find?.(mine, context(key))).toBeNull();
      const made = await recordHandler.create(mine, context(key));
      expect(await recordHandler.create(mine, context(key))).toEqual(made);
      await recordHandler.create(want('b2', '192.0.2.2'), context(key));
      expect(await resolve()).toEqual(['192.0.2.1', '192.0.2.2']);
      expect(await resolve(`_cell.${NAME}`, 'TXT')).toContain('v=cell1 organism=garden cell=b1 address=192.0.2.1');
      const after = { ...want('b1', '2001:db8::1'), ttl: 7 };
      expect(await recordHandler.update(made.id, mine, after, context(key))).toEqual({ id: made.id, outputs: after });
      expect(await recordHandler.read(made.id, after, context(key))).toEqual({ id: made.id, outputs: after });
      expect([await resolve(), await resolve(NAME, 'AAAA')]).toEqual([['192.0.2.2'], ['2001:db8::1']]);
      expect(
        (await rfc2136Dns.list('garden', context(key).credential)).map(({ birth, type }) => [birth, type]).sort(),
      ).toEqual([
        ['b1', 'AAAA'],
        ['b2', 'A'],
      ]);
      expect(await rfc2136Dns.list('meadow', context(key).credential)).toEqual([]);
      await recordHandler.delete(made.id, after, context(key));
      await recordHandler.delete(made.id, after, context(key));
      expect(await recordHandler.read(made.id, after, context(key))).toBeNull();
      for (const { id } of await rfc2136Dns.list('garden', context(key).credential)) {
        await rfc2136Dns.remove(id, context(key).credential);
      }
      expect(await resolve()).toEqual([]);
      await expectAsBefore();
    });

    test('a stack says, changes and takes back what the cell is called, and keeps no secret', async () => {
      const home = mkdtempSync(join(tmpdir(), 'cell-voice-'));
      try {
        const genome = genomeFor(credential());
        const voice = compile(genome, firstCell(genome)).find((stack) => stack.kind === 'voice');
        const runs = await engine('embedded', { home, credentials: { 'rfc2136-dns': json(credential()) } });
        const up = (address: string) => runs.up(voice!, { values: { address, address6: '' } });
        expect((await up('192.0.2.1')).changes.map((one) => one.operation)).toEqual(['create']);
        expect((await up('192.0.2.1')).changes.map((one) => one.operation)).toEqual(['same']);
        expect((await up('192.0.2.7')).changes.map((one) => one.operation)).toEqual(['update']);
        expect(await resolve()).toEqual(['192.0.2.7']);
        const kept = readdirSync(home, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
        expect(kept.join()).toContain(NAME);
        expect(kept.join()).not.toContain(all.secret);
        await runs.destroy(voice!.name);
        await expectAsBefore();
      } finally {
        rmSync(home, { recursive: true, force: true });
      }
    });

    test(`${CELLS} cells come at once under one name, and go at once`, async () => {
      const cells = Array.from({ length: CELLS }, (_, index) => want(`b${index}`, `192.0.2.${index}`));
      const began = performance.now();
      await Promise.all(cells.map((one) => put(credential(), one)));
      const came = performance.now();
      expect(await resolve()).toHaveLength(CELLS);
      expect(await listed(credential(), 'garden')).toHaveLength(CELLS);
      const went = performance.now();
      await Promise.all(cells.map((one) => take(credential(), one)));
      const gone = performance.now();
      console.info(`${kind}: ${CELLS} at once came in ${ms(came - began)} and went in ${ms(gone - went)}`);
      await expectAsBefore();
    });

    test('one record is made and seen', async () => {
      const made: number[] = [];
      const seen: number[] = [];
      for (let index = 0; index < 20; index++) {
        const began = performance.now();
        await put(credential(), want(`b${index}`, `192.0.2.${index}`));
        made.push(performance.now() - began);
        expect(await resolve()).toContain(`192.0.2.${index}`);
        seen.push(performance.now() - began);
        await take(credential(), want(`b${index}`, ''));
      }
      console.info(
        `${kind}: one record made in ${ms(median(made))}, made and seen in ${ms(median(seen))} (median of 20)`,
      );
      expect(median(seen)).toBeLessThan(2_000);
      await expectAsBefore();
    });

    test('a name of others is not joined, one under a wildcard is ours', async () => {
      for (const name of [ZONE, 'mail.garden.test', 'old.garden.test']) {
        expect(await failure(put(credential(), want('b1', '192.0.2.1', name)))).toMatchObject({
          code: 'PROVIDER_REFUSED',
          message: `${name} belongs to somebody else`,
        });
      }
      const wild = want('b1', '192.0.2.1', 'a.wild.garden.test');
      expect(await resolve(wild.name)).toEqual(['203.0.113.3']);
      await put(credential(), wild);
      expect(await resolve(wild.name)).toEqual(['192.0.2.1']);
      await take(credential(), wild);
      expect(await resolve(wild.name)).toEqual(['203.0.113.3']);
      await expectAsBefore();
    });

    test('a key for one domain changes nothing else, and the refusal says so', async () => {
      const mine = await failure(put(credential(only), want('b1', '192.0.2.1', 'other.garden.test')));
      expect(mine).toMatchObject({
        code: 'PROVIDER_REFUSED',
        message: expect.stringContaining('refuses to change other.garden.test'),
        why: expect.stringContaining('policy does not let the key garden-only'),
        suggestion: expect.stringContaining('docs/providers.md'),
        fields: { rcode: expect.stringMatching(kind === 'knot' ? /^(NOTAUTH|REFUSED)$/ : /^REFUSED$/) },
      });
      const text = { name: 'mail.garden.test', type: 'TXT', ttl: 5, data: [Buffer.from('x')] } as const;
      const mail = { name: 'mail.garden.test', type: 'A', ttl: 5, data: '203.0.113.2' } as const;
      for (const change of [
        { kind: 'add', record: text },
        { kind: 'remove', record: mail },
      ] as const) {
        const work = withPrimary(credential(only), (primary) => primary.update({ conditions: [], changes: [change] }));
        expect(await failure(work)).toMatchObject({
          message: expect.stringContaining('refuses to change mail.garden.test'),
        });
      }
      await expectAsBefore();
    });

    test('each refusal has its own reason', async () => {
      const wrong = (tsig: Partial<PrimaryCredential['tsig']>, options: ClientOptions = {}) =>
        failure(put({ ...credential(), tsig: { ...credential().tsig, ...tsig } }, want('b1', '192.0.2.1'), options));
      expect((await wrong({ name: 'nobody' })).why).toContain('BADKEY');
      expect((await wrong({ algorithm: 'hmac-sha384' })).why).toContain('BADKEY');
      expect((await wrong({ secret: Buffer.from('another').toString('base64') })).why).toContain('BADSIG');
      expect((await wrong({}, { now: () => Date.now() - 3_600_000 })).why).toMatch(/clock here is 3\d{3} s behind/);
      expect((await wrong({}, { now: () => Date.now() + 3_600_000 })).why).toMatch(/clock here is 3\d{3} s ahead/);
      const outside = { name: 'www.other.test', type: 'A', ttl: 5, data: '192.0.2.1' } as const;
      const changes = [{ kind: 'add', record: outside }] as const;
      const notZone = await failure(
        withPrimary(credential(), (primary) => primary.update({ conditions: [], changes })),
      );
      expect(notZone).toMatchObject({
        why: expect.stringContaining('lies outside of its zone'),
        fields: { rcode: 'NOTZONE' },
      });
      const other = { ...want('b1', '192.0.2.1', 'a.other.test'), zone: 'other.test' };
      expect(await failure(put(credential(), other))).toMatchObject({ fields: { rcode: 'REFUSED' } });
      await expectAsBefore();
    });

    test('an update whose answer is lost is found again', async () => {
      const proxy = await dropping((bytes) => ((bytes.readUInt16BE(2) >> 11) & 0xf) === 5);
      const through = { ...credential(), port: proxy.port };
      await put(through, want('b1', '192.0.2.1'), PATIENCE);
      expect(proxy.dropped()).toBe(1);
      expect(await resolve()).toEqual(['192.0.2.1']);
      proxy.again();
      await take(through, want('b1', ''), PATIENCE);
      expect(proxy.dropped()).toBe(2);
      await proxy.close();
      await expectAsBefore();
    });

    test('one that hangs or is killed is said to, and what it took is there afterwards', async () => {
      await put(credential(), want('b1', '192.0.2.1'));
      await server.pause();
      const hangs = await failure(put(credential(), want('b2', '192.0.2.2'), PATIENCE));
      expect(hangs).toMatchObject({ code: 'PROVIDER_REFUSED', fields: { answered: false, sent: true } });
      await server.kill();
      const gone = await failure(put(credential(), want('b2', '192.0.2.2')));
      expect(gone).toMatchObject({ code: 'PROVIDER_REFUSED', fields: { answered: false, sent: false } });
      await expect(resolve()).rejects.toMatchObject({ code: 'PROVIDER_REFUSED' });
      await server.restart();
      expect(await resolve()).toEqual(['192.0.2.1']);
      await put(credential(), want('b2', '192.0.2.2'));
      for (const birth of ['b1', 'b2']) await take(credential(), want(birth, ''));
      await expectAsBefore();
    });

    test('doctor tells whether the key may do what the genome needs, and changes nothing', async () => {
      const serial = () =>
        withPrimary(credential(), async (primary) => JSON.stringify((await primary.ask(ZONE, 'SOA')).answers));
      const was = await serial();
      const look = async (key: ServerKey, domain: string) => {
        process.env.CELL_TEST_TSIG = key.secret;
        const checks = await doctor(genomeFor(credential(key), domain));
        delete process.env.CELL_TEST_TSIG;
        return checks.find(({ name }) => name === 'dns');
      };
      expect(await look(only, NAME)).toMatchObject({ ok: true, found: expect.stringContaining(`may change ${NAME}`) });
      expect(await look(only, 'other.garden.test')).toMatchObject({
        ok: false,
        found: expect.stringContaining('refuses to change other.garden.test'),
        mend: expect.stringContaining('garden-only'),
      });
      expect(await look({ ...all, secret: only.secret }, NAME)).toMatchObject({
        ok: false,
        mend: expect.stringContaining('dns.credentials'),
      });
      expect(await serial()).toBe(was);
    });

    test('a copy of the zone that lags is waited for', async () => {
      // BIND listens only where an interface says it is at home.
      const [first, second] = ['127.53.0.1', '127.53.0.2'];
      const addresses = [first, second].map((address) => ['addr', 'replace', `${address}/32`, 'dev', 'lo']);
      const servers: NameServer[] = [];
      try {
        for (const args of addresses) await promisify(execFile)('ip', args);
        const records = [`ns1 A ${first}`, `ns2 A ${second}`];
        const options = { zone: 'copied.test', port: 53, keys: [all], nameservers: ['ns1', 'ns2'] };
        servers.push(await start({ ...options, address: first, records, secondaries: [second] }));
        const copies = kind === 'knot' ? startBind : startKnot;
        servers.push(await copies({ ...options, address: second, primary: { address: first, port: 53 } }));
        const [primary, secondary] = servers as [NameServer, NameServer];
        const here = primary.credential();
        const mine = { ...want('b1', '192.0.2.1', 'www.copied.test'), zone: 'copied.test' };
        const shows = () => rfc2136Dns.resolve(mine.name, 'A', json(here));
        await put(here, mine);
        await expect.poll(shows, { timeout: 20_000 }).toEqual(['192.0.2.1']);
        await secondary.pause();
        expect(await shows()).toEqual(['192.0.2.1']);
        await put(here, { ...mine, birth: 'b2', values: ['192.0.2.2'] });
        await take(here, mine);
        secondary.goOn();
        await untilNotShown(here, mine.name, mine.values);
        expect((await secondary.dump()).filter((line) => line.includes('192.0.2.1'))).toEqual([]);
        await expect.poll(shows, { timeout: 20_000 }).toEqual(['192.0.2.2']);
      } finally {
        await Promise.all(servers.map((one) => one.stop()));
        for (const [, , ...args] of addresses) await promisify(execFile)('ip', ['addr', 'del', ...args]);
      }
    });

    /** In front of the server: passes everything on but the first answer to a message of a kind. */
    async function dropping(which: (message: Buffer) => boolean) {
      let [drops, dropped] = [1, 0];
      const proxy: Server = createServer((near) => {
        const far = connect(server.port, server.address);
        let silent = false;
        near.on('data', (chunk: Buffer) => {
          if (drops > 0 && which(chunk.subarray(2))) {
            [silent, drops, dropped] = [true, drops - 1, dropped + 1];
          }
          far.write(chunk);
        });
        far.on('data', (chunk) => void (silent || near.write(chunk)));
        near.on('close', () => far.destroy());
        far.on('close', () => near.destroy());
        for (const socket of [near, far]) socket.on('error', () => socket.destroy());
      });
      await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
      return {
        port: (proxy.address() as { port: number }).port,
        dropped: () => dropped,
        again: () => {
          drops = 1;
        },
        close: () => new Promise((done) => proxy.close(done)),
      };
    }
  });
});

describe.skipIf(needs('sets that are too large for BIND', BIND))('BIND', () => {
  test('says that it takes no more records in a set', async () => {
    const port = await freePort('127.0.0.1');
    const options = { zone: ZONE, address: '127.0.0.1', port, keys: [newKey('garden-all')], largestSet: 3 };
    const server = await startBind(options);
    try {
      for (const last of [1, 2, 3]) await put(server.credential(), want(`b${last}`, `192.0.2.${last}`));
      const before = await server.dump();
      expect(await failure(put(server.credential(), want('b4', '192.0.2.4')))).toMatchObject({
        code: 'PROVIDER_REFUSED',
        suggestion: expect.stringContaining('max-records-per-type'),
      });
      expect(await server.dump()).toEqual(before);
    } finally {
      await server.stop();
    }
  });
});

const ms = (value: number) => `${value.toFixed(1)} ms`;
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

function genomeFor({ server, port, tsig }: PrimaryCredential, domain = NAME): Genome {
  const text = [
    'organism: garden',
    `zone: ${ZONE}`,
    'clouds: { here: { provider: local, network: 127.91.0.0/16 } }',
    'dns:',
    '  provider: rfc2136',
    `  server: ${server}`,
    `  port: ${port}`,
    `  key: ${tsig.name}`,
    `  algorithm: ${tsig.algorithm}`,
    '  credentials: env:CELL_TEST_TSIG',
    'functions:',
    `  web: { run: node web.js, domain: ${domain} }`,
  ].join('\n');
  const { genome, findings } = parseGenome(text, 'genome.yaml');
  if (genome === null) throw new Error(JSON.stringify(findings));
  return genome;
}
