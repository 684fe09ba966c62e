/**
 * A stand-in of DigitalOcean: its API as cells and the plugin of its package use it, on an address of this computer.
 *
 * What a droplet is made of is a port: an entry in a table (`noMachines`), or a machine of the lab. Answers are late in
 * the ways of the real one: a droplet is `new` until it has booted, is listed only a while after it was made, and is shown
 * for a while after it was asked to go. Every request and answer is held against DigitalOcean's own document.
 */
import { createHash, randomUUID } from 'node:crypto';
import { operationOf, wrongAnswer, wrongRequest } from '../specs/digitalocean.support.ts';
import { type Asked, type Given, type Server, serve } from '../stacks/credentials/server.support.ts';
import {
  type Droplet,
  error,
  type Firewall,
  type Key,
  type Networks,
  notFound,
  pageOf,
  shownDroplet,
  shownRules,
  shownTag,
  unprocessable,
} from './answers.ts';
import { type Domains, newDomains } from './domains.ts';

export interface Machines {
  /** Resolves once it runs. Whoever asks twice for one id gets the same. */
  make(droplet: Droplet): Promise<Networks>;
  /** Resolves once it is gone. */
  end(id: number): Promise<void>;
}

export interface CloudOptions {
  readonly machines: Machines;
  /** The domain that is there already. */
  readonly zone: string;
  /** Where it listens; 127.0.0.1. */
  readonly address?: string;
  /** How long a droplet that was made is not listed, and one that was asked to go is shown, ms. */
  readonly unlistedMs?: number;
  readonly lingersMs?: number;
}

export interface Cloud extends Server {
  /** Scopes by token. */
  readonly tokens: Map<string, readonly string[]>;
  readonly droplets: Map<number, Droplet>;
  readonly keys: Map<number, Key>;
  readonly firewalls: Map<string, Firewall>;
  /** Tags that are there, also those that nothing has. */
  readonly tags: Set<string>;
  readonly domains: Domains;
  /** What was asked or answered against the document, what machines did not come up, droplets behind no firewall. */
  readonly wrong: string[];
  /** Ids that were ever given, in their order. */
  readonly made: number[];
  /** Instead of, or after (`then`), what would be done. */
  trouble: ((asked: Asked, then: () => Given) => Given | null) | null;
}

export async function startCloud(options: CloudOptions): Promise<Cloud> {
  const { machines, unlistedMs = 0, lingersMs = 0 } = options;
  const [tokens, wrong, made] = [new Map<string, readonly string[]>(), [] as string[], [] as number[]];
  const [droplets, keys, firewalls] = [new Map<number, Droplet>(), new Map<number, Key>(), new Map<string, Firewall>()];
  const tags = new Set<string>();
  const domains = newDomains(options.zone);
  const going = new Set<number>();
  let next = 500_000;
  const taggedWith = (tag: string) => [...droplets.values()].filter((one) => one.tags.includes(tag));

  function makeDroplet(body: Readonly<Record<string, unknown>>): Given {
    const asked = (body.ssh_keys ?? []) as readonly (string | number)[];
    const own = asked.map((one) => [...keys.values()].find(({ id, fingerprint }) => id === one || fingerprint === one));
    if (own.includes(undefined)) return unprocessable('ssh_keys: one of them is not there');
    const droplet: Droplet = {
      id: ++next,
      name: String(body.name),
      region: String(body.region),
      size: String(body.size),
      image: String(body.image),
      userData: body.user_data as string | undefined,
      keys: own.flatMap((key) => (key === undefined ? [] : [key.public_key])),
      createdAt: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
      tags: [...((body.tags ?? []) as readonly string[])],
      networks: null,
      listedFrom: performance.now() + unlistedMs,
    };
    droplets.set(droplet.id, droplet);
    made.push(droplet.id);
    for (const tag of droplet.tags) tags.add(tag);
    const guards = [...firewalls.values()].filter((one) => one.tags.some((tag) => droplet.tags.includes(tag)));
    if (guards.length === 0) wrong.push(`droplet ${droplet.id} is behind no firewall`);
    machines.make(droplet).then(
      (networks) => (droplet.networks = networks),
      (why: unknown) => wrong.push(`droplet ${droplet.id} did not come up: ${String(why)}`),
    );
    return { status: 202, body: { droplet: shownDroplet(droplet), links: { actions: [] } } };
  }

  /** Shown for a while, and as long as it runs. */
  function endDroplet(droplet: Droplet): void {
    if (going.has(droplet.id)) return;
    going.add(droplet.id);
    const shown = new Promise((resolve) => setTimeout(resolve, lingersMs).unref());
    Promise.all([machines.end(droplet.id), shown]).then(
      () => droplets.delete(droplet.id),
      (why: unknown) => wrong.push(`droplet ${droplet.id} does not go: ${String(why)}`),
    );
  }

  function onDroplets(asked: Asked, id: string | undefined): Given {
    const { method, query, body } = asked;
    if (id === undefined) {
      if (method === 'POST') return makeDroplet(body as Readonly<Record<string, unknown>>);
      if (method !== 'GET') return notFound();
      const tag = query.get('tag_name');
      const listed = [...droplets.values()].filter(({ listedFrom }) => listedFrom <= performance.now());
      const wanted = listed.filter((one) => tag === null || one.tags.includes(tag));
      return pageOf('droplets', wanted.map(shownDroplet), asked);
    }
    const droplet = droplets.get(Number(id));
    if (droplet === undefined) return notFound();
    if (method === 'GET') return { status: 200, body: { droplet: shownDroplet(droplet) } };
    endDroplet(droplet);
    return { status: 204 };
  }

  function onKeys(asked: Asked, id: string | undefined): Given {
    const { method, body } = asked;
    if (id === undefined) {
      if (method === 'GET') return pageOf('ssh_keys', [...keys.values()], asked);
      const { name, public_key } = body as { readonly name: string; readonly public_key: string };
      const fingerprint = fingerprintOf(public_key);
      if ([...keys.values()].some((one) => one.fingerprint === fingerprint))
        return unprocessable('SSH Key is already in use on your account');
      const key = { id: ++next, name, public_key, fingerprint };
      keys.set(key.id, key);
      return { status: 201, body: { ssh_key: key } };
    }
    const key = [...keys.values()].find((one) => String(one.id) === id || one.fingerprint === id);
    if (key === undefined) return notFound();
    if (method === 'GET') return { status: 200, body: { ssh_key: key } };
    if (method !== 'DELETE') return notFound();
    keys.delete(key.id);
    return { status: 204 };
  }

  function onFirewalls(asked: Asked, id: string | undefined): Given {
    const { method, body } = asked;
    const put = (own: string, status: number): Given => {
      const said = { droplet_ids: [], ...(body as { readonly name: string; readonly tags?: readonly string[] }) };
      const lost = (said.tags ?? []).filter((tag) => !tags.has(tag));
      if (lost.length > 0) return unprocessable(`there is no tag ${lost.join(', ')}`);
      if ([...firewalls.values()].some((one) => one.name === said.name && one.id !== own))
        return error(409, 'conflict', 'duplicate name');
      const firewall = {
        ...shownRules(said),
        tags: said.tags ?? [],
        id: own,
        status: 'succeeded',
        pending_changes: [],
      };
      firewalls.set(own, firewall);
      return { status, body: { firewall } };
    };
    if (id === undefined)
      return method === 'GET' ? pageOf('firewalls', [...firewalls.values()], asked) : put(randomUUID(), 202);
    const firewall = firewalls.get(id);
    if (firewall === undefined) return notFound();
    if (method === 'PUT') return put(id, 200);
    if (method === 'DELETE') firewalls.delete(id);
    return method === 'GET' ? { status: 200, body: { firewall } } : { status: 204 };
  }

  function onTags(asked: Asked, name: string | undefined, more: string | undefined): Given {
    const { method, body } = asked;
    if (name === undefined) {
      if (method === 'GET')
        return pageOf(
          'tags',
          [...tags].map((one) => shownTag(one, taggedWith(one).length)),
          asked,
        );
      const wanted = (body as { readonly name: string }).name;
      tags.add(wanted);
      return { status: 201, body: { tag: shownTag(wanted, taggedWith(wanted).length) } };
    }
    if (!tags.has(name)) return notFound();
    if (more === 'resources') {
      const { resources } = body as { readonly resources: readonly { readonly resource_id: string }[] };
      for (const { resource_id } of resources) {
        const droplet = droplets.get(Number(resource_id));
        if (droplet === undefined) return notFound();
        droplet.tags = droplet.tags.filter((tag) => tag !== name);
        if (method === 'POST') droplet.tags.push(name);
      }
      return { status: 204 };
    }
    if (method === 'GET') return { status: 200, body: { tag: shownTag(name, taggedWith(name).length) } };
    tags.delete(name);
    for (const droplet of droplets.values()) droplet.tags = droplet.tags.filter((tag) => tag !== name);
    return { status: 204 };
  }

  function done(asked: Asked): Given {
    const [, , kind, id, more] = asked.path.replace('/account/keys', '/keys').split('/').map(decodeURIComponent);
    if (kind === 'droplets') return onDroplets(asked, id);
    if (kind === 'keys') return onKeys(asked, id);
    if (kind === 'firewalls') return onFirewalls(asked, id);
    if (kind === 'tags') return onTags(asked, id, more);
    return kind === 'domains' ? domains.answer(asked) : notFound();
  }

  function answer(asked: Asked): Given {
    const scopes = tokens.get(asked.token);
    if (scopes === undefined) return error(401, 'unauthorized', 'Unable to authenticate you');
    const operation = operationOf(asked.method, asked.path);
    if (operation === null) return notFound();
    if (!operation.scopes.some((set) => set.every((scope) => scopes.includes(scope))))
      return error(403, 'forbidden', 'You are not authorized to perform this operation');
    const why = wrongRequest(asked.method, asked.path, shownRules(asked.body));
    if (why === null) return done(asked);
    wrong.push(`${asked.method} ${asked.path}: ${why}`);
    return unprocessable(why);
  }

  const server = await serve((asked) => {
    const instead = cloud.trouble?.(asked, () => answer(asked)) ?? null;
    if (instead !== null) return instead;
    const given = answer(asked);
    const why = wrongAnswer(asked.method, asked.path, given.status, given.body);
    if (why !== null) wrong.push(`${asked.method} ${asked.path} ${given.status}: ${why}`);
    return given;
  }, options.address);
  const cloud: Cloud = {
    ...{ ...server, tokens, droplets, keys, firewalls, tags, domains, wrong, made },
    trouble: null,
  };
  return cloud;
}

function fingerprintOf(publicKey: string): string {
  const bytes = Buffer.from(publicKey.split(' ')[1] ?? '', 'base64');
  return createHash('md5')
    .update(bytes)
    .digest('hex')
    .replace(/..(?=.)/g, '$&:');
}

/** Machines that are nothing but addresses, there at once. */
export function noMachines(): Machines {
  return {
    make: async ({ id }) => ({ ipv4: `192.0.2.${id % 250}`, ipv6: `2001:db8::${(id % 0xffff).toString(16)}` }),
    end: async () => undefined,
  };
}
