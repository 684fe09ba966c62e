/**
 * A stand-in of the part of Cloudflare's API v4 that credentials have to do with: a user's tokens, their permission groups,
 * and as much of zones and records as shows where a token is refused. Its answers are typed by Cloudflare's own library.
 */
import { randomBytes } from 'node:crypto';
import { BlockList } from 'node:net';
import type { Token } from 'cloudflare/resources/shared';
import type { PermissionGroupListResponse } from 'cloudflare/resources/user/tokens/permission-groups';
import type {
  TokenCreateParams,
  TokenCreateResponse,
  TokenVerifyResponse,
} from 'cloudflare/resources/user/tokens/tokens';
import { type Asked, type Given, type Server, serve } from './server.support.ts';

export const USER = 'com.cloudflare.api.user.aaaabbbbccccddddeeeeffff00001111';
export const ZONE_ID = '0123456789abcdef0123456789abcdef';
export const OTHER_ZONE_ID = 'fedcba9876543210fedcba9876543210';
const ZONE = 'com.cloudflare.api.account.zone';

const group = (id: number, name: string, scope: NonNullable<PermissionGroupListResponse['scopes']>[number]) =>
  ({ id: id.toString(16).padStart(32, '0'), name, scopes: [scope] }) satisfies PermissionGroupListResponse;
const GROUPS = [
  group(1, 'DNS Read', ZONE),
  group(2, 'DNS Write', ZONE),
  group(3, 'Zone Read', ZONE),
  group(4, 'API Tokens Write', 'com.cloudflare.api.user'),
  group(5, 'API Tokens Read', 'com.cloudflare.api.user'),
  group(6, 'Billing Write', 'com.cloudflare.api.account'),
  // Names repeat with other scopes.
  group(7, 'DNS Write', 'com.cloudflare.api.account'),
];
const nameOf = (id: string) => GROUPS.find((one) => one.id === id)?.name ?? '';

interface Kept extends Token {
  readonly id: string;
  readonly name: string;
  readonly value: string;
}

export interface CloudflareStandIn extends Server {
  readonly tokens: Kept[];
  now: number;
  /** Where requests seem to come from. */
  from: string;
  trouble: ((asked: Asked) => Given | null) | null;
  grant(policies: readonly { readonly names: readonly string[]; readonly resources: readonly string[] }[]): string;
}

/** What a token has to have for a request. */
function asks(method: string, path: string): readonly [names: readonly string[], resource: string] | null {
  const looks = method === 'GET';
  if (path.startsWith('/client/v4/user/tokens')) {
    return [looks ? ['API Tokens Read', 'API Tokens Write'] : ['API Tokens Write'], USER];
  }
  const [, zone] = /^\/client\/v4\/zones\/([0-9a-f]{32})\/dns_records/.exec(path) ?? [];
  if (zone !== undefined) return [looks ? ['DNS Read', 'DNS Write'] : ['DNS Write'], `${ZONE}.${zone}`];
  return null;
}

const refusal = (status: number, code: number, message: string): Given => ({
  status,
  body: { success: false, errors: [{ code, message }], messages: [], result: null },
});
const good = (result: unknown, info?: object): Given => ({
  status: 200,
  body: { success: true, errors: [], messages: [], result, ...(info === undefined ? {} : { result_info: info }) },
});

export async function startCloudflare(now: number): Promise<CloudflareStandIn> {
  const tokens: Kept[] = [];
  const zones = [
    { id: ZONE_ID, name: 'garden.example' },
    { id: OTHER_ZONE_ID, name: 'other.example' },
  ];
  const shown = ({ value: _, ...rest }: Kept): Token => ({ ...rest, status: isOver(rest) ? 'expired' : 'active' });
  const isOver = ({ expires_on }: Token) => expires_on !== undefined && Date.parse(expires_on) <= standIn.now;
  const make = (wanted: Omit<TokenCreateParams, 'policies'> & { policies: readonly object[] }): Kept => {
    const policies = wanted.policies as NonNullable<Token['policies']>;
    const made: Kept = {
      ...wanted,
      policies: policies.map(({ permission_groups, ...rest }) => ({
        ...rest,
        id: randomBytes(16).toString('hex'),
        permission_groups: permission_groups.map(({ id }) => ({ id, name: nameOf(id) })),
      })),
      id: randomBytes(16).toString('hex'),
      value: randomBytes(20).toString('base64url'),
    };
    tokens.push(made);
    return made;
  };
  const has = ({ policies = [] }: Token, names: readonly string[], resource: string) =>
    policies.some(
      ({ permission_groups, resources }) =>
        Object.hasOwn(resources, resource) && permission_groups.some(({ name }) => names.includes(name ?? '')),
    );
  const allowedFrom = ({ condition }: Token) => {
    const within = condition?.request_ip?.in;
    if (within === undefined) return true;
    const list = new BlockList();
    for (const network of within) {
      const [address = '', bits = ''] = network.split('/');
      list.addSubnet(address, Number(bits), address.includes(':') ? 'ipv6' : 'ipv4');
    }
    return list.check(standIn.from, standIn.from.includes(':') ? 'ipv6' : 'ipv4');
  };

  function answer(asked: Asked): Given {
    const instead = standIn.trouble?.(asked) ?? null;
    if (instead !== null) return instead;
    const { method, path, query, body } = asked;
    const bearer = tokens.find(({ value }) => value === asked.token);
    if (bearer === undefined || isOver(bearer)) {
      return path.endsWith('/verify')
        ? refusal(401, 1000, 'Invalid API Token')
        : refusal(403, 9109, 'Invalid access token');
    }
    if (!allowedFrom(bearer)) return refusal(403, 9109, 'Cannot use the access token from location: elsewhere');
    if (path === '/client/v4/user/tokens/verify') {
      const { id, expires_on } = bearer;
      return good({
        id,
        status: 'active',
        ...(expires_on === undefined ? {} : { expires_on }),
      } satisfies TokenVerifyResponse);
    }
    if (path === '/client/v4/zones') {
      const seen = zones.filter(({ id, name }) => {
        const mine = ['DNS Read', 'DNS Write', 'Zone Read'].some((one) => has(bearer, [one], `${ZONE}.${id}`));
        return mine && (query.get('name') ?? name) === name;
      });
      return good(Number(query.get('page') ?? 1) > 1 ? [] : seen);
    }
    const wanted = asks(method, path);
    if (wanted === null) return refusal(404, 7003, `Could not route to ${path}`);
    if (!has(bearer, ...wanted)) return refusal(403, 10000, 'Authentication error');
    if (path === '/client/v4/user/tokens/permission_groups') {
      const part = query.get('name') ?? '';
      return good(GROUPS.filter(({ name }) => name.includes(part)));
    }
    if (path === '/client/v4/user/tokens' && method === 'GET') {
      const [page, size] = [Number(query.get('page') ?? 1), Number(query.get('per_page') ?? 20)];
      if (size > 50) return refusal(400, 1004, 'per_page must be at most 50');
      return good(tokens.slice((page - 1) * size, page * size).map(shown), { page, per_page: size });
    }
    if (path === '/client/v4/user/tokens') {
      const params = body as TokenCreateParams;
      const wrong = complaint(params);
      if (wrong !== null) return refusal(400, 1001, wrong);
      const made = make(params);
      return good({ ...shown(made), value: made.value } as TokenCreateResponse);
    }
    const [, id] = /^\/client\/v4\/user\/tokens\/([0-9a-f]{32})$/.exec(path) ?? [];
    if (id !== undefined) {
      const index = tokens.findIndex((token) => token.id === id);
      const one = tokens[index];
      if (one === undefined) return refusal(404, 1003, 'No such token');
      if (method === 'DELETE') tokens.splice(index, 1);
      return good(method === 'DELETE' ? { id } : shown(one));
    }
    return good(method === 'GET' ? [] : { id: 'made' });
  }

  /** As Cloudflare checks what is asked for, as far as its reference says. */
  function complaint({ name, policies, expires_on, condition }: TokenCreateParams): string | null {
    if (typeof name !== 'string' || name.length === 0 || name.length > 120) return 'name is 1 to 120 characters';
    if (!Array.isArray(policies) || policies.length === 0) return 'policies are missing';
    for (const { effect, permission_groups, resources } of policies) {
      if (effect !== 'allow' && effect !== 'deny') return 'effect is allow or deny';
      for (const { id } of permission_groups) {
        const known = GROUPS.find((one) => one.id === id);
        if (known === undefined) return `no permission group ${id}`;
        const fits = Object.keys(resources).every((resource) =>
          known.scopes.some((scope) => resource.startsWith(`${scope}.`)),
        );
        if (!fits) return `${known.name} does not go with these resources`;
      }
    }
    if (expires_on !== undefined && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(expires_on))
      return 'expires_on is no time';
    if (expires_on !== undefined && Date.parse(expires_on) <= standIn.now) return 'expires_on is past';
    const networks = condition?.request_ip?.in ?? [];
    return networks.every((one) => /\/\d+$/.test(one)) ? null : 'request_ip.in is no list of networks';
  }

  const server = await serve(answer);
  const standIn: CloudflareStandIn = {
    ...server,
    tokens,
    now,
    from: '198.51.100.1',
    trouble: null,
    grant: (policies) =>
      make({
        name: 'by hand',
        policies: policies.map(({ names, resources }) => ({
          effect: 'allow',
          resources: Object.fromEntries(resources.map((resource) => [resource, '*'])),
          permission_groups: names.map((wanted) => ({
            id:
              GROUPS.find(({ name, scopes }) => name === wanted && resources[0]?.startsWith(`${scopes[0]}.`))?.id ?? '',
          })),
        })),
      }).value,
  };
  return standIn;
}
