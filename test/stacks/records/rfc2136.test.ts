import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { rfc2136Dns as rfc2136Gene } from '../../../genome/dns.ts';
import { freePort } from '../../../src/effects/services.ts';
import type { CellError } from '../../../src/errors.ts';
import type { Inputs } from '../../../stacks/handler.ts';
import { registry } from '../../../stacks/handlers.ts';
import type { Wanted } from '../../../stacks/records/claims.ts';
import { type ClientOptions, listed, put, rehearse, take } from '../../../stacks/records/rfc2136.client.ts';
import { recordHandler } from '../../../stacks/records/rfc2136.handler.ts';
import { rfc2136Dns } from '../../../stacks/records/rfc2136.ts';
import { ADDRESSES } from '../../../stacks/records/said.ts';
import {
  address,
  alias,
  MemoryZone,
  plainAnswer,
  startServer,
  TEST_KEY,
  type TestServer,
} from '../../effects/dns/zone.support.ts';

const ZONE = 'garden.test';
const NAME = 'www.garden.test';
const FOREIGN = [address('mail.garden.test', '203.0.113.9'), alias('old.garden.test', 'mail.garden.test')];
const QUICK: ClientOptions = { connectMs: 1_000, answerMs: 150, random: () => 0 };
const UPDATE = 5;

let server: TestServer;
beforeEach(async () => {
  server = await startServer(new MemoryZone(ZONE, FOREIGN));
});
afterEach(() => server.close());

const want = (birth: string, value: string, more: Partial<Wanted> = {}): Wanted => ({
  organism: 'garden',
  birth,
  zone: ZONE,
  name: NAME,
  values: [value],
  ttl: 30,
  ...more,
});
const inputs = (wanted: Wanted): Inputs => ({ ...wanted });
const context = () => ({ credential: { ...server.credential, tsig: { ...server.credential.tsig } } });
const updates = () => server.seen.filter(({ opcode }) => opcode === UPDATE).length;
const gene = (more: object = {}) =>
  rfc2136Gene.parse({
    provider: 'rfc2136',
    server: '192.0.2.53',
    key: 'garden-key',
    credentials: 'env:CELL_TEST_TSIG',
    ...more,
  });

describe('resources', () => {
  const need = {
    organism: 'garden',
    birth: 'b1',
    zone: ZONE,
    domains: ['a.garden.test', 'b.garden.test', 'a.garden.test'],
  };

  it('are one for each domain, which the handler takes with an address of either family', async () => {
    const resources = rfc2136Dns.resources(need, gene({ ttl: '30s' }));
    expect(resources.map(({ name, inputs: { ttl, values } }) => [name, ttl, values])).toEqual([
      ['a.garden.test', 30, ADDRESSES],
      ['b.garden.test', 30, ADDRESSES],
    ]);
    const handler = await registry().get(resources[0]!.type);
    expect(handler).toBe(recordHandler);
    for (const value of ['192.0.2.1', '2001:db8::1']) {
      expect(handler.check({ ...resources[0]!.inputs, values: [value] })).toEqual([]);
    }
  });

  it.each([
    ['250ms', 1],
    ['1s', 1],
    ['1999ms', 1],
    ['5m', 300],
  ])('are remembered for whole seconds, at least one: %s', (ttl, seconds) => {
    expect(rfc2136Dns.resources(need, gene({ ttl }))[0]?.inputs.ttl).toBe(seconds);
  });

  it.each([
    [{ values: ['nonsense'] }, 'values'],
    [{ values: [] }, 'values'],
    [{ values: ['fe80::1%eth0'] }, 'values'],
    [{ values: 'web.example.org' }, 'values'],
    [{ ttl: 0 }, 'ttl'],
    [{ ttl: 1.5 }, 'ttl'],
    [{ name: 'www.other.test' }, 'name'],
    [{ name: 'WWW.garden.test' }, 'name'],
    [{ name: `${'a'.repeat(60)}.`.repeat(4) + ZONE }, 'name'],
    [{ organism: 'gar den' }, 'organism'],
    [{ birth: 'a/b' }, 'birth'],
  ])('with %o are refused at %s', (wrong, key) => {
    expect(
      recordHandler.check({ ...inputs(want('b1', '192.0.2.1')), ...(wrong as Inputs) }).map((one) => one.key),
    ).toContain(key);
  });
});

describe('the credential', () => {
  it.each([
    ['Zm9yIHRlc3RzIG9ubHk=\n', 'Zm9yIHRlc3RzIG9ubHk='],
    ['Zm9y IHRlc3Rz', 'Zm9yIHRlc3Rz'],
  ])('is what the genome says, with the secret from its source: %j', async (given, secret) => {
    process.env.CELL_TEST_TSIG = given;
    const made = rfc2136Dns.credential(gene({ algorithm: 'hmac-sha512' }), '', { zone: ZONE });
    const tsig = { name: 'garden-key', algorithm: 'hmac-sha512', secret };
    expect(await made).toEqual({ server: '192.0.2.53', port: 53, zone: ZONE, tsig });
    delete process.env.CELL_TEST_TSIG;
  });

  it.each(['', 'not base64!', 'abc'])('is refused without being shown when it is no base64: %j', async (given) => {
    process.env.CELL_TEST_TSIG = given;
    const error = await rfc2136Dns.credential(gene(), '', { zone: ZONE }).catch((thrown: unknown) => thrown);
    delete process.env.CELL_TEST_TSIG;
    expect(error).toMatchObject({ code: 'PROVIDER_REFUSED', suggestion: expect.stringContaining('tsig-keygen') });
    if (given !== '')
      expect(JSON.stringify({ ...(error as CellError), message: (error as CellError).message })).not.toContain(given);
  });

  it('is needed', async () => {
    await expect(rfc2136Dns.list('garden', null)).rejects.toMatchObject({ code: 'NOT_ALLOWED' });
  });
});

describe('records', () => {
  it('come, are found, change in place and go, and the rest of the zone is as it was', async () => {
    const mine = want('b1', '192.0.2.1');
    expect(await recordHandler.find?.(inputs(mine), context())).toBeNull();
    const made = await recordHandler.create(inputs(mine), context());
    expect(made).toEqual({ id: 'garden/b1/garden.test/www.garden.test', outputs: mine });
    expect(updates()).toBe(1);
    expect(await recordHandler.create(inputs(mine), context())).toEqual(made);
    expect(updates()).toBe(1);
    await recordHandler.create(inputs(want('b2', '192.0.2.2')), context());
    const after = inputs(want('b1', '2001:db8::7', { ttl: 9 }));
    expect(await recordHandler.update(made.id, made.outputs, after, context())).toEqual({
      id: made.id,
      outputs: after,
    });
    expect(await recordHandler.read(made.id, after, context())).toEqual({ id: made.id, outputs: after });
    expect(await rfc2136Dns.list('garden', context().credential)).toEqual(
      expect.arrayContaining([
        { id: made.id, birth: 'b1', name: NAME, type: 'AAAA', values: ['2001:db8::7'] },
        { id: 'garden/b2/garden.test/www.garden.test', birth: 'b2', name: NAME, type: 'A', values: ['192.0.2.2'] },
      ]),
    );
    await expect(
      recordHandler.update(made.id, after, inputs(want('b9', '192.0.2.1')), context()),
    ).rejects.toMatchObject({
      code: 'USAGE',
    });
    await take(server.credential, want('b1', ''));
    await rfc2136Dns.remove('garden/b2/garden.test/www.garden.test', context().credential);
    await rfc2136Dns.remove('garden/b2/garden.test/www.garden.test', context().credential);
    expect(await recordHandler.read(made.id, after, context())).toBeNull();
    expect(server.zone.dump()).toEqual(new MemoryZone(ZONE, FOREIGN).dump());
  });

  it.each(['mail.garden.test', 'old.garden.test'])('of others are not joined: %s', async (name) => {
    await expect(put(server.credential, want('b1', '192.0.2.1', { name }), QUICK)).rejects.toMatchObject({
      code: 'PROVIDER_REFUSED',
      message: `${name} belongs to somebody else`,
      suggestion: expect.stringContaining('another domain'),
    });
    expect(server.zone.dump()).toEqual(new MemoryZone(ZONE, FOREIGN).dump());
  });

  it('are rehearsed without a change', async () => {
    await put(server.credential, want('b1', '192.0.2.1'));
    const before = [server.zone.serial, server.zone.dump()];
    await rehearse(server.credential, 'garden', [NAME, 'new.garden.test']);
    expect(updates()).toBe(3);
    expect([server.zone.serial, server.zone.dump()]).toEqual(before);
  });

  it('come and go by many cells at once', async () => {
    const cells = Array.from({ length: 20 }, (_, index) => want(`b${index}`, `192.0.2.${index}`));
    await Promise.all(cells.map((one) => put(server.credential, one)));
    expect(await listed(server.credential, 'garden')).toHaveLength(20);
    await Promise.all(cells.map((one) => take(server.credential, one)));
    expect(server.zone.dump()).toEqual(new MemoryZone(ZONE, FOREIGN).dump());
  });
});

describe('when an answer is lost', () => {
  test.each([
    ['after the update took effect', true],
    ['and the update with it', false],
  ])('%s, the record is there once', async (_, applied) => {
    let lost = 0;
    server.trouble = (request, answer) => {
      if (request.opcode !== UPDATE || lost > 0) return answer;
      lost += 1;
      if (!applied) server.zone.records = FOREIGN;
      return null;
    };
    await put(server.credential, want('b1', '192.0.2.1'), QUICK);
    expect(lost).toBe(1);
    expect(updates()).toBe(applied ? 1 : 2);
    expect(server.zone.set(NAME, 1)).toHaveLength(1);
    lost = 0;
    await take(server.credential, want('b1', ''), QUICK);
    expect(lost).toBe(1);
    expect(server.zone.dump()).toEqual(new MemoryZone(ZONE, FOREIGN).dump());
  });

  test('a connection that ends instead is no different', async () => {
    server.trouble = (request, answer, { socket }) => {
      if (request.opcode !== UPDATE) return answer;
      socket.destroy();
      return null;
    };
    await put(server.credential, want('b1', '192.0.2.1'), QUICK);
    expect(updates()).toBe(1);
  });

  test('each time, it is said after three', async () => {
    server.trouble = () => null;
    await expect(put(server.credential, want('b1', '192.0.2.1'), QUICK)).rejects.toMatchObject({
      code: 'PROVIDER_REFUSED',
      message: `The DNS server at 127.0.0.1 port ${server.credential.port} does not answer`,
      why: expect.stringContaining('150 ms'),
      fields: { answered: false, sent: true },
    });
    expect(server.seen).toHaveLength(3);
  });
});

describe('a server', () => {
  const failure = (work: Promise<unknown>) =>
    work.then(
      () => expect.fail('it worked'),
      (thrown: CellError) => thrown,
    );
  const attempt = () => failure(put(server.credential, want('b1', '192.0.2.1'), QUICK));

  test('that is not there is named, at once', async () => {
    const port = await freePort('127.0.0.1');
    const error = await failure(put({ ...server.credential, port }, want('b1', '192.0.2.1')));
    expect(error).toMatchObject({
      code: 'PROVIDER_REFUSED',
      message: `The DNS server at 127.0.0.1 port ${port} does not answer`,
      why: expect.stringContaining('ECONNREFUSED'),
      suggestion: expect.stringContaining('dns.server'),
      fields: { answered: false, sent: false },
    });
  });

  test('that takes connections and says nothing that is DNS is named', async () => {
    const web = createServer((socket) => socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await new Promise<void>((done) => web.listen(0, '127.0.0.1', done));
    const { port } = web.address() as { port: number };
    const error = await failure(put({ ...server.credential, port }, want('b1', '192.0.2.1'), QUICK));
    await new Promise((done) => web.close(done));
    expect(error).toMatchObject({ code: 'PROVIDER_REFUSED', fields: { answered: false } });
  });

  test.each([
    ['REFUSED', 5, 'its policy does not let the key garden-key', 'update-policy'],
    ['NOTAUTH', 9, 'its policy does not let the key garden-key', 'update-policy'],
    ['NOTZONE', 10, 'outside of its zone', 'inside the zone'],
    ['SERVFAIL', 2, 'a full disk', 'max-records-per-type'],
    ['NOTIMP', 4, 'takes no dynamic updates', 'another DNS provider'],
    ['FORMERR', 1, 'did not expect this', "server's log"],
  ])('that answers an update with %s gives its reason and what to do', async (name, rcode, why, suggestion) => {
    server.trouble = (request, answer, { sign }) => (request.opcode === UPDATE ? sign({ rcode }) : answer);
    expect(await attempt()).toMatchObject({
      code: 'PROVIDER_REFUSED',
      message: expect.stringContaining(NAME),
      why: expect.stringMatching(new RegExp(`^${name}: .*${why}`)),
      suggestion: expect.stringContaining(suggestion),
      fields: { rcode: name, answered: true },
    });
    expect(updates()).toBe(1);
  });

  test.each([
    [16, 'BADSIG', 'dns.credentials'],
    [17, 'BADKEY', 'dns.key'],
    [22, 'BADTRUNC', 'dns.algorithm'],
  ])('that does not accept the key says so: %i', async (error, name, suggestion) => {
    server.trouble = (_, __, { sign }) => sign({ rcode: 9, error, mac: Buffer.alloc(0) });
    expect(await attempt()).toMatchObject({
      message: expect.stringContaining('does not accept the key garden-key'),
      why: expect.stringContaining(name),
      suggestion: expect.stringContaining(suggestion),
    });
  });

  test('that names the key as the reason after it had accepted it means its policy', async () => {
    server.trouble = (request, answer, { sign }) =>
      request.opcode === UPDATE ? sign({ rcode: 9, error: 17, mac: Buffer.alloc(0) }) : answer;
    expect(await attempt()).toMatchObject({ why: expect.stringContaining('its policy'), fields: { rcode: 'NOTAUTH' } });
  });

  test('with another clock says by how much', async () => {
    const other = Buffer.alloc(6);
    const said = Math.floor(Date.now() / 1000);
    other.writeUIntBE(said + 3600, 0, 6);
    server.trouble = (_, __, { sign }) => sign({ rcode: 9, error: 18, other });
    const error = await attempt();
    expect(error.why).toMatch(/^BADTIME: the clock here is 3(599|600) s behind the server's$/);
    expect(error.suggestion).toContain('NTP');
  });

  test('with an answer of another time is not believed', async () => {
    server.trouble = (_, __, { sign }) => sign({ at: Math.floor(Date.now() / 1000) - 4000 });
    expect((await attempt()).why).toMatch(/the clock here is 4\d{3} s ahead of the server's/);
  });

  test('that does not sign, or somebody else in its place, is not believed', async () => {
    server.trouble = (_, __, { bytes }) => plainAnswer(bytes, {});
    expect(await attempt()).toMatchObject({
      message: expect.stringContaining('cannot be trusted'),
      why: 'it is not signed',
    });
    server.trouble = (_, __, { sign }) => sign({ mac: Buffer.alloc(32) });
    expect(await attempt()).toMatchObject({ message: expect.stringContaining('cannot be trusted') });
    expect(updates()).toBe(0);
  });

  test('of another zone is told apart', async () => {
    const error = await failure(
      put(server.credential, want('b1', '192.0.2.1', { zone: 'a.other.test', name: 'a.other.test' })),
    );
    expect(error).toMatchObject({ fields: { rcode: 'REFUSED' }, suggestion: expect.stringContaining('dns.server') });
    server.trouble = (_, __, { sign }) => sign({});
    expect(await attempt()).toMatchObject({ message: expect.stringContaining('does not have the zone garden.test') });
  });

  test('that takes an update and does not do it is caught', async () => {
    server.trouble = (request, answer, { sign }) => {
      if (request.opcode !== UPDATE) return answer;
      server.zone.records = FOREIGN;
      return sign({});
    };
    expect(await attempt()).toMatchObject({ message: expect.stringContaining('does not show what it took') });
  });

  test('never gets the secret to say', async () => {
    for (const rcode of [2, 5, 9]) {
      server.trouble = (_, __, { sign }) => sign({ rcode });
      const error = await attempt();
      expect(JSON.stringify([error.message, error.why, error.suggestion, error.fields, error.stack])).not.toContain(
        TEST_KEY.secret,
      );
    }
  });
});
