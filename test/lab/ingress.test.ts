/** Two cells' ingresses, as real Caddys, while functions move between them under load. */
import { readFileSync, writeFileSync } from 'node:fs';
import { get, request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Gate } from '../../src/decide/gates.ts';
import { until } from '../local/machine.support.ts';
import { type LabCaddy, startCaddy } from './caddy.ts';
import { needs } from './needs.ts';
import { type Program, startProgram } from './programs.ts';
import { steady } from './steady.ts';

const DOMAIN = 'www.o.test';
const [A, B] = ['127.104.0.1', '127.104.0.2'];
const NOBODY = '127.104.0.9';
const PORT = 8480;
const [PROGRAM_A, PROGRAM_B] = [20_104, 20_105];
/** A second, each on kept and on fresh connections: 500 in all. */
const RATE = 250;
const MIGRATE = '/proc/sys/net/ipv4/tcp_migrate_req';

/** The gate of the domain on one of the two cells. */
function gate(program: number, other: string, partner: string, leads: string | null): Gate {
  return {
    name: 'web.d',
    function: 'web',
    match: { domain: DOMAIN },
    tryFor: 15_000,
    waitFor: 15_000,
    ways: [
      { kind: 'program', key: 'here', dial: `127.0.0.1:${program}` },
      { kind: 'cell', key: partner, dial: `${other}:${PORT}`, tls: null },
      { kind: 'shared', key: `2.${partner}`, with: partner, share: 2 },
    ],
    leads,
  };
}
const onA = (leads: string | null) => [gate(PROGRAM_A, B, 'bbb', leads)];
const onB = (leads: string | null) => [gate(PROGRAM_B, A, 'aaa', leads)];

describe.skipIf(needs('the ingress', [{ program: 'caddy', package: 'caddy' }]))('the ingress', () => {
  let a: LabCaddy;
  let b: LabCaddy;
  let before: string;
  let running: Program[];

  const start = async (...args: Parameters<typeof startProgram>) => {
    const program = await startProgram(...args);
    running.push(program);
    return program;
  };
  const load = (keep: boolean, more: object = {}) =>
    steady({ address: A, port: PORT, host: DOMAIN, rate: RATE, keep, ...more });

  beforeAll(async () => {
    before = readFileSync(MIGRATE, 'utf8');
    // As the unit has it.
    writeFileSync(MIGRATE, '1');
    a = await startCaddy('aaa', { address: A, httpPort: PORT, cells: [B] });
    b = await startCaddy('bbb', { address: B, httpPort: PORT, cells: [A] });
  });
  afterAll(async () => {
    await a?.stop();
    await b?.stop();
    writeFileSync(MIGRATE, before);
  });
  beforeEach(async () => {
    running = [];
    await a.apply(onA(null));
    await b.apply(onB(null));
  });
  afterEach(async () => {
    for (const { server } of running) {
      server.closeAllConnections();
      server.close();
    }
  });

  test('a function goes to another cell and comes back, and no request fails', async () => {
    let there: Program | null = null;
    let here: Program | null = await start('a', PROGRAM_A);
    await a.apply(onA('here'));
    const loads = [load(true), load(false)];
    for (let round = 0; round < 2; round++) {
      await sleep(1_000);
      await a.apply(onA(null));
      await here?.stop();
      await sleep(200);
      there = await start('b', PROGRAM_B);
      await b.apply(onB('here'));
      await a.apply(onA('bbb'));
      await sleep(1_000);
      await b.apply(onB(null));
      await there.stop();
      await sleep(200);
      here = await start('a', PROGRAM_A);
      await a.apply(onA('here'));
      await b.apply(onB('aaa'));
    }
    await sleep(500);
    for (const one of loads) {
      const { sent, failures, byAnswer } = await one.stop();
      expect(failures).toEqual([]);
      expect(sent).toBeGreaterThan(500);
      expect(byAnswer.a).toBeGreaterThan(0);
      expect(byAnswer.b).toBeGreaterThan(0);
    }
  });

  test('no request fails by a reload, nor by routes that come and go', async () => {
    await start('a', PROGRAM_A);
    await a.apply(onA('here'));
    // What was sent once on a connection that is closed at that moment cannot be sent again: no uploads on kept ones.
    const loads = [load(true, { postEvery: Number.POSITIVE_INFINITY }), load(false)];
    for (let round = 0; round < 3; round++) {
      await sleep(500);
      await a.reload();
      const [web] = onA('here');
      if (web === undefined) throw new Error('no gate');
      await a.apply([web, { ...web, name: `more${round}.d`, match: { domain: `more${round}.o.test` } }]);
    }
    await sleep(500);
    for (const one of loads) {
      const { sent, failures } = await one.stop();
      expect(failures).toEqual([]);
      expect(sent).toBeGreaterThan(500);
    }
  });

  test('an upload that meets a shut gate waits and arrives whole, once', async () => {
    const sending = post(Buffer.alloc(5_000_000, 'x'));
    await sleep(500);
    const there = await start('b', PROGRAM_B);
    await b.apply(onB('here'));
    await a.apply(onA('bbb'));
    expect(await sending).toBe('200 b 5000000');
    expect(there.asked()).toBe(1);
  });

  test('routes that come while requests wait send none of them away', async () => {
    const [shut] = onA(null);
    const [open] = onA('bbb');
    if (shut === undefined || open === undefined) throw new Error('no gate');
    const more = (name: string) => ({ ...open, waitFor: 500, name: `${name}.d`, match: { domain: `${name}.o.test` } });
    const waiting = [post(Buffer.alloc(1_000)), text('/')];
    await sleep(300);
    // Still shut: the new route has to wait, too, since nothing leads to it yet.
    await a.apply([shut, { ...more('early'), leads: null }]);
    waiting.push(text('/'));
    await sleep(300);
    await start('b', PROGRAM_B);
    await b.apply(onB('here'));
    // It opens, and with it comes what has to be loaded.
    await a.apply([open, more('late')]);
    expect(await Promise.all(waiting)).toEqual(['200 b 1000', '200 b 0', '200 b 0']);
    await b.apply([...onB('here'), { ...more('late'), leads: null }]);
    expect(await text('/', { host: 'late.o.test' }), 'what was put off is loaded').not.toMatch(
      /^404 no function of this cell/,
    );
  });

  test('a route that is wanted at once is loaded, whoever waits elsewhere', async () => {
    const [shut] = onA(null);
    const [open] = onA('bbb');
    if (shut === undefined || open === undefined) throw new Error('no gate');
    await start('b', PROGRAM_B);
    await b.apply(onB('here'));
    await a.apply([shut, { ...open, name: 'new.d', match: { domain: 'new.o.test' } }]);
    // The other cell has no such name, but it was asked.
    expect(await text('/', { host: 'new.o.test' })).toMatch(/^404 no function of this cell answers for new.o.test/);
    expect(await text('/', { host: 'other.o.test' })).toMatch(/^404 no function of this cell answers for other.o.test/);
  });

  test('what waits for a cell that died goes to the program here, though nothing of that cell is loaded any more', async () => {
    const away = gate(PROGRAM_A, NOBODY, 'bbb', 'bbb');
    await a.apply([away]);
    const waiting = [text('/'), text('/')];
    await sleep(300);
    waiting.push(text('/'));
    const alone = { ...away, ways: away.ways.slice(0, 1), leads: 'here' };
    // Its routes come first, as whenever a function is started, and it takes a while.
    await a.apply([alone]);
    await sleep(300);
    waiting.push(text('/'));
    await start('a', PROGRAM_A);
    await a.apply([alone]);
    expect(await Promise.all(waiting)).toEqual(Array.from(waiting, () => '200 a 0'));
  });

  test('what waits longer than it may is answered 503', async () => {
    for (const leads of ['here', null]) await a.apply(onA(leads).map((web) => ({ ...web, waitFor: 300 })));
    expect(await post(Buffer.alloc(10))).toMatch(/^503/);
  });

  test('a gate that turns away waits until its program has answered, and streams go on till then', async () => {
    const here = await start('a', PROGRAM_A, (_asked, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const ticking = setInterval(() => response.write('data: tick\n\n'), 50);
      setTimeout(() => {
        clearInterval(ticking);
        response.end('data: last\n\n');
      }, 1_500);
    });
    await a.apply(onA('here'));
    const stream = text('/stream');
    await until('it is under way', () => here.asked() === 1);
    const began = performance.now();
    await a.apply(onA(null));
    expect(performance.now() - began).toBeGreaterThan(1_000);
    expect(await stream).toMatch(/^200 (?:data: tick\s+){10,}data: last\s+$/);
  });

  test('web sockets go through, and not away when another gate turns', async () => {
    const here = await start('a', PROGRAM_A);
    here.server.on('upgrade', (_asked, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      socket.pipe(socket);
      socket.on('error', () => {});
    });
    const [web] = onA('here');
    if (web === undefined) throw new Error('no gate');
    const other = { ...web, name: 'other.d', match: { domain: 'other.o.test' } };
    await a.apply([web, other]);
    const socket = connect(PORT, A);
    let heard = '';
    socket.on('data', (data) => {
      heard += data;
    });
    socket.write(
      `GET /chat HTTP/1.1\r\nHost: ${DOMAIN}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    );
    await until('the upgrade', () => heard.includes('101'));
    // Both lead to the same program here, so this one does not leave it.
    await a.apply([web, { ...other, leads: 'bbb' }]);
    socket.write('ping');
    await until('the echo', () => heard.endsWith('ping'));
    socket.destroy();
  });

  test('requests that refuse a body wait for a program that crashed', async () => {
    await a.apply(onA('here'));
    const waiting = text('/');
    await sleep(300);
    await start('a', PROGRAM_A);
    expect(await waiting).toBe('200 a 0');
  });

  test('a cell under pressure shares what can be sent again, once, and takes back what fails', async () => {
    const here = await start('a', PROGRAM_A);
    const there = await start('b', PROGRAM_B);
    await a.apply(onA('2.bbb'));
    await b.apply(onB('2.aaa'));
    const answers = await Promise.all(Array.from({ length: 40 }, () => text('/')));
    expect(answers.filter((one) => one === '200 a 0').length).toBe(20);
    expect(answers.filter((one) => one === '200 b 0').length).toBe(20);
    expect([here.asked(), there.asked()]).toEqual([20, 20]);
    for (let sent = 0; sent < 4; sent++) expect(await post(Buffer.alloc(3))).toBe('200 a 3');
    await b.stop();
    const later = await Promise.all(Array.from({ length: 20 }, () => text('/')));
    expect(new Set(later)).toEqual(new Set(['200 a 0']));
    b = await startCaddy('bbb', { address: B, httpPort: PORT, cells: [A] });
  });

  test('programs see the client and nothing of ours; what a client says of itself is dropped', async () => {
    await start('a', PROGRAM_A, (asked, response) => response.end(JSON.stringify(asked.headers)));
    await b.apply(onB('aaa'));
    await a.apply(onA('here'));
    const headers = { 'x-forwarded-for': '9.9.9.9', 'cell-knock': '1', 'cell-gate': 'other', 'cell-try': '1' };
    for (const [address, from] of [
      [A, A],
      [B, B],
    ] as const) {
      const [, seen = '{}'] = /^200 (.*)$/.exec(await text('/', { address, headers, from })) ?? [];
      const heard = JSON.parse(seen);
      expect(heard).toMatchObject({ host: DOMAIN, 'x-forwarded-host': DOMAIN, 'x-forwarded-proto': 'http' });
      expect(heard['x-forwarded-for'].split(', ')[0]).not.toBe('9.9.9.9');
      expect(Object.keys(heard).filter((name) => name.startsWith('cell-'))).toEqual([]);
    }
  });

  test('cells that send a request to each other do not do so for ever', async () => {
    await a.apply(onA('bbb'));
    await b.apply(onB('aaa'));
    expect(await text('/')).toMatch(/^508/);
  });

  test('where functions are is there for any name, and nobody is home for others', async () => {
    writeFileSync(a.settings.whereFile, '{"v":1}');
    expect(await text('/.well-known/cell/where.json', { host: 'any.test' })).toBe('200 {"v":1}');
    expect(await text('/.well-known/cell/metrics', { host: 'any.test' })).toMatch(/^404/);
    writeFileSync(`${a.dir}/public/cell.prom`, 'up 1\n# EOF\n');
    await a.apply(onA('here'), { metricsFile: `${a.dir}/public/cell.prom` });
    expect(await text('/.well-known/cell/metrics', { host: 'any.test' })).toBe('200 up 1\n# EOF\n');
    expect(await text('/', { host: 'any.test' })).toMatch(/^404 no function of this cell answers for any.test/);
  });

  function text(
    path: string,
    { host = DOMAIN, address = A, headers = {}, from = '127.0.0.1' } = {} as {
      host?: string;
      address?: string;
      headers?: Record<string, string>;
      from?: string;
    },
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = {
        host: address,
        port: PORT,
        path,
        localAddress: from,
        agent: false,
        headers: { ...headers, host },
      };
      get(options, (response) => {
        let heard = '';
        response.on('data', (data) => {
          heard += data;
        });
        response.on('error', reject);
        response.on('end', () => resolve(`${response.statusCode} ${heard}`));
      }).on('error', reject);
    });
  }

  function post(body: Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      const headers = { host: DOMAIN, 'content-length': body.length };
      const asked = request({ host: A, port: PORT, method: 'POST', agent: false, headers }, (response) => {
        let heard = '';
        response.on('data', (data) => {
          heard += data;
        });
        response.on('end', () => resolve(`${response.statusCode} ${heard}`));
      });
      asked.on('error', reject);
      asked.end(body);
    });
  }
});
