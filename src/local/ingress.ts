/**
 * The ingress of a local machine, in the place Caddy has on a cloud's: HTTP by domain on one port, and by port, to the
 * functions behind. The contract is that no client's request fails because a function moves:
 *
 * 1. a request is read (its body up to 1 MiB) before an upstream is chosen, so that it can be sent again;
 * 2. it goes to the first upstream that does not refuse, in the order of the route; what refuses is knocked on;
 * 3. it waits while there is none, or while the route says to hold, and looks again at each change, up to `tryFor`;
 * 4. it is sent again when nothing was answered and doing so is safe: nothing reached the upstream, or the method is
 *    idempotent (RFC 9110, 9.2.2). Others go over a fresh connection each, so that a connection which the upstream
 *    closed while idle can never lose one;
 * 5. a reload answers when the requests with upstreams that are no longer there are done.
 *
 * httpxy carries a request; the waiting, choosing and sending again are here.
 */
import { readFile } from 'node:fs/promises';
import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { createProxyServer } from 'httpxy';
import { messageOf } from '../errors.ts';
import { layout } from '../layout.ts';
import { type Body, readBody } from './body.ts';
import { domainOf, parseRoutes, type Route, type Upstream } from './routes.ts';
import { listen } from './sshd.ts';
import { Upstreams } from './upstreams.ts';

export interface Ingress {
  /** Reads the configuration anew; rejects, and keeps the old one, when it makes no sense or a port is taken. */
  reload(): Promise<void>;
  close(): void;
}

export interface IngressOptions {
  readonly address: string;
  readonly httpPort: number;
  readonly root: string;
  readonly log: (line: string) => void;
}

/** The longest a reload waits for requests under way, in ms. */
const DRAIN = 10_000;
/** Longer than clients keep an idle connection, so that it is they who close it; ms. */
const KEEP_ALIVE = 120_000;
/** Before a request that was cut off is sent again, in ms; doubled each time, up to the second. */
const AGAIN_AFTER = 20;
const AGAIN_AFTER_AT_MOST = 500;
/** Every try leaves listeners on the request; this many are no leak. */
const LISTENERS = 100;
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
/** Errors that mean no byte of the request got anywhere. */
const NEVER_SENT = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'ETIMEDOUT', 'EHOSTDOWN']);
const WHERE = '/.well-known/cell/where.json';

/** Listens on address:httpPort and the ports of the routes there are. */
export async function startIngress(options: IngressOptions): Promise<Ingress> {
  const upstreams = new Upstreams();
  const proxy = createProxyServer({ xfwd: true });
  const reused = new Agent({ keepAlive: true, maxSockets: 512, maxFreeSockets: 64 });
  const answered = new WeakSet<IncomingMessage>();
  const listeners = new Map<number, Server>();
  let routes: readonly Route[] = [];
  let closed = false;

  proxy.on('proxyRes', (response, request) => {
    answered.add(request);
    // How the upstream keeps its connection is nothing to the client.
    delete response.headers.connection;
    delete response.headers['keep-alive'];
  });

  /** The route of a request, or null: by the port it came in on, else by its Host. */
  const routeOf = (request: IncomingMessage, port: number | null) => {
    const domain = domainOf(request.headers.host);
    return routes.find((route) => (port === null ? route.domain === domain : route.port === port)) ?? null;
  };

  /** The first upstream of the route, as it is at that moment, that takes connections; or why there is none. */
  async function choose(request: IncomingMessage, port: number | null, started: number) {
    for (;;) {
      if (request.socket.destroyed) return 'gone';
      const route = routeOf(request, port);
      if (route === null) return 'unknown';
      const up = route.upstreams.find((upstream) => !upstreams.isDown(upstream));
      if (up !== undefined) return up;
      const left = started + route.tryFor - Date.now();
      if (left <= 0 || closed) return 'late';
      await upstreams.wait(left, request.socket);
    }
  }

  async function serve(request: IncomingMessage, response: ServerResponse, port: number | null): Promise<void> {
    if (port === null && request.url?.split('?', 1)[0] === WHERE) return serveWhere(options.root, response);
    if (routeOf(request, port) === null) return unknown(request, response);
    const started = Date.now();
    delete request.headers.expect; // Answered by this server already.
    const body = await readBody(request);
    if (body === null) return;
    request.setMaxListeners(LISTENERS);
    response.setMaxListeners(LISTENERS);
    let pause = AGAIN_AFTER;
    const idempotent = IDEMPOTENT.has(request.method ?? '');
    for (;;) {
      const chosen = await choose(request, port, started);
      if (chosen === 'gone') return;
      if (chosen === 'unknown') return unknown(request, response);
      if (chosen === 'late') return answer(response, 503, `no upstream answers for ${request.headers.host ?? port}`);
      // A large body is passed on as it comes and cannot be taken back, so a knock goes first.
      if (!body.replayable && !(await upstreams.takes(chosen))) {
        upstreams.refused(chosen);
        continue;
      }
      const error = await send(request, response, chosen, body, idempotent && body.replayable);
      if (error === null || response.headersSent || response.destroyed) return;
      const neverSent = NEVER_SENT.has(error.code ?? '') && !body.consumed();
      if (neverSent) upstreams.refused(chosen);
      if (answered.has(request) || !(neverSent || (idempotent && body.replayable))) {
        return answer(response, 502, `the upstream of ${request.headers.host ?? port} failed: ${error.message}`);
      }
      const tryFor = routeOf(request, port)?.tryFor ?? 0;
      if (!neverSent && Date.now() - started > tryFor) return answer(response, 503, error.message);
      if (neverSent) continue;
      await sleep(pause);
      pause = Math.min(pause * 2, AGAIN_AFTER_AT_MOST);
    }
  }

  async function send(
    request: IncomingMessage,
    response: ServerResponse,
    { address, port }: Upstream,
    body: Body,
    reuse: boolean,
  ): Promise<NodeJS.ErrnoException | null> {
    const done = upstreams.begin({ address, port });
    try {
      const target = { host: address, port };
      await proxy.web(request, response, { target, agent: reuse ? reused : false, buffer: body.stream() });
      return null;
    } catch (thrown) {
      return thrown as NodeJS.ErrnoException;
    } finally {
      done();
    }
  }

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, port: number | null): Promise<void> {
    socket.on('error', () => socket.destroy());
    const started = Date.now();
    for (;;) {
      const chosen = await choose(request, port, started);
      if (chosen === 'gone') return;
      if (typeof chosen === 'string') {
        const status = chosen === 'unknown' ? '404 Not Found' : '503 Service Unavailable';
        socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
        return;
      }
      // An upgrade cannot be taken back once begun, so a knock goes first.
      if (!(await upstreams.takes(chosen))) {
        upstreams.refused(chosen);
        continue;
      }
      const target = { host: chosen.address, port: chosen.port };
      await proxy.ws(request, socket as never, { target, xfwd: true }, head).catch(() => socket.destroy());
      return;
    }
  }

  async function open(listenPort: number, port: number | null): Promise<Server> {
    const server = createServer(
      { keepAliveTimeout: KEEP_ALIVE, requestTimeout: 0, noDelay: true },
      (request, response) => {
        serve(request, response, port).catch((thrown: unknown) => {
          options.log(`ingress: ${messageOf(thrown)}`);
          if (!response.headersSent) answer(response, 502, 'the ingress failed');
          else response.destroy();
        });
      },
    );
    server.on('upgrade', (request, socket, head) => {
      upgrade(request, socket, head, port).catch(() => socket.destroy());
    });
    await listen(server, listenPort, options.address);
    return server;
  }

  async function reload(): Promise<void> {
    const next = await readRoutes(layout(options.root).ingressFile);
    const ports = new Set(next.map((route) => route.port).filter((port) => port !== null));
    for (const port of ports) {
      if (!listeners.has(port)) listeners.set(port, await open(port, port));
    }
    routes = next;
    upstreams.changed();
    for (const [port, server] of listeners) {
      if (ports.has(port)) continue;
      listeners.delete(port);
      server.close();
      server.closeIdleConnections();
    }
    await upstreams.drain(
      next.flatMap((route) => route.upstreams),
      DRAIN,
    );
  }

  const main = await open(options.httpPort, null);
  await reload().catch((thrown: unknown) => options.log(`ingress: ${messageOf(thrown)}`));
  return {
    reload,
    close: () => {
      closed = true;
      upstreams.close();
      reused.destroy();
      for (const server of [main, ...listeners.values()]) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

async function readRoutes(file: string): Promise<Route[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch {
    return []; // Nothing to serve yet.
  }
  return parseRoutes(text);
}

async function serveWhere(root: string, response: ServerResponse): Promise<void> {
  try {
    const text = await readFile(layout(root).whereFile);
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(text);
  } catch {
    answer(response, 404, 'this cell has not said yet where its functions are');
  }
}

function unknown(request: IncomingMessage, response: ServerResponse): void {
  answer(
    response,
    404,
    `no function of this cell answers for ${domainOf(request.headers.host) || 'a request without Host'}`,
  );
}

function answer(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}
