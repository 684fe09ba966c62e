import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { layout } from '../../src/layout.ts';
import { type Ingress, startIngress } from '../../src/local/ingress.ts';
import { serve, until } from './machine.support.ts';

const ADDRESS = '127.81.9.1';
let root: string;
let ingress: Ingress;
let httpPort: number;
let agent: Agent;
let stops: (() => Promise<void>)[];

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'cell-ingress-'));
  mkdirSync(join(root, 'etc/cell'), { recursive: true });
  mkdirSync(join(root, 'var/lib/cell'), { recursive: true });
  const spare = await serve(ADDRESS, () => {});
  httpPort = spare.port;
  await spare.stop();
  agent = new Agent({ keepAlive: true });
  ingress = await startIngress({ address: ADDRESS, httpPort, root, log: () => {} });
  stops = [];
});

afterEach(async () => {
  agent.destroy();
  ingress.close();
  await Promise.all(stops.map((stop) => stop()));
  rmSync(root, { recursive: true, force: true });
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function upstream(answer: Handler, port = 0) {
  const started = await serve(ADDRESS, answer, port);
  stops.push(async () => {
    started.server.closeAllConnections();
    await started.stop();
  });
  return { ...started, at: { address: ADDRESS, port: started.port } };
}

function configure(routes: unknown[]): Promise<void> {
  writeFileSync(join(root, 'etc/cell/ingress.json'), JSON.stringify({ v: 1, routes }));
  return ingress.reload();
}

interface Answer {
  status: number;
  text: string;
  headers: IncomingMessage['headers'];
}

function ask(
  path = '/',
  options: { method?: string; body?: Buffer; host?: string; port?: number } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', body, host = 'www.yard.test', port = httpPort } = options;
    const headers = { host, ...(body === undefined ? {} : { 'content-length': body.length }) };
    const asked = request({ host: ADDRESS, port, path, method, agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          text: Buffer.concat(chunks).toString(),
          headers: response.headers,
        }),
      );
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

const route = (upstreams: unknown[], more: object = {}) => ({
  domain: 'www.yard.test',
  function: 'web',
  upstreams,
  tryFor: 10_000,
  ...more,
});
const echo: Handler = (incoming, response) => {
  const chunks: Buffer[] = [];
  incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
  incoming.on('end', () => response.end(`${incoming.method} ${incoming.url} ${Buffer.concat(chunks).length}`));
};

test('routes by domain and by port, says what it does not know, and serves where.json', async () => {
  const web = await upstream((incoming, response) => response.end(JSON.stringify(incoming.headers)));
  const api = await upstream((_incoming, response) => response.end('api'));
  const free = await serve(ADDRESS, () => {});
  await free.stop();
  await configure([route([web.at]), { port: free.port, function: 'api', upstreams: [api.at], tryFor: 1000 }]);
  const headers = JSON.parse((await ask('/', { host: `WWW.yard.test:${httpPort}` })).text);
  expect(headers['x-forwarded-for']).toBeTypeOf('string');
  expect(headers).toMatchObject({ 'x-forwarded-proto': 'http', 'x-forwarded-host': `WWW.yard.test:${httpPort}` });
  expect((await ask('/', { port: free.port, host: 'anything' })).text).toBe('api');
  const unknown = await ask('/', { host: 'other.test' });
  expect(unknown.status).toBe(404);
  expect(unknown.text).toContain('other.test');
  expect((await ask('/.well-known/cell/where.json')).status).toBe(404);
  mkdirSync(dirname(layout(root).whereFile), { recursive: true });
  writeFileSync(layout(root).whereFile, '{"v":1}');
  const where = await ask('/.well-known/cell/where.json', { host: 'whatever.test' });
  expect([where.status, where.text, where.headers['content-type']]).toEqual([200, '{"v":1}', 'application/json']);
  await configure([]);
  await expect(ask('/', { port: free.port })).rejects.toThrow(/ECONNREFUSED|hang up|ECONNRESET/);
});

test('a configuration that makes no sense is refused and the old one stays', async () => {
  const web = await upstream((_incoming, response) => response.end('web'));
  await configure([route([web.at])]);
  await expect(configure([{ domain: 'a.test', port: 1, function: 'x', upstreams: [] }])).rejects.toThrow('route 0');
  expect((await ask()).text).toBe('web');
});

test('requests are held while there is no upstream, and go on when a reload brings one', async () => {
  await configure([route([])]);
  let held = true;
  const pending = ask('/held', { method: 'POST', body: Buffer.alloc(1000) }).finally(() => {
    held = false;
  });
  await sleep(300);
  expect(held).toBe(true);
  const web = await upstream(echo);
  await configure([route([web.at])]);
  expect(await pending).toMatchObject({ status: 200, text: 'POST /held 1000' });
});

test('what waits longer than tryFor is answered 503', async () => {
  await configure([route([], { tryFor: 150 })]);
  expect((await ask()).status).toBe(503);
  const gone = await upstream(echo);
  await gone.stop();
  await configure([route([gone.at], { tryFor: 150 })]);
  expect((await ask()).status).toBe(503);
});

test('an upstream that refuses is passed over, and used again when it is back', async () => {
  const first = await upstream((_incoming, response) => response.end('first'));
  const second = await upstream((_incoming, response) => response.end('second'));
  await configure([route([first.at, second.at])]);
  expect((await ask()).text).toBe('first');
  await first.stop();
  expect((await ask()).text).toBe('second');
  await upstream((_incoming, response) => response.end('first again'), first.port);
  await until('the first is used again', async () => (await ask()).text === 'first again');
});

test('large bodies arrive whole, also when they had to wait', async () => {
  const web = await upstream(echo);
  await web.stop();
  await configure([route([web.at])]);
  const pending = ask('/large', { method: 'POST', body: Buffer.alloc(5_000_000) });
  await sleep(150);
  await upstream(echo, web.port);
  expect(await pending).toMatchObject({ status: 200, text: 'POST /large 5000000' });
});

test('what may have been done is not sent twice; what is idempotent is', async () => {
  let seen = 0;
  const web = await upstream((incoming) => {
    seen++;
    incoming.socket.destroy();
  });
  await configure([route([web.at], { tryFor: 400 })]);
  expect((await ask('/', { method: 'POST', body: Buffer.from('order') })).status).toBe(502);
  expect(seen).toBe(1);
  expect((await ask('/')).status).toBe(503);
  expect(seen).toBeGreaterThan(2);
});

test('a reload answers when the requests to what is no longer there are done', async () => {
  const waiting: (() => void)[] = [];
  const old = await upstream((_incoming, response) => {
    waiting.push(() => response.end('old'));
  });
  const next = await upstream((_incoming, response) => response.end('next'));
  await configure([route([old.at])]);
  const pending = ask();
  await until('it is with the old one', () => waiting.length === 1);
  let reloaded = false;
  const reload = configure([route([next.at])]).then(() => {
    reloaded = true;
  });
  await sleep(100);
  expect((await ask()).text).toBe('next');
  expect(reloaded).toBe(false);
  waiting[0]?.();
  expect((await pending).text).toBe('old');
  await reload;
});

test('web sockets go through, and are held like requests', async () => {
  const web = await upstream(echo);
  await web.stop();
  await configure([route([web.at])]);
  const socket = connect(httpPort, ADDRESS);
  let heard = '';
  socket.on('data', (data) => {
    heard += data;
  });
  socket.write(
    'GET /chat HTTP/1.1\r\nHost: www.yard.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  await sleep(100);
  const again = await upstream(echo, web.port);
  again.server.on('upgrade', (_incoming, peer) => {
    peer.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    peer.pipe(peer);
    stops.push(async () => void peer.destroy());
  });
  await until('the upgrade', () => heard.includes('101'));
  socket.write('ping');
  await until('the echo', () => heard.endsWith('ping'));
  socket.destroy();
});

test('no request fails while the function behind is stopped, moved and started at 200 a second', {
  timeout: 60_000,
}, async () => {
  let generation = 0;
  const answer: Handler = (incoming, response) => {
    const mine = generation;
    incoming.resume();
    incoming.on('end', () => setTimeout(() => response.end(`${mine}`), 5));
  };
  let current = await upstream(answer);
  await configure([route([current.at])]);
  const failures: string[] = [];
  let asked = 0;
  let running = true;
  const requests: Promise<void>[] = [];
  const load = (async () => {
    for (let due = Date.now(); running; due += 5) {
      // In a steady beat, whatever the answers do.
      await sleep(Math.max(0, due - Date.now()));
      asked++;
      const post = asked % 4 === 0;
      const one = ask('/load', post ? { method: 'POST', body: Buffer.from('data') } : {}).then(
        ({ status }) => void (status === 200 || failures.push(String(status))),
        (error: unknown) => void failures.push(String(error)),
      );
      requests.push(one);
    }
  })();
  for (let move = 0; move < 6; move++) {
    await sleep(300);
    // The order of a handover: hold, drain, stop, start elsewhere, show the new place.
    await configure([route([])]);
    await current.stop();
    generation++;
    await sleep(100);
    current = await upstream(answer);
    await configure([route([current.at])]);
  }
  await sleep(300);
  running = false;
  await load;
  await Promise.all(requests);
  expect(failures).toEqual([]);
  expect(asked).toBeGreaterThan(300);
  expect(generation).toBe(6);
});

test('an unannounced restart on the same port fails no idempotent request', { timeout: 60_000 }, async () => {
  const answer: Handler = (_incoming, response) => void setTimeout(() => response.end('ok'), 5);
  let current = await upstream(answer);
  await configure([route([current.at])]);
  const failures: string[] = [];
  let running = true;
  const requests: Promise<void>[] = [];
  const load = (async () => {
    for (let due = Date.now(); running; due += 5) {
      await sleep(Math.max(0, due - Date.now()));
      const one = ask().then(
        ({ status }) => void (status === 200 || failures.push(String(status))),
        (error: unknown) => void failures.push(String(error)),
      );
      requests.push(one);
    }
  })();
  for (let crash = 0; crash < 5; crash++) {
    await sleep(200);
    const { port } = current;
    current.server.closeAllConnections();
    await current.stop();
    await sleep(100);
    current = await upstream(answer, port);
  }
  running = false;
  await load;
  await Promise.all(requests);
  expect(failures).toEqual([]);
});
