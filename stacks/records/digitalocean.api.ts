/** Records of a domain at DigitalOcean, over its API: what the sweep sees, and what stands in a cell's way. */
import { tokenIn } from '../credentials/token.ts';
import { allPages, listIn } from '../pages.ts';
import { rest } from '../rest.ts';
import type { Json } from '../stack.ts';
import { noZone, recordIn, type ZoneApi } from './hosted.api.ts';
import { wholeName } from './hosted.ts';
import type { ZoneRecord } from './owned.ts';

const NAME = 'DigitalOcean';
const USUAL = 'https://api.digitalocean.com';
/** The most that it gives. */
const PAGE = 200;
/** The zone itself, among names of the zone. */
export const TOP = '@';

type Row = Readonly<Record<'id' | 'name' | 'type' | 'data' | 'ttl', unknown>>;

export function digitaloceanZone(credential: Json): ZoneApi {
  const { token, endpoint = USUAL } = tokenIn(credential, NAME);
  const { zone } = credential as { readonly zone: string };
  const api = rest({ provider: NAME, base: endpoint.replace(/\/v2$/, ''), token });
  const all = `/v2/domains/${zone}/records`;

  const list = async (query: string): Promise<readonly ZoneRecord[]> => {
    const rows = await allPages<Row>(NAME, async (page) => {
      const { status, body } = await api.ask('GET', `${all}?${query}per_page=${PAGE}&page=${page}`, undefined, [404]);
      if (status === 404) throw noZone(NAME, zone, await zones());
      const { links } = (body ?? {}) as { readonly links?: { readonly pages?: { readonly next?: string } } };
      return { items: listIn<Row>(NAME, body, 'domain_records'), more: links?.pages?.next !== undefined };
    });
    return rows.map(({ id, name, type, data, ttl }) => {
      const record = recordIn(NAME, { id, name, type, value: data, ttl });
      return { ...record, name: wholeName(record.name, zone, TOP) };
    });
  };
  const zones = async () => {
    const { body } = await api.ask('GET', `/v2/domains?per_page=${PAGE}`);
    return listIn<{ readonly name: string }>(NAME, body, 'domains').map(({ name }) => name);
  };

  return {
    zone,
    at: async (names) =>
      (await Promise.all([...new Set(names)].map((name) => list(`name=${encodeURIComponent(name)}&`)))).flat(),
    texts: () => list('type=TXT&'),
    async remove(id) {
      await api.ask('DELETE', `${all}/${encodeURIComponent(id)}`, undefined, [404]);
    },
  };
}
