/**
 * A stand-in of Linode: its API v4 as the maker's plugin uses it, for instances, firewalls, events, domains and records, on
 * an address of this computer. An instance is an entry in a table. What makes or changes something is checked by Linode's
 * own schemas (@linode/validation), and every token by its scopes.
 */
import * as makers from '@linode/validation';
import { type Asked, type Given, type Server, serve } from '../stacks/credentials/server.support.ts';
import { error, type Firewall, type Instance, pageOf, type Rules, shownInstance } from './answers.ts';
import { newDomains, type Records } from './domains.ts';

export interface Cloud extends Server {
  /** Scopes by token. */
  readonly tokens: Map<string, readonly string[]>;
  readonly instances: Map<number, Instance>;
  readonly firewalls: Map<number, Firewall>;
  readonly domains: Records;
  /** What was asked for in a way that the maker's own schemas refuse, and instances behind no firewall. */
  readonly wrong: string[];
  /** Ids of all instances that were ever made. */
  readonly made: number[];
}

interface Event {
  readonly id: number;
  readonly action: string;
  readonly entity: { readonly id: number; readonly type: string };
}

type Schema = { validate(value: unknown, how: { strict: boolean }): Promise<unknown> };
// Its types name their own files in a way that Node does not follow.
const own = makers as unknown as Record<'CreateFirewallSchema' | 'CreateLinodeSchema' | 'createRecordSchema', Schema>;

const SCHEMAS: readonly (readonly [RegExp, Schema])[] = [
  [/^POST \/v4\/networking\/firewalls$/, own.CreateFirewallSchema],
  [/^POST \/v4\/linode\/instances$/, own.CreateLinodeSchema],
  [/^POST \/v4\/domains\/\d+\/records$/, own.createRecordSchema],
];

/** Which scope each path asks for, as Linode's reference has it. Anybody may see what types there are. */
const ASKS: readonly (readonly [RegExp, string])[] = [
  [/^\/v4\/linode\/types/, ''],
  [/^\/v4\/linode\//, 'linodes'],
  [/^\/v4\/networking\/firewalls/, 'firewall'],
  [/^\/v4\/account\/events/, 'events'],
  [/^\/v4\/domains/, 'domains'],
];
/** Times that an instance is looked at before it runs. */
const LOOKS = 2;

export async function startCloud(zone: string): Promise<Cloud> {
  const [instances, firewalls] = [new Map<number, Instance>(), new Map<number, Firewall>()];
  const [wrong, made, events] = [[] as string[], [] as number[], [] as Event[]];
  const tokens = new Map<string, readonly string[]>();
  const domains = newDomains(zone);
  let next = 700_000;

  const done = (action: string, id: number, type: string) =>
    void events.unshift({ id: ++next, action, entity: { id, type } });

  function onInstances({ method, query, body }: Asked, id: string | undefined, more: string | undefined): Given {
    if (id === undefined) {
      if (method === 'GET')
        return pageOf(
          [...instances.values()].map((one) => shownInstance(one, true)),
          query,
        );
      const { firewall_id, metadata, authorized_keys, ...said } = body as Omit<Instance, 'id'> & {
        readonly firewall_id?: number;
        readonly metadata?: { readonly user_data?: string };
        readonly authorized_keys?: readonly string[];
      };
      const guard = firewalls.get(firewall_id ?? 0);
      const instance: Instance = {
        ...{ id: ++next, label: said.label, region: said.region, type: said.type, image: said.image },
        ...{ tags: said.tags ?? [], looks: 0, keys: authorized_keys ?? [] },
        userData: Buffer.from(metadata?.user_data ?? '', 'base64').toString('utf8'),
      };
      if (guard === undefined) wrong.push(`instance ${instance.id} is behind no firewall`);
      else guard.instances.push(instance.id);
      instances.set(instance.id, instance);
      made.push(instance.id);
      done('linode_create', instance.id, 'linode');
      return { status: 200, body: shownInstance(instance) };
    }
    const instance = instances.get(Number(id));
    if (instance === undefined) return error(404, 'Not found');
    if (more === 'ips') {
      const { ipv4, ipv6 } = shownInstance(instance);
      const address = { address: ipv4[0], public: true, type: 'ipv4', linode_id: instance.id, rdns: null };
      const v6 = { slaac: { address: ipv6.split('/')[0], prefix: 128, type: 'ipv6', public: true }, global: [] };
      return { status: 200, body: { ipv4: { public: [address], private: [], shared: [], reserved: [] }, ipv6: v6 } };
    }
    if (more !== undefined) return pageOf([], query);
    if (method === 'DELETE') {
      instances.delete(instance.id);
      for (const guard of firewalls.values()) guard.instances = guard.instances.filter((one) => one !== instance.id);
      done('linode_delete', instance.id, 'linode');
      return { status: 200, body: {} };
    }
    if (method === 'GET') instance.looks++;
    else Object.assign(instance, body);
    return { status: 200, body: shownInstance(instance, instance.looks >= LOOKS) };
  }

  function onFirewalls({ method, query, body }: Asked, id: string | undefined, more: string | undefined): Given {
    const shown = ({ instances: _, ...rest }: Firewall) => ({ ...rest, created: DATE, updated: DATE });
    if (id === undefined) {
      if (method === 'GET') return pageOf([...firewalls.values()].map(shown), query);
      const { label, tags = [], rules } = body as Pick<Firewall, 'label' | 'tags' | 'rules'>;
      if ([...firewalls.values()].some((one) => one.label === label)) return error(400, 'Label must be unique');
      const firewall: Firewall = { id: ++next, label, tags, rules, status: 'enabled', instances: [] };
      firewalls.set(firewall.id, firewall);
      return { status: 200, body: shown(firewall) };
    }
    const firewall = firewalls.get(Number(id));
    if (firewall === undefined) return error(404, 'Not found');
    if (more === 'rules') {
      if (method === 'PUT') firewall.rules = body as Rules;
      return { status: 200, body: firewall.rules };
    }
    if (more === 'devices') {
      const entity = (one: number) => ({ id: one, type: 'linode', label: '', url: `/v4/linode/instances/${one}` });
      return pageOf(
        firewall.instances.map((one) => ({ id: one, entity: entity(one), created: DATE, updated: DATE })),
        query,
      );
    }
    if (method === 'DELETE') firewalls.delete(firewall.id);
    if (method === 'DELETE') return { status: 200, body: {} };
    if (method === 'PUT') Object.assign(firewall, body);
    return { status: 200, body: shown(firewall) };
  }

  function onEvents({ headers, query }: Asked, id: string | undefined): Given {
    const whole = (event: Event) => ({
      ...{ ...event, status: 'finished', percent_complete: 100, created: DATE, username: 'garden' },
      ...{ rate: null, read: false, seen: false, time_remaining: null, secondary_entity: null, duration: 1 },
    });
    if (id !== undefined) {
      const event = events.find((one) => String(one.id) === id);
      return event === undefined ? error(404, 'Not found') : { status: 200, body: whole(event) };
    }
    const filter = JSON.parse(String(headers['x-filter'] ?? '{}')) as Readonly<Record<string, unknown>>;
    const fits = (wanted: unknown, is: unknown) => wanted === undefined || wanted === is;
    const found = events.filter(
      ({ action, entity }) =>
        fits(filter.action, action) && fits(filter['entity.id'], entity.id) && fits(filter['entity.type'], entity.type),
    );
    return pageOf(found.map(whole), query);
  }

  async function answer(asked: Asked): Promise<Given> {
    const { method, path } = asked;
    const scope = ASKS.find(([at]) => at.test(path))?.[1];
    if (scope === undefined) return error(404, 'Not found');
    const scopes = tokens.get(asked.token);
    if (scopes === undefined) return error(401, 'Invalid Token');
    const enough = [`${scope}:read_write`, ...(method === 'GET' ? [`${scope}:read_only`] : [])];
    if (scope !== '' && !enough.some((one) => scopes.includes(one)))
      return error(403, 'Your OAuth token is not authorized to use this endpoint.');
    const schema = SCHEMAS.find(([at]) => at.test(`${method} ${path}`))?.[1];
    const why = await schema?.validate(asked.body, { strict: true }).then(
      () => undefined,
      (thrown: Error) => thrown.message,
    );
    if (why !== undefined) {
      wrong.push(`${method} ${path}: ${why}`);
      return error(400, why);
    }
    const [, , kind, what, id, more] = path.split('/');
    if (kind === 'domains') return domains.answer(asked);
    if (what === 'types') return pageOf([], asked.query);
    if (what === 'events') return onEvents(asked, id);
    return what === 'firewalls' ? onFirewalls(asked, id, more) : onInstances(asked, id, more);
  }

  return { ...(await serve(answer)), tokens, instances, firewalls, domains, wrong, made };
}

const DATE = '2026-05-04T00:00:00';
