/**
 * A stand-in of the part of Linode's API v4 that credentials have to do with: tokens of a profile, and as much of domains
 * and instances as shows where a token is refused. Requests are checked by Linode's own schemas (@linode/validation).
 */
import { randomBytes } from 'node:crypto';
import * as makers from '@linode/validation';
import { type Asked, type Given, type Server, serve } from './server.support.ts';

export interface StandInToken {
  readonly id: number;
  readonly label: string;
  readonly scopes: string;
  readonly created: string;
  readonly expiry: string | null;
  readonly token: string;
}

export interface LinodeStandIn extends Server {
  readonly tokens: StandInToken[];
  /** ms since the epoch; tests set it. */
  now: number;
  /** Called for each request before it is answered; gives an answer in its place. */
  trouble: ((asked: Asked) => Given | null) | null;
  /** A token that nobody minted here: the seeder's. */
  grant(scopes: string): string;
}

// Its types name their own files in a way that Node does not follow.
const { createPersonalAccessTokenSchema } = makers as unknown as {
  readonly createPersonalAccessTokenSchema: { validate(value: unknown, how: { strict: boolean }): Promise<unknown> };
};

const LEVELS: Readonly<Record<string, number>> = { read_only: 1, read_write: 2 };

function parse(scopes: string): Map<string, number> {
  const list = scopes.split(/[\s,]+/).filter((scope) => scope !== '');
  return new Map(list.map((scope) => [scope.split(':')[0] as string, LEVELS[scope.split(':')[1] ?? ''] ?? 2]));
}

function reach(scopes: string, asked: string): boolean {
  if (scopes === '*') return true;
  const having = parse(scopes);
  return [...parse(asked)].every(([resource, level]) => (having.get(resource) ?? 0) >= level);
}

/** Which scope each path asks for, as Linode's reference has it. */
const ASKS: readonly (readonly [RegExp, string])[] = [
  [/^GET \/v4\/profile$/, ''],
  [/^GET \/v4\/profile\/tokens/, 'account:read_only'],
  [/ \/v4\/profile\/tokens/, 'account:read_write'],
  [/^GET \/v4\/domains/, 'domains:read_only'],
  [/ \/v4\/domains/, 'domains:read_write'],
  [/^GET \/v4\/linode\/instances/, 'linodes:read_only'],
  [/ \/v4\/linode\/instances/, 'linodes:read_write'],
];

const error = (status: number, reason: string, field?: string): Given => ({
  status,
  body: { errors: [field === undefined ? { reason } : { reason, field }] },
});

export async function startLinode(now: number): Promise<LinodeStandIn> {
  const tokens: StandInToken[] = [];
  let next = 1000;
  const date = (at: number) => new Date(at).toISOString().slice(0, 19);
  const made = (label: string, scopes: string, expiry: string | null): StandInToken => {
    const token = randomBytes(32).toString('hex');
    const fresh = { id: next++, label, scopes, created: date(standIn.now), expiry, token };
    tokens.push(fresh);
    return fresh;
  };
  // As in every answer but the first, only its beginning is shown.
  const shown = (one: StandInToken) => ({ ...one, token: one.token.slice(0, 16) });

  async function answer(asked: Asked): Promise<Given> {
    const instead = standIn.trouble?.(asked) ?? null;
    if (instead !== null) return instead;
    const bearer = tokens.find(({ token }) => token === asked.token);
    const ended = bearer?.expiry != null && Date.parse(`${bearer.expiry}Z`) <= standIn.now;
    if (bearer === undefined || ended) return error(401, 'Invalid Token');
    const wanted = ASKS.find(([pattern]) => pattern.test(`${asked.method} ${asked.path}`))?.[1];
    if (wanted === undefined) return error(404, 'Not found');
    const headers = { 'x-oauth-scopes': bearer.scopes, 'x-accepted-oauth-scopes': wanted };
    if (!reach(bearer.scopes, wanted)) {
      return { ...error(403, 'Your OAuth token is not authorized to use this endpoint.'), headers };
    }
    return { headers, ...(await within(asked, bearer)) };
  }

  async function within({ method, path, query, body }: Asked, bearer: StandInToken): Promise<Given> {
    if (path === '/v4/profile') return { status: 200, body: { username: 'garden', restricted: true } };
    if (path === '/v4/profile/tokens' && method === 'GET') {
      const [page, size] = [Number(query.get('page') ?? 1), Number(query.get('page_size') ?? 100)];
      if (size < 25 || size > 500) return error(400, 'Must be 25-500', 'page_size');
      const pages = Math.max(1, Math.ceil(tokens.length / size));
      const data = tokens.slice((page - 1) * size, page * size).map(shown);
      return { status: 200, body: { data, page, pages, results: tokens.length } };
    }
    if (path === '/v4/profile/tokens' && method === 'POST') {
      const wanted = body as { label?: string; scopes?: string; expiry?: string };
      const wrong = await createPersonalAccessTokenSchema.validate(wanted, { strict: true }).then(
        () => null,
        (thrown: Error) => thrown.message,
      );
      if (wrong !== null) return error(400, wrong, 'label');
      const scopes = wanted.scopes ?? bearer.scopes;
      if (!reach(bearer.scopes, scopes)) return error(400, 'Scopes may not exceed those of the acting token', 'scopes');
      if (wanted.expiry !== undefined && !(Date.parse(`${wanted.expiry}Z`) > standIn.now)) {
        return error(400, 'Must be in the future', 'expiry');
      }
      return { status: 200, body: made(wanted.label ?? '', scopes, wanted.expiry ?? null) };
    }
    const [, id] = /^\/v4\/profile\/tokens\/(\d+)$/.exec(path) ?? [];
    if (id !== undefined && method === 'DELETE') {
      const index = tokens.findIndex((token) => token.id === Number(id));
      if (index < 0) return error(404, 'Not found');
      tokens.splice(index, 1);
      return { status: 200, body: {} };
    }
    return method === 'GET'
      ? { status: 200, body: { data: [], page: 1, pages: 1, results: 0 } }
      : { status: 200, body: { id: 1 } };
  }

  const server = await serve(answer);
  const standIn: LinodeStandIn = {
    ...server,
    tokens,
    now,
    trouble: null,
    grant: (scopes) => made('by hand', scopes, null).token,
  };
  return standIn;
}
