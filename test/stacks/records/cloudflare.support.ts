/**
 * A stand-in of the part of Cloudflare's API v4 that DNS records have to do with, as its reference has it: envelopes, filters,
 * pages, batches that are done as a whole or not at all, and the codes of its refusals. What it lists is typed by
 * Cloudflare's own library.
 */
import { randomBytes } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import type { RecordResponse } from 'cloudflare/resources/dns/records';
import { type Asked, type Given, type Server, serve } from '../credentials/server.support.ts';

export const ZONE = 'garden.test';
export const ZONE_ID = '0123456789abcdef0123456789abcdef';

export interface Row {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly content: string;
  readonly ttl: number;
  readonly proxied: boolean;
}
type Wanted = Partial<Omit<Row, 'id'>>;

export class Refusal extends Error {
  readonly status: number;
  readonly code: number;

  constructor(status: number, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** A zone's records, and what may be done with them. */
export class CloudflareZone {
  rows: readonly Row[] = [];
  enterprise = false;

  constructor(rows: readonly Omit<Row, 'id' | 'proxied'>[] = []) {
    for (const row of rows) this.batch({ posts: [row] });
  }

  /** All of it or nothing, in the documented order. Throws the first refusal. */
  batch(body: {
    deletes?: readonly { readonly id: string }[];
    patches?: readonly (Wanted & { readonly id: string })[];
    posts?: readonly Wanted[];
  }): { readonly deletes: readonly Row[]; readonly patches: readonly Row[]; readonly posts: readonly Row[] } {
    const before = this.rows;
    try {
      return {
        deletes: (body.deletes ?? []).map(({ id }) => this.#remove(id)),
        patches: (body.patches ?? []).map(({ id, ...wanted }) => this.#patch(id, wanted)),
        posts: (body.posts ?? []).map((wanted) => this.#post(wanted)),
      };
    } catch (refusal) {
      this.rows = before;
      throw refusal;
    }
  }

  /** Names, types, contents, TTLs: sorted, for people. */
  dump(): readonly string[] {
    return this.rows
      .map(({ name, type, content, ttl, proxied }) => `${name} ${ttl} ${type} ${content}${proxied ? ' proxied' : ''}`)
      .sort();
  }

  #get(id: string): Row {
    const row = this.rows.find((one) => one.id === id);
    if (row === undefined) throw new Refusal(404, 81044, 'Record does not exist.');
    return row;
  }

  #remove(id: string): Row {
    const row = this.#get(id);
    this.rows = this.rows.filter((one) => one !== row);
    return row;
  }

  #patch(id: string, wanted: Wanted): Row {
    const row = this.#get(id);
    const next = { ...row, ...wanted };
    this.#check(next, row);
    this.rows = this.rows.map((one) => (one === row ? next : one));
    return next;
  }

  #post({ name = '', type = '', content = '', ttl = 1, proxied = false }: Wanted): Row {
    const whole = name === ZONE || name.endsWith(`.${ZONE}`) ? name : `${name}.${ZONE}`;
    const row: Row = { id: randomBytes(16).toString('hex'), name: whole.toLowerCase(), type, content, ttl, proxied };
    this.#check(row, null);
    this.rows = [...this.rows, row];
    return row;
  }

  #check({ name, type, content, ttl }: Row, old: Row | null): void {
    const lowest = this.enterprise ? 30 : 60;
    if (ttl !== 1 && !(ttl >= lowest && ttl <= 86_400)) {
      throw new Refusal(400, 9021, `Invalid TTL. Must be between ${lowest} and 86400 seconds, or 1 for Automatic.`);
    }
    if (type === 'A' && !isIPv4(content))
      throw new Refusal(400, 9005, 'Content for A record must be a valid IPv4 address.');
    if (type === 'AAAA' && !isIPv6(content)) {
      throw new Refusal(400, 9006, 'Content for AAAA record must be a valid IPv6 address.');
    }
    const here = this.rows.filter((row) => row.name === name && row.id !== old?.id);
    const [addresses, alias] = [['A', 'AAAA'].includes(type), type === 'CNAME'];
    if (
      here.some((row) => (addresses && row.type === 'CNAME') || (alias && ['A', 'AAAA', 'CNAME'].includes(row.type)))
    ) {
      throw new Refusal(400, 81053, 'An A, AAAA, or CNAME record with that host already exists.');
    }
    if (here.some((row) => row.type === type && row.content === content)) {
      throw new Refusal(400, 81058, 'An identical record already exists.');
    }
    const texts = here.filter((row) => row.type === 'TXT').reduce((sum, row) => sum + row.content.length, 0);
    if (type === 'TXT' && texts + content.length > 8_192) {
      throw new Refusal(400, 1004, 'DNS Validation Error: TXT records of one name may not exceed 8192 characters.');
    }
  }
}

export interface CloudflareStandIn extends Server {
  readonly zone: CloudflareZone;
  /** By token: `write`, `read`, or rights to zones only. All but `records` may look zones up. */
  readonly tokens: Map<string, 'write' | 'read' | 'records' | 'zones'>;
  /** Called for each request before it is done; gives an answer in its place. */
  trouble: ((asked: Asked) => Given | null) | null;
  /** Called after a change was made; gives an answer in the place of its own. */
  afterwards: ((asked: Asked) => Given | null) | null;
  /** So many lists are still of how it was before the last change. */
  lag: number;
}

const refusal = (status: number, code: number, message: string): Given => ({
  status,
  body: { success: false, errors: [{ code, message }], messages: [], result: null },
});
const good = (result: unknown, info?: object): Given => ({
  status: 200,
  body: { success: true, errors: [], messages: [], result, ...(info === undefined ? {} : { result_info: info }) },
});

function shown({ id, name, type, content, ttl, proxied }: Row): RecordResponse {
  const at = '2026-01-01T00:00:00Z';
  const plain = { id, name, content, ttl, proxied, comment: null, tags: [], settings: {}, meta: {} };
  const about = { type, proxiable: type !== 'TXT', created_on: at, modified_on: at };
  return { ...plain, ...about } as unknown as RecordResponse;
}

/** `name.exact`, `content.contains`, …: all must hold; case does not matter. */
function fits(row: Row, query: URLSearchParams): boolean {
  for (const [key, value] of query) {
    const [field = '', how] = key.split('.');
    if (field === 'type' && row.type !== value) return false;
    if (field !== 'name' && field !== 'content') continue;
    const [has, wanted] = [row[field].toLowerCase(), value.toLowerCase()];
    if (how === 'exact' && has !== wanted) return false;
    if (how === 'contains' && !has.includes(wanted)) return false;
    if (how === 'startswith' && !has.startsWith(wanted)) return false;
    if (how === 'endswith' && !has.endsWith(wanted)) return false;
    if (how === undefined) throw new Refusal(400, 1004, `no filter ${key}`);
  }
  return true;
}

export async function startCloudflare(zone = new CloudflareZone()): Promise<CloudflareStandIn> {
  const tokens: CloudflareStandIn['tokens'] = new Map([['good', 'write']]);
  let before: readonly Row[] = [];

  function paged<T>(all: readonly T[], query: URLSearchParams, most: number): Given {
    const [page, size] = [Number(query.get('page') ?? 1), Number(query.get('per_page') ?? Math.min(100, most))];
    if (!(size >= 1 && size <= most)) return refusal(400, 1004, `per_page must be at most ${most}`);
    const result = all.slice((page - 1) * size, page * size);
    const pages = Math.ceil(all.length / size);
    return good(result, {
      ...{ page, per_page: size, count: result.length, total_count: all.length, total_pages: pages },
    });
  }

  function records({ method, path, query, body }: Asked): Given {
    const [, id] = /\/dns_records\/([0-9a-z]+)$/.exec(path) ?? [];
    if (method === 'GET' && id === undefined) {
      const rows = standIn.lag > 0 ? before : zone.rows;
      standIn.lag = Math.max(0, standIn.lag - 1);
      return paged(rows.filter((row) => fits(row, query)).map(shown), query, 5_000_000);
    }
    const now = zone.rows;
    if (method === 'DELETE' && id !== undefined) return good({ id: zone.batch({ deletes: [{ id }] }).deletes[0]?.id });
    if (method !== 'POST' || id !== 'batch')
      return refusal(405, 10405, 'Method not allowed for this authentication scheme');
    const { deletes, patches, posts } = zone.batch(body as Parameters<CloudflareZone['batch']>[0]);
    before = now;
    return good({ deletes: deletes.map(shown), patches: patches.map(shown), puts: [], posts: posts.map(shown) });
  }

  function answer(asked: Asked): Given {
    const instead = standIn.trouble?.(asked) ?? null;
    if (instead !== null) return instead;
    const may = tokens.get(asked.token);
    if (may === undefined) return refusal(403, 9109, 'Invalid access token');
    const { method, path, query } = asked;
    if (path === '/client/v4/zones') {
      const seen = may === 'records' ? [] : [{ id: ZONE_ID, name: ZONE, status: 'active' }];
      return paged(
        seen.filter(({ name }) => name === (query.get('name') ?? name)),
        query,
        50,
      );
    }
    const [, id] = /^\/client\/v4\/zones\/([^/]+)\/dns_records/.exec(path) ?? [];
    if (id === undefined || !/^[0-9a-f]{32}$/.test(id)) {
      return refusal(400, 7003, `Could not route to ${path}, perhaps your object identifier is invalid?`);
    }
    const allowed = may === 'write' || may === 'records' || (may === 'read' && method === 'GET');
    if (!allowed || id !== ZONE_ID) return refusal(403, 10000, 'Authentication error');
    try {
      const given = records(asked);
      return method === 'GET' ? given : (standIn.afterwards?.(asked) ?? given);
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown;
      return refusal(thrown.status, thrown.code, thrown.message);
    }
  }

  const server = await serve(answer);
  const standIn: CloudflareStandIn = { ...server, zone, tokens, trouble: null, afterwards: null, lag: 0 };
  return standIn;
}
