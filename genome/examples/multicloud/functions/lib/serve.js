/**
 * What every program here needs of an HTTP server, and nothing more: routes, JSON, /health, /metrics and a graceful end.
 *
 * The same file lies in each example, so that an example can be copied as one folder; a test keeps the copies alike.
 *
 * A cell stops a function with SIGTERM when it moves it. Then the program (1) stops accepting, (2) answers what is in
 * flight, (3) writes what it holds, (4) exits with 0; all within two seconds.
 */
import { createServer } from 'node:http';
import { Server } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

/** Requests per second are counted over this window (ms), in slots. */
const WINDOW = 3_000;
const SLOT = 250;
/** Connections that are kept alive get this long (ms) to send what is already on its way. */
const GRACE = 100;
/** Requests in flight get this long (ms); with the flush after it that stays under the two seconds. */
const DEADLINE = 1_500;
const MAX_BODY = 4 * 2 ** 20;

/** An answer other than 200, thrown from anywhere in a handler. */
export class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Listens on $HOST:$PORT, or where `listen` says, until SIGTERM.
 *
 * `routes` maps 'GET /path' to a handler; a path ending in '/:id' takes one more segment, '*' takes what nothing else
 * took. A handler gets { request, query, id, text(), json(), gone(), stopping() } and returns { status, json | html |
 * text | body, headers }. `healthy()` decides /health, `metrics()` adds to /metrics, `close()` flushes at the end.
 */
export function serve({
  routes,
  healthy = () => true,
  metrics = () => ({}),
  close = async () => {},
  listen = { port: Number(process.env.PORT), host: process.env.HOST ?? '127.0.0.1' },
}) {
  const rate = requestRate();
  let inFlight = 0;
  let ending = false;
  let stopping = false;

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://program');
    const own = url.pathname === '/health' || url.pathname === '/metrics';
    if (!own) rate.count();
    inFlight += 1;
    response.once('close', () => {
      inFlight -= 1;
    });
    try {
      if (url.pathname === '/health') {
        const ok = !stopping && (await healthy());
        send(response, { status: ok ? 200 : 503, json: { ok } }, stopping);
      } else if (url.pathname === '/metrics') {
        const uptime = Math.round(process.uptime());
        send(
          response,
          { json: { rps: rate.perSecond(), inFlight: inFlight - 1, uptime, ...(await metrics()) } },
          stopping,
        );
      } else {
        const { handler, id } = match(routes, request.method, url.pathname);
        const answer = await handler({
          request,
          url,
          id,
          query: url.searchParams,
          text: () => bodyOf(request),
          json: async () => parse(await bodyOf(request)),
          gone: () => response.destroyed,
          stopping: () => stopping,
        });
        send(response, answer, stopping);
      }
    } catch (error) {
      const status = error instanceof HttpError ? error.status : 500;
      if (status === 500) console.error(error);
      send(response, { status, json: { error: error.message } }, stopping);
    }
  });

  async function stop() {
    if (ending) return;
    ending = true;
    // Once more around the event loop, so that connections the kernel has already made are taken before the listener goes.
    await nextTurn();
    // Not http's own close(): that also cuts idle connections, on which a request may just be arriving.
    Server.prototype.close.call(server);
    stopping = true;
    const began = Date.now();
    while (Date.now() - began < GRACE || (inFlight > 0 && Date.now() - began < DEADLINE)) await sleep(10);
    server.closeIdleConnections();
    await close();
    process.exit(0);
  }
  process.once('SIGTERM', () => void stop());
  process.once('SIGINT', () => void stop());
  // Longer than the ingress keeps a connection, so that it is never the program that closes one being used.
  server.keepAliveTimeout = 30_000;
  server.listen(listen);
  return server;
}

function match(routes, method, path) {
  const cut = path.lastIndexOf('/');
  const exact = routes[`${method} ${path}`];
  if (exact) return { handler: exact };
  const handler = routes[`${method} ${path.slice(0, cut)}/:id`];
  if (handler && cut < path.length - 1) return { handler, id: decode(path.slice(cut + 1)) };
  if (routes['*']) return { handler: routes['*'] };
  throw new HttpError(404, `nothing at ${method} ${path}`);
}

function decode(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new HttpError(400, 'the path is not well encoded');
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new HttpError(400, 'the body is not JSON');
  }
}

async function bodyOf(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_BODY) throw new HttpError(413, `the body is longer than ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response, answer, last) {
  if (response.destroyed || response.headersSent) return;
  const { status = 200, json, html, text, body = '', headers = {} } = answer ?? { status: 204 };
  const [type, content] =
    json !== undefined
      ? ['application/json', JSON.stringify(json)]
      : html !== undefined
        ? ['text/html; charset=utf-8', html]
        : text !== undefined
          ? ['text/plain; charset=utf-8', text]
          : [undefined, body];
  response.writeHead(status, {
    ...(type && { 'content-type': type }),
    ...(status !== 204 && { 'content-length': Buffer.byteLength(content) }),
    ...headers,
    ...(last && { connection: 'close' }),
  });
  response.end(status === 204 ? undefined : content);
}

/** A sliding count of requests, in slots, so that it costs the same at any load. */
export function requestRate() {
  const slots = new Array(WINDOW / SLOT).fill(0);
  let newest = Math.floor(Date.now() / SLOT);
  const turn = () => {
    const now = Math.floor(Date.now() / SLOT);
    for (let passed = Math.min(now - newest, slots.length); passed > 0; passed -= 1) {
      slots.shift();
      slots.push(0);
    }
    newest = Math.max(now, newest);
  };
  return {
    count() {
      turn();
      slots[slots.length - 1] += 1;
    },
    perSecond() {
      turn();
      return Math.round((slots.reduce((sum, slot) => sum + slot, 0) * 10_000) / WINDOW) / 10;
    },
  };
}

/** Text as it may stand in HTML. */
export function escaped(text) {
  return String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
