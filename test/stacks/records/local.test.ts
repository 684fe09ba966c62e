import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../../src/effects/services.ts';
import { type DnsCredential, ensureDns } from '../../../src/local/dns-client.ts';
import type { Inputs } from '../../../stacks/handler.ts';
import { recordHandler } from '../../../stacks/records/local.handler.ts';
import { localDns } from '../../../stacks/records/local.ts';

const SLOW = 60_000;
const garden = { zone: 'garden.test' };
let home: string;
let credential: DnsCredential;

async function listen(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((done, failed) => {
    server.once('error', failed);
    server.listen(port, '127.0.0.1', done);
  });
  return server;
}

/** Throws when somebody still listens. */
async function expectFree(port: number): Promise<void> {
  const server = await listen(port);
  await new Promise((done) => server.close(done));
}

/** Pids of DNS servers of this home, from the computer's own list. */
function servers(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${credential.dir}\0${credential.port}`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'cell-dns-'));
  const port = await freePort('127.0.0.1');
  credential = (await localDns.credential(
    { provider: 'local', port, ttl: 5000 },
    home,
    garden,
  )) as unknown as DnsCredential;
});

afterEach(async () => {
  for (const pid of servers()) process.kill(pid, 'SIGTERM');
  await expect.poll(servers, { timeout: 20_000 }).toEqual([]);
  await rm(home, { recursive: true, force: true });
});

function record(birth: string, value: string, more: Inputs = {}): Inputs {
  const base = { organism: 'garden', birth, zone: 'garden.test', name: 'www.garden.test', type: 'A', ttl: 5 };
  return { ...base, values: [value], ...more };
}
const context = () => ({ credential: { ...credential } });
const resolve = async (name = 'www.garden.test', type: 'A' | 'TXT' | 'SRV' = 'A') =>
  [...(await localDns.resolve(name, type, { ...credential }))].sort();

describe('resources', () => {
  it('are an address and whose it is, for each domain', () => {
    const need = {
      organism: 'garden',
      birth: 'b0123456789',
      zone: 'garden.test',
      domains: ['a.garden.test', 'b.garden.test'],
    };
    const resources = localDns.resources(need, { provider: 'local', port: 5380, ttl: 5999 });
    expect(resources.map(({ inputs }) => [inputs.name, inputs.type, inputs.values, inputs.ttl])).toEqual([
      ['a.garden.test', 'A', [{ $value: 'address' }], 5],
      ['_cell.a.garden.test', 'TXT', ['v=cell1 organism=garden cell=b0123456789'], 5],
      ['b.garden.test', 'A', [{ $value: 'address' }], 5],
      ['_cell.b.garden.test', 'TXT', ['v=cell1 organism=garden cell=b0123456789'], 5],
    ]);
    expect(new Set(resources.map((each) => each.name)).size).toBe(4);
    for (const { type, inputs } of resources) {
      expect(type).toBe(recordHandler.type);
      const filled = inputs.type === 'A' ? { ...inputs, values: ['127.0.0.1'] } : inputs;
      expect(recordHandler.check(filled)).toEqual([]);
    }
  });

  it('may not be remembered for longer than the genome says', () => {
    const need = { organism: 'garden', birth: 'b1', zone: 'garden.test', domains: ['a.garden.test'] };
    const ttl = (ms: number) => localDns.resources(need, { provider: 'local', port: 5380, ttl: ms })[0]?.inputs.ttl;
    expect([ttl(250), ttl(1000), ttl(30_000)]).toEqual([0, 1, 30]);
  });
});

describe('credential', () => {
  it('keeps its token, which nobody else can read, and starts nothing', async () => {
    const again = await localDns.credential({ provider: 'local', port: credential.port, ttl: 1 }, home, garden);
    expect(again).toEqual(credential);
    expect(statSync(join(credential.dir, 'token')).mode & 0o777).toBe(0o600);
    expect(servers()).toEqual([]);
  });

  it('has one token when made twice at once', async () => {
    const fresh = join(home, 'other');
    const gene = { provider: 'local', port: 5380, ttl: 1 } as const;
    const made = await Promise.all([1, 2, 3, 4].map(() => localDns.credential(gene, fresh, garden)));
    expect(new Set(made.map((each) => (each as unknown as DnsCredential).token)).size).toBe(1);
  });
});

describe('records', () => {
  it(
    'come, change in place, are read and go; the server outlives a restart and leaves nothing behind',
    async () => {
      expect(await localDns.list('garden', { ...credential })).toEqual([]);
      expect(await resolve()).toEqual([]);
      expect(await recordHandler.find?.(record('b1', '127.0.0.2'), context())).toBeNull();
      expect(servers()).toEqual([]);

      const mine = await recordHandler.create(record('b1', '127.0.0.2'), context());
      expect(mine.outputs).toEqual(record('b1', '127.0.0.2'));
      expect(await recordHandler.create(record('b1', '127.0.0.2'), context())).toEqual(mine);
      const other = await recordHandler.create(record('b2', '127.0.0.3'), context());
      expect(await resolve()).toEqual(['127.0.0.2', '127.0.0.3']);

      const wanted = record('b1', '127.0.0.9', { ttl: 9 });
      expect(await recordHandler.find?.(wanted, context())).toEqual(mine);
      expect(await recordHandler.find?.(record('b3', '127.0.0.9'), context())).toBeNull();

      const after = record('b1', '127.0.0.4', { ttl: 7 });
      const changed = await recordHandler.update(mine.id, record('b1', '127.0.0.2'), after, context());
      expect(changed).toEqual({ id: mine.id, outputs: after });
      expect(await resolve()).toEqual(['127.0.0.3', '127.0.0.4']);

      const [pid] = servers();
      process.kill(pid as number, 'SIGKILL');
      await expect.poll(servers, { timeout: 20_000 }).toEqual([]);
      expect(await recordHandler.read(mine.id, after, context())).toEqual(changed);
      expect(await resolve()).toEqual(['127.0.0.3', '127.0.0.4']);

      await recordHandler.delete(mine.id, after, context());
      await recordHandler.delete(mine.id, after, context());
      expect(await recordHandler.read(mine.id, after, context())).toBeNull();
      expect(await resolve()).toEqual(['127.0.0.3']);

      await localDns.forget?.('garden', { ...credential });
      expect(servers()).toHaveLength(1);
      expect((await localDns.list('garden', { ...credential })).map((each) => [each.id, each.birth])).toEqual([
        [other.id, 'b2'],
      ]);
      await localDns.remove(other.id, { ...credential });
      await localDns.remove(other.id, { ...credential });
      expect(await resolve()).toEqual([]);

      await localDns.forget?.('garden', { ...credential });
      expect(existsSync(credential.dir)).toBe(false);
      await expectFree(credential.port);
      await expect.poll(servers, { timeout: 20_000 }).toEqual([]);
      await localDns.forget?.('garden', { ...credential });
      await recordHandler.delete(mine.id, after, context());
      expect(servers()).toEqual([]);
    },
    SLOW,
  );

  it(
    'of others are never touched',
    async () => {
      const mine = record('b1', '127.0.0.2');
      const { id } = await recordHandler.create(mine, context());
      const theirs = record('b2', '127.0.0.9');
      await expect(recordHandler.delete(id, theirs, context())).rejects.toMatchObject({ code: 'NOT_ALLOWED' });
      await expect(recordHandler.update(id, mine, theirs, context())).rejects.toMatchObject({ code: 'USAGE' });
      await expect(
        recordHandler.create(record('b2', 'www.example.org', { type: 'CNAME' }), context()),
      ).rejects.toMatchObject({ code: 'PROVIDER_REFUSED' });
      expect((await recordHandler.read(id, mine, context()))?.outputs).toEqual(mine);
    },
    SLOW,
  );

  it(
    'of every type are asked for over DNS',
    async () => {
      await recordHandler.create(record('b1', 'v=cell1 x', { type: 'TXT' }), context());
      await recordHandler.create(
        record('b1', '1 2 8080 www.garden.test', { type: 'SRV', name: '_a._tcp.garden.test' }),
        context(),
      );
      expect(await resolve('www.garden.test', 'TXT')).toEqual(['v=cell1 x']);
      expect(await resolve('_a._tcp.garden.test', 'SRV')).toEqual(['1 2 8080 www.garden.test']);
      expect(await resolve('www.garden.test', 'A')).toEqual([]);
      expect(await resolve('nothing.garden.test', 'A')).toEqual([]);
    },
    SLOW,
  );
});

describe('the server', () => {
  it(
    'is one, however many want it at once',
    async () => {
      const births = Array.from({ length: 6 }, (_, i) => `b${i}`);
      await Promise.all(births.map((birth, i) => recordHandler.create(record(birth, `127.0.0.${i + 2}`), context())));
      expect(servers()).toHaveLength(1);
      expect(await resolve()).toHaveLength(6);
    },
    SLOW,
  );

  it(
    'takes nothing of who starts it',
    async () => {
      process.env.CELL_MACHINE = 'marker';
      process.env.CELL_ROOT = home;
      try {
        await ensureDns(credential);
      } finally {
        delete process.env.CELL_MACHINE;
        delete process.env.CELL_ROOT;
      }
      const [pid] = servers();
      expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain('CELL_');
      expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(credential.token);
      expect(Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1])).not.toBe(process.pid);
    },
    SLOW,
  );

  it(
    'says what to do when its port is taken',
    async () => {
      const server = await listen(credential.port);
      try {
        await expect(recordHandler.create(record('b1', '127.0.0.2'), context())).rejects.toMatchObject({
          code: 'PROVIDER_REFUSED',
          suggestion: expect.stringContaining('dns.port'),
        });
      } finally {
        await new Promise((done) => server.close(done));
      }
      expect(servers()).toEqual([]);
    },
    SLOW,
  );

  it(
    'does not begin anew over records it cannot read',
    async () => {
      await writeFile(join(credential.dir, 'records.json'), '{"v":1,"zones"');
      await expect(recordHandler.create(record('b1', '127.0.0.2'), context())).rejects.toMatchObject({
        code: 'PROVIDER_REFUSED',
        why: expect.stringContaining('records.json'),
      });
      expect(readFileSync(join(credential.dir, 'records.json'), 'utf8')).toBe('{"v":1,"zones"');
    },
    SLOW,
  );

  it(
    'stays on its port',
    async () => {
      await ensureDns(credential);
      await expect(ensureDns({ ...credential, port: await freePort('127.0.0.1') })).rejects.toMatchObject({
        why: expect.stringContaining('served on the port'),
      });
      expect(servers()).toHaveLength(1);
    },
    SLOW,
  );

  it(
    'answers its API to nobody without the token',
    async () => {
      const api = await ensureDns(credential);
      const answer = await fetch(`http://127.0.0.1:${api}/v1/records`);
      expect(answer.status).toBe(401);
      const wrong = await fetch(`http://127.0.0.1:${api}/v1/records`, { headers: { authorization: 'Bearer x' } });
      expect(wrong.status).toBe(401);
      const put = (id: string, body: string, owner: string) =>
        fetch(`http://127.0.0.1:${api}/v1/records/${encodeURIComponent(id)}`, {
          method: 'PUT',
          headers: { authorization: `Bearer ${credential.token}`, 'cell-owner': owner },
          body,
        }).then((each) => each.status);
      const id = 'garden/b1/garden.test/www.garden.test/A';
      expect(await put(id, JSON.stringify(record('b1', '127.0.0.2')), 'garden/b2')).toBe(403);
      expect(await put(id, JSON.stringify(record('b2', '127.0.0.2')), 'garden/b1')).toBe(400);
      expect(await put(id, '{', 'garden/b1')).toBe(400);
      expect(await put(id, 'null', 'garden/b1')).toBe(400);
      expect(await put(id, JSON.stringify(record('b1', 'nonsense')), 'garden/b1')).toBe(400);
    },
    SLOW,
  );

  it(
    'gives up at once waiting for one that cannot come up',
    async () => {
      const broken = { ...credential, node: '/bin/false' };
      await expect(ensureDns(broken)).rejects.toMatchObject({ code: 'PROVIDER_REFUSED' });
    },
    SLOW,
  );
});
