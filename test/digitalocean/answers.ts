/** What DigitalOcean's API shows of its things, in the shapes of its own document. */
import type { Asked, Given } from '../stacks/credentials/server.support.ts';

export interface Networks {
  readonly ipv4: string;
  readonly ipv6?: string;
}

export interface Droplet {
  readonly id: number;
  readonly name: string;
  readonly region: string;
  readonly size: string;
  readonly image: string;
  readonly userData: string | undefined;
  /** The public keys it was made with. */
  readonly keys: readonly string[];
  readonly createdAt: string;
  tags: string[];
  /** Null until it has booted: it is `new` until then. */
  networks: Networks | null;
  /** ms of the stand-in's clock. */
  listedFrom: number;
}

export interface Key {
  readonly id: number;
  readonly name: string;
  readonly public_key: string;
  readonly fingerprint: string;
}

export interface Firewall {
  readonly id: string;
  readonly name: string;
  readonly tags: readonly string[];
  readonly [member: string]: unknown;
}

export interface DomainRecord {
  readonly id: number;
  readonly type: string;
  readonly name: string;
  readonly data: string;
  readonly ttl: number;
}

const SIZE = { memory: 1024, vcpus: 1, disk: 25, transfer: 1, price_monthly: 6, price_hourly: 0.009 };

export function shownDroplet({ id, name, region, size, image, createdAt, tags, networks }: Droplet): object {
  const v4 = networks === null ? [] : [{ ip_address: networks.ipv4, netmask: '255.255.255.0', type: 'public' }];
  const v6 = networks?.ipv6 === undefined ? [] : [{ ip_address: networks.ipv6, netmask: 64, type: 'public' }];
  return {
    ...{
      id,
      name,
      tags,
      memory: SIZE.memory,
      vcpus: SIZE.vcpus,
      disk: SIZE.disk,
      locked: false,
      created_at: createdAt,
    },
    ...{ features: ['ipv6'], backup_ids: [], next_backup_window: null, snapshot_ids: [], volume_ids: [] },
    status: networks === null ? 'new' : 'active',
    image: { slug: image },
    size: { ...SIZE, slug: size, regions: [region], available: true, description: 'Basic' },
    size_slug: size,
    region: { name: region, slug: region, features: [], available: true, sizes: [size] },
    networks: { v4, v6 },
  };
}

interface Rule {
  readonly protocol: string;
  readonly ports?: string;
}

/**
 * A firewall with its rules as they are kept. The document wants ports with each rule; of ICMP, which has none, they are
 * left out by the maker's own clients all the same. All of them are shown as 0, whether said or meant.
 */
export function shownRules<T>(firewall: T): T {
  const said = (firewall ?? {}) as Readonly<Record<string, unknown>>;
  const kept = (rules: readonly Rule[]) =>
    rules.map((rule) => {
      const { protocol, ports = protocol === 'icmp' ? '0' : undefined } = rule;
      return ports === undefined ? rule : { ...rule, ports: ports === 'all' ? '0' : ports };
    });
  const all = ['inbound_rules', 'outbound_rules'].flatMap((name) =>
    Array.isArray(said[name]) ? [[name, kept(said[name] as readonly Rule[])]] : [],
  );
  return all.length === 0 ? firewall : { ...firewall, ...Object.fromEntries(all) };
}

export function shownTag(name: string, droplets: number): object {
  const none = { count: 0 };
  const resources = { images: none, volumes: none, volume_snapshots: none, databases: none };
  return { name, resources: { count: droplets, droplets: { count: droplets }, ...resources } };
}

export function shownRecord({ id, type, name, data, ttl }: DomainRecord): object {
  return { id, type, name, data, ttl, priority: null, port: null, weight: null, flags: null, tag: null };
}

export function error(status: number, id: string, message = id): Given {
  return { status, body: { id, message } };
}
export const notFound = () => error(404, 'not_found', 'The resource you were accessing could not be found.');
export const unprocessable = (why: string) => error(422, 'unprocessable_entity', why);

/** A page of a list, with a link where another follows. */
export function pageOf(member: string, all: readonly object[], { path, query }: Asked): Given {
  const [size, page] = [Number(query.get('per_page') ?? 20), Number(query.get('page') ?? 1)];
  if (size < 1 || size > 200) return unprocessable('per_page may be 200 at most');
  const next = page * size < all.length ? { next: `https://api.digitalocean.com${path}?page=${page + 1}` } : null;
  return {
    status: 200,
    body: {
      [member]: all.slice((page - 1) * size, page * size),
      links: next === null ? {} : { pages: next },
      meta: { total: all.length },
    },
  };
}
