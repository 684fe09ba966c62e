/** Droplets of an organism, by its tag, over DigitalOcean's API: what the sweep sees and what the fence ends. */
import { tokenIn } from '../credentials/token.ts';
import { allPages, listIn } from '../pages.ts';
import { type Rest, rest } from '../rest.ts';
import type { Json } from '../stack.ts';
import { birthTag, NAME_RULES, TAG_RULES } from './digitalocean.ts';
import type { TaggedMachine } from './machine.ts';
import { hasTwin, type Patience, untilGone } from './rented.api.ts';
import { birthAmong, flat, flatValue, labelOf } from './tags.ts';

const NAME = 'DigitalOcean';
const USUAL = 'https://api.digitalocean.com';
const PAGE = 200;

interface Network {
  readonly ip_address: string;
  readonly type: string;
}
interface Droplet {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly tags?: readonly string[];
  readonly networks?: { readonly v4?: readonly Network[]; readonly v6?: readonly Network[] };
}
interface Named {
  readonly id: string | number;
  readonly name: string;
}

const publicOf = (networks: readonly Network[] = []) => networks.find(({ type }) => type === 'public')?.ip_address;

export async function listDroplets(organism: string, credential: Json): Promise<readonly TaggedMachine[]> {
  const tag = flat({ key: 'organism', value: organism }, TAG_RULES);
  const droplets = await all<Droplet>(
    client(credential),
    `/v2/droplets?tag_name=${encodeURIComponent(tag)}`,
    'droplets',
  );
  return droplets.map(({ id, name, status, tags = [], networks }) => ({
    id: String(id),
    birth: birthAmong(tags, name) ?? name,
    parent: flatValue(tags, 'parent') ?? '',
    address: publicOf(networks?.v4) ?? null,
    address6: publicOf(networks?.v6),
    running: status === 'active' || status === 'new',
  }));
}

/**
 * The droplet, and what was made for its birth, unless another of the same birth is there, which needs it. Each may be gone
 * already.
 */
export async function removeDroplet(id: string, credential: Json, patience: Patience = {}): Promise<void> {
  const api = client(credential);
  const path = `/v2/droplets/${encodeURIComponent(id)}`;
  const { status, body } = await api.ask('GET', path, undefined, [404]);
  if (status === 404) return;
  const { name, tags = [] } = (body as unknown as { droplet: Droplet }).droplet;
  await api.ask('DELETE', path, undefined, [404]);
  await untilGone(
    `${NAME}'s droplet ${id}`,
    async () => (await api.ask('GET', path, undefined, [404])).status === 404,
    patience,
  );
  const birth = birthAmong(tags, name);
  if (birth === null) return;
  const others = await listDroplets(flatValue(tags, 'organism') ?? '', credential);
  if (!hasTwin(others, id, birth)) await clearNamed(api, name, birth);
}

/** What was made for a droplet that is not there. */
export async function clearDroplet(who: { organism: string; birth: string }, credential: Json): Promise<void> {
  await clearNamed(client(credential), labelOf(who, NAME_RULES), who.birth);
}

/** Tags outlive what had them. Gone already is fine. */
export async function dropTags(tags: readonly string[], credential: Json): Promise<void> {
  const api = client(credential);
  for (const tag of tags) await api.ask('DELETE', `/v2/tags/${encodeURIComponent(tag)}`, undefined, [404]);
}

async function clearNamed(api: Rest, name: string, birth: string): Promise<void> {
  for (const [at, member] of [
    ['/v2/firewalls', 'firewalls'],
    ['/v2/account/keys', 'ssh_keys'],
  ] as const) {
    const left = (await all<Named>(api, at, member)).filter((one) => one.name === name);
    for (const one of left) await api.ask('DELETE', `${at}/${one.id}`, undefined, [404]);
  }
  await api.ask('DELETE', `/v2/tags/${encodeURIComponent(birthTag(birth))}`, undefined, [404]);
}

function all<T>(api: Rest, path: string, member: string): Promise<readonly T[]> {
  return allPages<T>(NAME, async (page) => {
    const { body } = await api.ask('GET', `${path}${path.includes('?') ? '&' : '?'}per_page=${PAGE}&page=${page}`);
    const { links } = (body ?? {}) as { readonly links?: { readonly pages?: { readonly next?: string } } };
    return { items: listIn<T>(NAME, body, member), more: links?.pages?.next !== undefined };
  });
}

function client(credential: Json): Rest {
  const { token, endpoint = USUAL } = tokenIn(credential, NAME);
  return rest({ provider: NAME, base: endpoint.replace(/\/v2$/, ''), token });
}
