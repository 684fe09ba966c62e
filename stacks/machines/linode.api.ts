/** Instances of an organism, by its tag, over Linode's API: what the sweep sees and what the fence ends. */
import { tokenIn } from '../credentials/token.ts';
import { linodeBase } from '../linode.place.ts';
import { allPages, listIn } from '../pages.ts';
import { type Rest, rest } from '../rest.ts';
import type { Json } from '../stack.ts';
import { TAG_RULES } from './linode.ts';
import type { TaggedMachine } from './machine.ts';
import { hasTwin, type Patience, untilGone } from './rented.api.ts';
import { birthAmong, flat, flatValue } from './tags.ts';

const NAME = 'Linode';
const PAGE = 500;
/** Of their private network, one address of which an instance may have besides. */
const PRIVATE = /^192\.168\.(?:1(?:2[89]|[3-9]\d)|2\d\d)\./;
const OFF = ['offline', 'stopped'];

interface Instance {
  readonly id: number;
  readonly label: string;
  readonly status: string;
  readonly tags?: readonly string[];
  readonly ipv4?: readonly string[];
  readonly ipv6?: string | null;
}
interface Tagged {
  readonly id: number;
  readonly tags?: readonly string[];
}

export async function listInstances(organism: string, credential: Json): Promise<readonly TaggedMachine[]> {
  const tag = flat({ key: 'organism', value: organism }, TAG_RULES);
  const instances = await all<Instance>(client(credential), '/linode/instances');
  return instances
    .filter(({ tags }) => tags?.includes(tag) === true)
    .map(({ id, label, status, tags = [], ipv4, ipv6 }) => ({
      id: String(id),
      birth: birthAmong(tags, label) ?? label,
      parent: flatValue(tags, 'parent') ?? '',
      address: ipv4?.find((address) => !PRIVATE.test(address)) ?? null,
      address6: ipv6 ?? undefined,
      running: !OFF.includes(status),
    }));
}

/** The instance, and the firewall of its birth, unless another of that birth is there. Each may be gone already. */
export async function removeInstance(id: string, credential: Json, patience: Patience = {}): Promise<void> {
  const api = client(credential);
  const path = `/linode/instances/${encodeURIComponent(id)}`;
  const { status, body } = await api.ask('GET', path, undefined, [404]);
  if (status === 404) return;
  const { label, tags = [] } = body as unknown as Instance;
  await api.ask('DELETE', path, undefined, [404]);
  await untilGone(
    `Linode's instance ${id}`,
    async () => (await api.ask('GET', path, undefined, [404])).status === 404,
    patience,
  );
  const birth = birthAmong(tags, label);
  if (birth === null) return;
  const others = await listInstances(flatValue(tags, 'organism') ?? '', credential);
  if (!hasTwin(others, id, birth)) await clearBirth(api, birth);
}

/** What was made for an instance that is not there. */
export async function clearInstance({ birth }: { readonly birth: string }, credential: Json): Promise<void> {
  await clearBirth(client(credential), birth);
}

async function clearBirth(api: Rest, birth: string): Promise<void> {
  const tag = flat({ key: 'birth', value: birth }, TAG_RULES);
  const firewalls = await all<Tagged>(api, '/networking/firewalls');
  for (const left of firewalls.filter((one) => one.tags?.includes(tag) === true)) {
    await api.ask('DELETE', `/networking/firewalls/${left.id}`, undefined, [404]);
  }
}

function all<T>(api: Rest, path: string): Promise<readonly T[]> {
  return allPages<T>(NAME, async (page) => {
    const { body } = await api.ask('GET', `${path}?page=${page}&page_size=${PAGE}`);
    const { pages } = (body ?? {}) as { readonly pages?: number };
    return { items: listIn<T>(NAME, body, 'data'), more: page < (pages ?? 1) };
  });
}

function client(credential: Json): Rest {
  const { token, endpoint } = tokenIn(credential, NAME);
  return rest({ provider: NAME, base: linodeBase(endpoint), token });
}
