/** Records of a domain at Linode, over its API: what the sweep sees, and what stands in a cell's way. */
import { tokenIn } from '../credentials/token.ts';
import { linodeBase } from '../linode.place.ts';
import { allPages, listIn } from '../pages.ts';
import { type Rest, rest } from '../rest.ts';
import type { Json } from '../stack.ts';
import { noZone, recordIn, type ZoneApi } from './hosted.api.ts';
import { wholeName } from './hosted.ts';
import type { ZoneRecord } from './owned.ts';

const NAME = 'Linode';
/** The most that it gives. */
const PAGE = 500;

type Row = Readonly<Record<'id' | 'name' | 'type' | 'target' | 'ttl_sec', unknown>>;

function client(credential: Json): Rest {
  const { token, endpoint } = tokenIn(credential, NAME);
  return rest({ provider: NAME, base: linodeBase(endpoint), token });
}

function list<T>(api: Rest, path: string): Promise<readonly T[]> {
  return allPages<T>(NAME, async (page) => {
    const { body } = await api.ask('GET', `${path}?page=${page}&page_size=${PAGE}`);
    const { pages } = (body ?? {}) as { readonly pages?: number };
    return { items: listIn<T>(NAME, body, 'data'), more: typeof pages === 'number' && page < pages };
  });
}

/** The number of a domain by its name. */
export async function linodeDomainId(credential: Json, zone: string): Promise<number> {
  const domains = await list<{ readonly id: unknown; readonly domain: unknown }>(client(credential), '/domains');
  const found = domains.find(({ domain }) => domain === zone);
  if (typeof found?.id === 'number') return found.id;
  throw noZone(
    NAME,
    zone,
    domains.map(({ domain }) => String(domain)),
  );
}

export function linodeZone(credential: Json): ZoneApi {
  const api = client(credential);
  const { zone, domainId } = credential as { readonly zone: string; readonly domainId: number };
  const all = `/domains/${domainId}/records`;
  // It takes no filter by name: the whole zone comes each time, 500 records at once.
  const records = async (): Promise<readonly ZoneRecord[]> =>
    (await list<Row>(api, all)).map(({ id, name, type, target, ttl_sec: ttl }) => {
      const record = recordIn(NAME, { id, name: name ?? '', type, value: target, ttl });
      return { ...record, name: wholeName(record.name, zone, '') };
    });
  return {
    zone,
    at: async (names) => (await records()).filter(({ name }) => names.includes(name)),
    texts: async () => (await records()).filter(({ type }) => type === 'TXT'),
    async remove(id) {
      await api.ask('DELETE', `${all}/${encodeURIComponent(id)}`, undefined, [404]);
    },
  };
}
