/** Instances of Linode over its API, at a stand-in. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { clearInstance, listInstances, removeInstance } from '../../../stacks/machines/linode.api.ts';
import { failure, type Given, type Server, serve } from '../credentials/server.support.ts';

interface Thing {
  readonly id: number;
  readonly label: string;
  readonly tags: readonly string[];
  readonly status?: string;
  readonly ipv4?: readonly string[];
}

const TAGS = (birth: string) => ['cell-organism:garden', `cell-birth:${birth}`, 'cell-parent:seed'];

let server: Server;
let instances: Thing[];
let firewalls: Thing[];
let lingers: number;
/** Without the version of the API; with it, the same. */
const credential = () => ({ token: 'secret-token', endpoint: server.url });
const patience = { pause: async () => undefined };
const nothing: Given = { status: 404, body: { errors: [{ reason: 'Not found' }] } };

beforeEach(async () => {
  instances = [];
  firewalls = [];
  lingers = 0;
  server = await serve(({ method, path, query, token }) => {
    if (token !== 'secret-token') return { status: 401, body: { errors: [{ reason: 'Invalid Token' }] } };
    const [, kind, id] = /^\/v4\/(linode\/instances|networking\/firewalls)(?:\/(\d+))?$/.exec(path) ?? [];
    const all = kind === 'linode/instances' ? instances : firewalls;
    if (kind === undefined) return nothing;
    if (id === undefined) {
      const [size, page] = [Number(query.get('page_size')), Number(query.get('page'))];
      const data = all.slice((page - 1) * size, page * size);
      return {
        status: 200,
        body: { data, page, pages: Math.max(1, Math.ceil(all.length / size)), results: all.length },
      };
    }
    const one = all.find((other) => other.id === Number(id));
    if (one === undefined) return nothing;
    const asked = server.asked.some((before) => before.method === 'DELETE' && before.path === path);
    if (method === 'GET' && asked && lingers-- <= 0) {
      instances = instances.filter((other) => other !== one);
      return nothing;
    }
    if (method === 'GET') return { status: 200, body: one };
    if (kind !== 'linode/instances') firewalls = firewalls.filter((other) => other !== one);
    return { status: 200, body: {} };
  });
});
afterEach(() => server.close());

test('are listed by the tag of the organism, however many pages there are', async () => {
  instances = Array.from({ length: 1001 }, (_, at) => ({
    ...{ id: at + 1, label: `garden-b${at}`, tags: at % 2 === 0 ? TAGS(`b${at}`) : ['cell-organism:yard'] },
    ...{ status: at === 2 ? 'offline' : 'running', ipv4: ['192.168.133.7', `192.0.2.${at % 250}`] },
  }));
  const found = await listInstances('garden', credential());
  expect(found).toHaveLength(501);
  expect(found.slice(0, 2)).toEqual([
    { id: '1', birth: 'b0', parent: 'seed', address: '192.0.2.0', running: true },
    { id: '3', birth: 'b2', parent: 'seed', address: '192.0.2.2', running: false },
  ]);
  expect(await listInstances('garden', { ...credential(), endpoint: `${server.url}/v4` })).toEqual(found);
});

test('have no address before they are given one', async () => {
  instances = [{ id: 1, label: 'x', tags: ['cell-organism:garden'], status: 'provisioning' }];
  const unknown = { id: '1', birth: 'x', parent: '', address: null, running: true };
  expect(await listInstances('garden', credential())).toEqual([unknown]);
});

test('go with the firewall that was made for them, and only when they are gone', async () => {
  instances = [
    { id: 3, label: 'garden-b2', tags: TAGS('b2') },
    { id: 4, label: 'garden-b3', tags: TAGS('b3') },
  ];
  firewalls = [
    { id: 8, label: 'garden-b2', tags: TAGS('b2') },
    { id: 9, label: 'garden-b3', tags: TAGS('b3') },
    { id: 10, label: 'somebody', tags: [] },
  ];
  lingers = 2;
  await removeInstance('3', credential(), patience);
  expect(instances.map(({ id }) => id)).toEqual([4]);
  expect(firewalls.map(({ id }) => id)).toEqual([9, 10]);
  await removeInstance('3', credential(), patience);
});

test('that are not there leave no firewall', async () => {
  firewalls = [
    { id: 8, label: 'garden-b2', tags: TAGS('b2') },
    { id: 9, label: 'garden-b3', tags: TAGS('b3') },
  ];
  await clearInstance({ birth: 'b2' }, credential());
  expect(firewalls.map(({ id }) => id)).toEqual([9]);
});

test('are not looked for with a token that is not taken', async () => {
  const error = await failure(listInstances('garden', { ...credential(), token: 'revoked' }));
  expect(error).toMatchObject({ code: 'PROVIDER_REFUSED', fields: { provider: 'Linode', status: 401 } });
});
