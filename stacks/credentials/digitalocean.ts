/**
 * DigitalOcean: its API mints no tokens, so a cell gets the token of the genome for what it will do, and no other. What a
 * token may do it does not say either; it is proved by asking for things that cannot come to pass: what is answered with
 * anything but 403 may be asked.
 */
import { randomBytes } from 'node:crypto';
import { CellError } from '../../src/errors.ts';
import { type Method, rest } from '../rest.ts';
import type { Json } from '../stack.ts';
import type { Examined, Purpose } from './credential.ts';
import { tokenIn } from './token.ts';

const USUAL = 'https://api.digitalocean.com';

/**
 * Machines: droplets, the key they are made with, their firewalls and tags, and to look at what they are made of. Records:
 * a domain's, which `domain:update` makes and removes; what makes or deletes domains is not needed.
 */
export const DIGITALOCEAN_SCOPES: Readonly<Record<Purpose['kind'], readonly string[]>> = {
  compute: [
    'actions:read',
    'droplet:create',
    'droplet:delete',
    'droplet:read',
    'droplet:update',
    'firewall:create',
    'firewall:delete',
    'firewall:read',
    'firewall:update',
    'image:read',
    'regions:read',
    'sizes:read',
    'ssh_key:create',
    'ssh_key:delete',
    'ssh_key:read',
    'tag:create',
    'tag:delete',
    'tag:read',
  ],
  dns: ['domain:read', 'domain:update'],
};

/**
 * A token that may look at these can look at more than anybody needs; they come with each other, and the maker's plugin may
 * want to know how many snapshots have a tag.
 */
const HARMLESS = [
  'actions:read',
  'image:read',
  'regions:read',
  'sizes:read',
  'snapshot:read',
  'ssh_key:update',
  'vpc:read',
];

interface Probe {
  readonly scope: string;
  readonly method: Method;
  readonly path: string;
  readonly body?: Json;
}

/** Nobody's: a UUID of zeros, a tag and a domain that were just thought of. What is made of nothing, or of a name that
 * cannot be one, is refused. */
export function probes(chance: string): readonly Probe[] {
  const none = '00000000-0000-0000-0000-000000000000';
  const tag = `cell-probe-${chance}`;
  const domain = `${tag}.invalid`;
  const key = Array(16).fill('00').join(':');
  const look = (scope: string, path: string): Probe => ({ scope, method: 'GET', path: `${path}?per_page=1` });
  const make = (scope: string, path: string, body: Json = {}): Probe => ({ scope, method: 'POST', path, body });
  const change = (scope: string, path: string): Probe => ({ scope, method: 'PUT', path, body: {} });
  const end = (scope: string, path: string): Probe => ({ scope, method: 'DELETE', path });
  return [
    { scope: 'account:read', method: 'GET', path: '/v2/account' },
    look('droplet:read', '/v2/droplets'),
    make('droplet:create', '/v2/droplets'),
    make('droplet:update', `/v2/droplets/actions?tag_name=${tag}`),
    end('droplet:delete', `/v2/droplets?tag_name=${tag}`),
    look('firewall:read', '/v2/firewalls'),
    make('firewall:create', '/v2/firewalls'),
    change('firewall:update', `/v2/firewalls/${none}`),
    end('firewall:delete', `/v2/firewalls/${none}`),
    look('ssh_key:read', '/v2/account/keys'),
    make('ssh_key:create', '/v2/account/keys'),
    end('ssh_key:delete', `/v2/account/keys/${key}`),
    look('tag:read', '/v2/tags'),
    make('tag:create', '/v2/tags', { name: '?' }),
    end('tag:delete', `/v2/tags/${tag}`),
    look('domain:read', '/v2/domains'),
    make('domain:create', '/v2/domains', { name: [] }),
    change('domain:update', `/v2/domains/${domain}/records/1`),
    end('domain:delete', `/v2/domains/${domain}`),
    look('image:read', '/v2/images'),
    make('image:create', '/v2/images'),
    look('regions:read', '/v2/regions'),
    look('sizes:read', '/v2/sizes'),
    look('snapshot:read', '/v2/snapshots'),
  ];
}

/** Which of the scopes that matter a token has. Changes nothing. */
export async function provenScopes(
  credential: Json,
  chance: string = randomBytes(6).toString('hex'),
): Promise<readonly string[]> {
  const { token, endpoint = USUAL } = tokenIn(credential, 'DigitalOcean');
  const api = rest({ provider: 'DigitalOcean', base: endpoint.replace(/\/v2$/, ''), token });
  const proven: string[] = [];
  for (const { scope, method, path, body } of probes(chance)) {
    const { status } = await api.ask(method, path, body, [400, 403, 404, 409, 412, 422]);
    if (status !== 403) proven.push(scope);
    if (method === 'POST' && status >= 200 && status < 300 && !path.includes('tag_name=')) {
      throw new CellError('PROVIDER_REFUSED', `DigitalOcean made something of nothing at ${path}`, {
        why: 'an empty request was to be refused',
        suggestion: 'Look what it was, and tell the authors of this program.',
      });
    }
  }
  return proven;
}

/** What a token of a laptop may do, against what it has to. */
export async function examineDigitalOcean(credential: Json, kind: Purpose['kind']): Promise<Examined> {
  return judged(await provenScopes(credential), kind);
}

/** Pure: what to say of scopes that were proven. */
export function judged(proven: readonly string[], kind: Purpose['kind']): Examined {
  const probed = probes('').map(({ scope }) => scope);
  const asked = DIGITALOCEAN_SCOPES[kind].filter((scope) => probed.includes(scope));
  const lacks = asked.filter((scope) => !proven.includes(scope));
  const beyond = proven.filter((scope) => !asked.includes(scope) && !HARMLESS.includes(scope));
  const found = `a token with ${[...proven].sort().join(' ') || 'no scopes'}`;
  if (lacks.length > 0) return { found, mend: `It lacks ${lacks.join(' ')}.` };
  if (beyond.length > 0) {
    const mend = `It has too many scopes: ${[...beyond].sort().join(' ')}. Make one with ${DIGITALOCEAN_SCOPES[kind].join(' ')} alone.`;
    return { found, mend };
  }
  return { found };
}
