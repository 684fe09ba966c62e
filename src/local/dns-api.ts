/**
 * The embedded DNS as a provider: an HTTP API on loopback, with a bearer token, that puts, lists and deletes record
 * sets. The caller says for which owner it speaks; a set of another owner is never changed or removed (403).
 *
 *   GET    /v1                  {v, dir, pid, port}: whether it is the one that was meant
 *   GET    /v1/records          every set with its id; ?organism=O for those of one
 *   GET    /v1/records/ID       one set, 404
 *   PUT    /v1/records/ID       makes or replaces it; 400, 403, 409, and 503 while it ends
 *   DELETE /v1/records/ID       204, also when it was not there; 403
 *   POST   /v1/stop             ends the server when no set is left, else 409
 *
 * The token guards against other users and other programs. Whoever holds it can speak for any owner: what the owner
 * guards against is mistakes.
 */
import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf } from '../errors.ts';
import type { Store } from './dns-store.ts';
import { conflictOf, idOf, ownerOf, problemsOf, type RecordSet, withoutSet, withSet } from './zone.ts';

export interface DnsApi {
  readonly port: number;
  close(): Promise<void>;
}

class Refusal extends Error {
  readonly status: number;
  constructor(status: number, why: string) {
    super(why);
    this.status = status;
  }
}

const LARGEST_BODY = 256 * 1024;

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST_BODY) throw new Refusal(413, 'too large');
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Refusal(400, 'the body is not JSON');
  }
}

function allowed(request: IncomingMessage, token: string): boolean {
  const given = Buffer.from(request.headers.authorization ?? '');
  const wanted = Buffer.from(`Bearer ${token}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

/** Throws 403 unless the caller speaks for the set's owner. */
function mustOwn(request: IncomingMessage, id: string): void {
  const { organism, birth } = ownerOf(id);
  const caller = request.headers['cell-owner'];
  if (caller !== `${organism}/${birth}`) {
    throw new Refusal(403, `the record belongs to ${organism}/${birth}, not to ${String(caller ?? 'nobody')}`);
  }
}

/** The set of a PUT, with its keys in one order, so that the same set gives the same bytes. Throws 400. */
function setOf(body: unknown, id: string): RecordSet {
  const problems = problemsOf((body ?? {}) as { [key: string]: unknown });
  if (problems.length > 0) throw new Refusal(400, problems.map(({ key, why }) => `${key}: ${why}`).join('; '));
  const { organism, birth, zone, name, type, values, ttl } = body as RecordSet;
  const set = { organism, birth, zone, name, type, values, ttl };
  if (idOf(set) !== id) throw new Refusal(400, 'the id is not that of the record');
  return set;
}

/** Listens on a free port of 127.0.0.1. `onStop` is called once the answer to a stop is on its way. */
export async function serveApi(options: {
  readonly dir: string;
  readonly token: string;
  readonly dnsPort: number;
  readonly store: Store;
  readonly onStop: () => void;
}): Promise<DnsApi> {
  const { store } = options;
  let stopping = false;
  const withId = (set: RecordSet) => ({ id: idOf(set), ...set });

  async function handle(request: IncomingMessage): Promise<{ status: number; body?: unknown }> {
    if (!allowed(request, options.token)) throw new Refusal(401, 'a bearer token is needed');
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const call = `${request.method} ${pathname.replace(/^\/v1\/records\/.+$/, '/v1/records/ID')}`;
    const id = decodeURIComponent(pathname.slice('/v1/records/'.length));
    const find = () => store.zones().sets.find((set) => idOf(set) === id);
    switch (call) {
      case 'GET /v1':
        return { status: 200, body: { v: 1, dir: options.dir, pid: process.pid, port: options.dnsPort } };
      case 'GET /v1/records': {
        const organism = searchParams.get('organism');
        const sets = store.zones().sets.filter((set) => organism === null || set.organism === organism);
        return { status: 200, body: sets.map(withId) };
      }
      case 'GET /v1/records/ID': {
        const set = find();
        if (set === undefined) throw new Refusal(404, `no record ${id}`);
        return { status: 200, body: withId(set) };
      }
      case 'PUT /v1/records/ID': {
        mustOwn(request, id);
        const set = setOf(await bodyOf(request), id);
        await store.change((zones) => {
          if (stopping) throw new Refusal(503, 'the server is ending');
          const conflict = conflictOf(zones, set);
          if (conflict !== null) throw new Refusal(409, conflict);
          return withSet(zones, set);
        });
        return { status: 200, body: withId(set) };
      }
      case 'DELETE /v1/records/ID':
        mustOwn(request, id);
        await store.change((zones) => withoutSet(zones, id));
        return { status: 204 };
      case 'POST /v1/stop':
        await store.change((zones) => {
          if (zones.sets.length > 0) throw new Refusal(409, `${zones.sets.length} records are left`);
          stopping = true;
          return zones;
        });
        return { status: 202, body: {} };
      default:
        throw new Refusal(404, `no ${call}`);
    }
  }

  const server: Server = createServer((request, response) => {
    void handle(request)
      .catch((thrown: unknown) => ({
        status: thrown instanceof Refusal ? thrown.status : thrown instanceof URIError ? 400 : 500,
        body: { why: messageOf(thrown) },
      }))
      .then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
        response.end(body === undefined ? undefined : JSON.stringify(body), () => {
          if (stopping && request.url === '/v1/stop') options.onStop();
        });
      });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port: 0 }, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
