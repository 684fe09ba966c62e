/** Droplets over the API, at a stand-in whose answers are held to DigitalOcean's own document. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { clearDroplet, dropTags, listDroplets, removeDroplet } from '../../../stacks/machines/digitalocean.api.ts';
import { wrongAnswer, wrongRequest } from '../../specs/digitalocean.support.ts';
import { type Asked, failure, type Given, type Server, serve } from '../credentials/server.support.ts';

interface Thing {
  readonly id: number | string;
  readonly name: string;
  readonly tags: readonly string[];
}

/** Members that the document asks for and nobody here reads. */
const SIZE = { slug: 's', memory: 1024, vcpus: 1, disk: 25, transfer: 1, price_monthly: 6, price_hourly: 0.009 };
const droplet = ({ id, name, tags }: Thing, status = 'active') => ({
  ...{ id, name, tags, status, memory: 1024, vcpus: 1, disk: 25, locked: false, created_at: '2026-01-01T00:00:00Z' },
  ...{ features: [], backup_ids: [], next_backup_window: null, snapshot_ids: [], volume_ids: [], image: {} },
  size: { ...SIZE, regions: ['ams3'], available: true, description: 'Basic' },
  size_slug: 's-1vcpu-1gb',
  region: { name: 'Amsterdam 3', slug: 'ams3', features: [], available: true, sizes: [] },
  networks: {
    v4: [
      { ip_address: '10.0.0.4', netmask: '255.0.0.0', gateway: '10.0.0.1', type: 'private' },
      { ip_address: `192.0.2.${Number(id) % 250}`, netmask: '255.255.255.0', gateway: '192.0.2.1', type: 'public' },
    ],
    v6: [],
  },
});
const TAGS = (birth: string) => ['cell-organism:garden', `cell-birth:${birth}`, 'cell-parent:seed'];

let server: Server;
let droplets: Thing[];
let firewalls: Thing[];
let keys: Thing[];
let tags: string[];
/** How many looks a droplet stays after it was asked to go. */
let lingers: number;
let trouble: ((asked: Asked) => Given | null) | null;
const credential = () => ({ token: 'dop_v1_secret', endpoint: server.url });
const patience = { pause: async () => undefined };

function pageOf(all: readonly object[], { query }: Asked, member: string): Given {
  const [size, page] = [Number(query.get('per_page') ?? 20), Number(query.get('page') ?? 1)];
  const next = page * size < all.length ? { next: `${server.url}/v2/${member}?page=${page + 1}` } : {};
  const links = { pages: next };
  return {
    status: 200,
    body: { [member]: all.slice((page - 1) * size, page * size), links, meta: { total: all.length } },
  };
}

function answer(asked: Asked): Given {
  const { method, path, query, token } = asked;
  const error = (status: number, id: string): Given => ({ status, body: { id, message: id } });
  if (token !== 'dop_v1_secret') return error(401, 'unauthorized');
  const [, , kind = '', id] = path.replace('/account', '').split('/').map(decodeURIComponent);
  if (method === 'GET' && id === undefined) {
    const wanted = query.get('tag_name');
    if (kind === 'droplets')
      return pageOf(
        droplets.filter((one) => one.tags.includes(wanted ?? '')).map((one) => droplet(one)),
        asked,
        kind,
      );
    if (kind === 'firewalls')
      return pageOf(
        firewalls.map((one) => ({ id: one.id, name: one.name })),
        asked,
        kind,
      );
    return pageOf(
      keys.map((one) => ({ id: one.id, name: one.name, public_key: 'ssh-ed25519 AAAA' })),
      asked,
      'ssh_keys',
    );
  }
  const going = droplets.find((one) => String(one.id) === id);
  if (kind === 'droplets' && method === 'GET') {
    if (going === undefined) return error(404, 'not_found');
    if (server.asked.some((before) => before.method === 'DELETE' && before.path === path) && lingers-- <= 0) {
      droplets = droplets.filter((one) => one !== going);
      return error(404, 'not_found');
    }
    return { status: 200, body: { droplet: droplet(going) } };
  }
  if (kind === 'droplets') return going === undefined ? error(404, 'not_found') : { status: 204 };
  if (kind === 'firewalls') firewalls = firewalls.filter((one) => String(one.id) !== id);
  if (kind === 'keys') keys = keys.filter((one) => String(one.id) !== id);
  if (kind === 'tags') tags = tags.filter((one) => one !== id);
  return { status: 204 };
}

beforeEach(async () => {
  droplets = [];
  firewalls = [];
  keys = [];
  tags = [];
  lingers = 0;
  trouble = null;
  server = await serve((asked) => {
    const instead = trouble?.(asked) ?? null;
    if (instead !== null) return instead;
    const given = answer(asked);
    expect(wrongRequest(asked.method, asked.path, asked.body)).toBeNull();
    expect(wrongAnswer(asked.method, asked.path, given.status, given.body)).toBeNull();
    return given;
  });
});
afterEach(() => server.close());

test('are listed by the tag of the organism, however many pages there are', async () => {
  droplets = Array.from({ length: 1001 }, (_, at) => ({ id: at + 1, name: `garden-b${at}`, tags: TAGS(`b${at}`) }));
  droplets.push({ id: 5000, name: 'of-others', tags: ['cell-organism:yard'] });
  const found = await listDroplets('garden', credential());
  expect(found).toHaveLength(1001);
  expect(found[2]).toEqual({ id: '3', birth: 'b2', parent: 'seed', address: '192.0.2.3', running: true });
  expect(server.asked.map(({ query }) => query.get('page'))).toEqual(['1', '2', '3', '4', '5', '6']);
});

test('that lost the tag of their birth are known by their names', async () => {
  const tags = ['cell-organism:garden'];
  droplets = [
    { id: 3, name: 'garden-b0123456789', tags },
    { id: 4, name: 'somebody', tags },
  ];
  expect(await listDroplets('garden', credential())).toMatchObject([
    { birth: 'b0123456789', parent: '' },
    { birth: 'somebody', parent: '' },
  ]);
});

test('go with what was made for them, and only when they are gone', async () => {
  droplets = [
    { id: 3, name: 'garden-b2', tags: TAGS('b2') },
    { id: 4, name: 'garden-b3', tags: TAGS('b3') },
  ];
  firewalls = [
    { id: 'f2', name: 'garden-b2', tags: [] },
    { id: 'f3', name: 'garden-b3', tags: [] },
  ];
  keys = [
    { id: 12, name: 'garden-b2', tags: [] },
    { id: 13, name: 'somebody', tags: [] },
  ];
  tags = ['cell-organism:garden', 'cell-birth:b2', 'cell-birth:b3'];
  lingers = 3;
  await removeDroplet('3', credential(), patience);
  expect(droplets.map(({ id }) => id)).toEqual([4]);
  expect(firewalls.map(({ id }) => id)).toEqual(['f3']);
  expect(keys.map(({ name }) => name)).toEqual(['somebody']);
  expect(tags).toEqual(['cell-organism:garden', 'cell-birth:b3']);
  const looks = server.asked.filter(({ method, path }) => method === 'GET' && path === '/v2/droplets/3');
  expect(looks).toHaveLength(5);
  await removeDroplet('3', credential(), patience);
});

test('leave tags, which go with the organism', async () => {
  tags = ['cell-organism:garden', 'cell-organism:yard'];
  await dropTags(['cell-organism:garden', 'cell-parent:gone'], credential());
  expect(tags).toEqual(['cell-organism:yard']);
});

test('that are not there leave no names', async () => {
  firewalls = [{ id: 'f2', name: 'garden-b2', tags: [] }];
  keys = [{ id: 12, name: 'garden-b2', tags: [] }];
  tags = ['cell-organism:garden', 'cell-birth:b2'];
  await clearDroplet({ organism: 'garden', birth: 'b2' }, credential());
  expect([firewalls, keys, tags]).toEqual([[], [], ['cell-organism:garden']]);
});

test('that stay are not said to be gone', async () => {
  droplets = [{ id: 3, name: 'garden-b2', tags: TAGS('b2') }];
  firewalls = [{ id: 'f2', name: 'garden-b2', tags: [] }];
  lingers = 1_000_000;
  const error = await failure(removeDroplet('3', credential(), patience));
  expect(error).toMatchObject({
    code: 'PROVIDER_REFUSED',
    message: "DigitalOcean's droplet 3 was asked to go and is there still",
  });
  expect(firewalls).toHaveLength(1);
});

test.each<[string, Given, object]>([
  ['nonsense', { status: 200, body: { droplets: 7 } }, { message: 'DigitalOcean answered what makes no sense' }],
  ['a page of HTML', { status: 200, body: '<html>' }, { message: 'DigitalOcean answered what is no JSON' }],
  ['a refusal of the token', { status: 401, body: { id: 'unauthorized', message: 'no' } }, { fields: { status: 401 } }],
])('answered with %s say so', async (_, given, wanted) => {
  trouble = () => given;
  const error = await failure(listDroplets('garden', credential()));
  expect(error).toMatchObject({ code: 'PROVIDER_REFUSED', ...wanted });
  expect(JSON.stringify(error)).not.toContain('dop_v1_secret');
});

test('without a credential are asked for of nobody', async () => {
  await expect(listDroplets('garden', null)).rejects.toMatchObject({ code: 'NOT_ALLOWED' });
});
