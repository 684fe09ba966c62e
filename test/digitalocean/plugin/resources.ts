/**
 * The resources of `@pulumi/digitalocean` that the stacks of cells are made of, by the calls that the maker's plugin makes
 * for them. Names inside are as Pulumi has them (`portRange`), outside as the API has them (`ports`).
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Api, Body } from './api.ts';

export interface Live {
  readonly id: string;
  readonly outputs: Body;
}

/** A create that made something and then failed: what it made belongs to the state. */
export class HalfMade extends Error {
  readonly live: Live;

  constructor(message: string, live: Live) {
    super(message);
    this.live = live;
  }
}

export interface Resource {
  /** Inputs that cannot be changed where it is. */
  readonly replaceOn: readonly string[];
  create(api: Api, inputs: Body): Promise<Live>;
  read(api: Api, id: string, outputs: Body): Promise<Live | null>;
  update?(api: Api, id: string, outputs: Body, inputs: Body): Promise<Live>;
  delete(api: Api, id: string, outputs: Body): Promise<void>;
}

const POLL_MS = 1_000;
/** As long as the time-out of a create that machines get, which does not come through to here; tests say less. */
const ACTIVE_WITHIN_MS = Number(process.env.PLUGIN_PATIENCE_MS ?? 15 * 60_000);
const GONE_WITHIN_MS = 60_000;

const at = (body: Body | null, member: string): Body => (body?.[member] ?? {}) as Body;
const texts = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(String) : []);
/** Of a text with keys in it, which is not for the state: enough to see a change by. */
const hashOf = (text: unknown) => createHash('sha1').update(String(text)).digest('hex');

const tag: Resource = {
  replaceOn: ['name'],
  async create(api, { name }) {
    const made = at(await api.ask('POST', '/v2/tags', { name }), 'tag');
    return { id: String(made.name), outputs: { name: made.name } };
  },
  async read(api, id) {
    const body = await api.ask('GET', `/v2/tags/${encodeURIComponent(id)}`);
    return body === null ? null : { id, outputs: { name: at(body, 'tag').name } };
  },
  async delete(api, id) {
    await api.ask('DELETE', `/v2/tags/${encodeURIComponent(id)}`);
  },
};

const sshKey: Resource = {
  replaceOn: ['publicKey'],
  async create(api, { name, publicKey }) {
    const made = await api.ask('POST', '/v2/account/keys', { name, public_key: publicKey });
    return shownKey(at(made, 'ssh_key'));
  },
  async read(api, id) {
    const body = await api.ask('GET', `/v2/account/keys/${id}`);
    return body === null ? null : shownKey(at(body, 'ssh_key'));
  },
  async delete(api, id) {
    await api.ask('DELETE', `/v2/account/keys/${id}`);
  },
};

function shownKey({ id, name, public_key, fingerprint }: Body): Live {
  return { id: String(id), outputs: { name, publicKey: String(public_key).trim(), fingerprint } };
}

type Rule = Readonly<Record<string, unknown>>;

/** ICMP has no ports, and none are said. */
const rule = ({ protocol, portRange }: Rule) => ({ protocol, ports: portRange });

function firewallBody({ name, tags, inboundRules, outboundRules }: Body): Body {
  return {
    ...{ name, tags, droplet_ids: [] },
    inbound_rules: ((inboundRules ?? []) as readonly Rule[]).map((one) => ({
      ...rule(one),
      sources: { addresses: one.sourceAddresses },
    })),
    outbound_rules: ((outboundRules ?? []) as readonly Rule[]).map((one) => ({
      ...rule(one),
      destinations: { addresses: one.destinationAddresses },
    })),
  };
}

const firewall: Resource = {
  replaceOn: [],
  async create(api, inputs) {
    const { id, status } = at(await api.ask('POST', '/v2/firewalls', firewallBody(inputs)), 'firewall');
    return { id: String(id), outputs: { ...inputs, status } };
  },
  async read(api, id, outputs) {
    const body = await api.ask('GET', `/v2/firewalls/${id}`);
    if (body === null) return null;
    const { name, tags, status } = at(body, 'firewall');
    return { id, outputs: { ...outputs, name, tags, status } };
  },
  async update(api, id, _outputs, inputs) {
    const { status } = at(await api.ask('PUT', `/v2/firewalls/${id}`, firewallBody(inputs)), 'firewall');
    return { id, outputs: { ...inputs, status } };
  },
  async delete(api, id) {
    await api.ask('DELETE', `/v2/firewalls/${id}`);
  },
};

interface Network {
  readonly ip_address: string;
  readonly type: string;
}

/** What the API shows, over what it was asked to be. */
function shownDroplet(shown: Body, asked: Body): Live {
  const { id, name, status, tags, networks, created_at, size_slug, region } = shown;
  const { v4 = [], v6 = [] } = (networks ?? {}) as {
    readonly v4?: readonly Network[];
    readonly v6?: readonly Network[];
  };
  const own = (all: readonly Network[]) => all.find(({ type }) => type === 'public')?.ip_address ?? '';
  const outputs = {
    ...{ ...asked, name, status, tags, size: size_slug, region: (region as Body).slug, createdAt: created_at },
    ...{ ipv4Address: own(v4), ipv6Address: own(v6) },
  };
  return { id: String(id), outputs };
}

const droplet: Resource = {
  replaceOn: ['region', 'image', 'sshKeys', 'userData', 'dropletAgent'],
  async create(api, inputs) {
    const { name, region, size, image, ipv6, dropletAgent, sshKeys, tags, userData } = inputs;
    const body = {
      ...{ name, region, size, image, ipv6, tags: texts(tags), user_data: userData },
      ssh_keys: texts(sshKeys).map((key) => (/^\d+$/.test(key) ? Number(key) : key)),
      with_droplet_agent: dropletAgent,
    };
    const made = at(await api.ask('POST', '/v2/droplets', body), 'droplet');
    const asked = { ...inputs, ...(userData === undefined ? {} : { userData: hashOf(userData) }) };
    const until = Date.now() + ACTIVE_WITHIN_MS;
    for (;;) {
      const shown = await api.ask('GET', `/v2/droplets/${made.id}`).catch((why: Error) => {
        throw new HalfMade(why.message, shownDroplet(made, asked));
      });
      if (shown === null) throw new Error(`droplet ${made.id} went before it was active`);
      if (at(shown, 'droplet').status === 'active') return shownDroplet(at(shown, 'droplet'), asked);
      if (Date.now() > until)
        throw new HalfMade(
          `it waited for droplet ${made.id} to become ready: context deadline exceeded`,
          shownDroplet(made, asked),
        );
      await sleep(POLL_MS);
    }
  },
  async read(api, id, outputs) {
    const body = await api.ask('GET', `/v2/droplets/${id}`);
    return body === null ? null : shownDroplet(at(body, 'droplet'), outputs);
  },
  async update(api, id, outputs, inputs) {
    const [before, after] = [texts(outputs.tags), texts(inputs.tags)];
    const body = { resources: [{ resource_id: id, resource_type: 'droplet' }] };
    for (const name of after.filter((one) => !before.includes(one))) {
      await api.ask('POST', '/v2/tags', { name });
      await api.ask('POST', `/v2/tags/${encodeURIComponent(name)}/resources`, body);
    }
    for (const name of before.filter((one) => !after.includes(one)))
      await api.ask('DELETE', `/v2/tags/${encodeURIComponent(name)}/resources`, body);
    const live = await droplet.read(api, id, { ...outputs, ...inputs, userData: outputs.userData });
    if (live === null) throw new Error(`droplet ${id} is gone`);
    return live;
  },
  async delete(api, id) {
    await api.ask('DELETE', `/v2/droplets/${id}`);
    const until = Date.now() + GONE_WITHIN_MS;
    while ((await api.ask('GET', `/v2/droplets/${id}`)) !== null) {
      if (Date.now() > until) throw new Error(`droplet ${id} is still there`);
      await sleep(POLL_MS);
    }
  },
};

const dnsRecord: Resource = {
  replaceOn: ['domain', 'type'],
  async create(api, inputs) {
    const made = await api.ask('POST', `/v2/domains/${inputs.domain}/records`, recordBody(inputs));
    if (made === null) throw new Error(`there is no domain ${inputs.domain}`);
    return shownRecord(at(made, 'domain_record'), inputs.domain);
  },
  async read(api, id, { domain }) {
    const body = await api.ask('GET', `/v2/domains/${domain}/records/${id}`);
    return body === null ? null : shownRecord(at(body, 'domain_record'), domain);
  },
  async update(api, id, _outputs, inputs) {
    const body = await api.ask('PUT', `/v2/domains/${inputs.domain}/records/${id}`, recordBody(inputs));
    return shownRecord(at(body, 'domain_record'), inputs.domain);
  },
  async delete(api, id, { domain }) {
    await api.ask('DELETE', `/v2/domains/${domain}/records/${id}`);
  },
};

const recordBody = ({ type, name, value, ttl }: Body): Body => ({ type, name, data: value, ttl });

function shownRecord({ id, type, name, data, ttl }: Body, domain: unknown): Live {
  const fqdn = name === '@' ? domain : `${name}.${domain}`;
  return { id: String(id), outputs: { domain, type, name, value: data, ttl, fqdn } };
}

/** Sets of texts come back in any order. */
const plain = (value: unknown): unknown =>
  Array.isArray(value) && value.every((one) => typeof one === 'string') ? [...value].sort() : value;

/** Inputs that are not as the outputs have them. */
export function differing(before: Body, after: Body): readonly string[] {
  return Object.keys(after).filter((key) => {
    const [was, is] = [plain(before[key]), plain(after[key])];
    return !isDeepStrictEqual(was, is) && !(key === 'userData' && was === hashOf(is));
  });
}

export const RESOURCES: Readonly<Record<string, Resource>> = {
  'digitalocean:index/tag:Tag': tag,
  'digitalocean:index/sshKey:SshKey': sshKey,
  'digitalocean:index/firewall:Firewall': firewall,
  'digitalocean:index/droplet:Droplet': droplet,
  'digitalocean:index/dnsRecord:DnsRecord': dnsRecord,
};
