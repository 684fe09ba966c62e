/**
 * Stand-ins of the parts of DigitalOcean's, Linode's and AWS's APIs that have to do with the records of a zone. DigitalOcean's
 * answers are held to its own document; Route 53's are the XML of its reference, in the order that it lists sets.
 */
import { wrongAnswer } from '../../specs/digitalocean.support.ts';
import { type Asked, type Given, type Server, serve } from '../credentials/server.support.ts';

export const ZONE = 'garden.test';
export const ZONE_ID = 'Z0123456789ABCDEFGHIJ';
export const DOMAIN_ID = 4711;

export interface Row {
  readonly id: string;
  /** Whole, in lower case. */
  readonly name: string;
  readonly type: string;
  readonly value: string;
  readonly ttl: number;
  /** Route 53 only. */
  readonly set?: string;
}

export interface Standing extends Server {
  rows: readonly Row[];
  /** What was answered in a way that the maker's document does not have. */
  readonly wrong: string[];
  trouble: ((asked: Asked) => Given | null) | null;
  /** For `remove`, `list`, …: what a cell would have. */
  readonly credential: { readonly [key: string]: string | number };
}

const inside = (name: string, top: string) => (name === ZONE ? top : name.slice(0, -ZONE.length - 1));

async function standing(
  credential: Standing['credential'],
  within: (asked: Asked, standIn: Standing) => Given,
  check: (asked: Asked, given: Given) => string | null = () => null,
): Promise<Standing> {
  const wrong: string[] = [];
  const server = await serve((asked) => {
    const instead = standIn.trouble?.(asked) ?? null;
    if (instead !== null) return instead;
    const given = within(asked, standIn);
    const why = check(asked, given);
    if (why !== null) wrong.push(`${asked.method} ${asked.path} ${given.status}: ${why}`);
    return given;
  });
  const own = { ...credential, endpoint: server.url };
  const standIn: Standing = { ...server, rows: [], wrong, trouble: null, credential: own };
  return standIn;
}

export async function startDigitalOceanDomains(): Promise<Standing> {
  const error = (status: number, id: string, message: string): Given => ({ status, body: { id, message } });
  const shown = ({ id, name, type, value, ttl }: Row) => ({
    ...{ id: Number(id), type, name: inside(name, '@'), data: value, ttl },
    ...{ priority: null, port: null, weight: null, flags: null, tag: null },
  });
  return standing(
    { token: 'dop_v1_secret', zone: ZONE },
    ({ method, path, query, token }, standIn) => {
      if (token !== 'dop_v1_secret') return error(401, 'unauthorized', 'Unable to authenticate you');
      if (path === '/v2/domains') {
        return {
          status: 200,
          body: { domains: [{ name: ZONE, ttl: 1800, zone_file: null }], links: {}, meta: { total: 1 } },
        };
      }
      const [, domain, id] = /^\/v2\/domains\/([^/]+)\/records(?:\/(\d+))?$/.exec(path) ?? [];
      if (domain !== ZONE) return error(404, 'not_found', 'The resource you were accessing could not be found.');
      if (method === 'DELETE') {
        if (!standIn.rows.some((row) => row.id === id)) return error(404, 'not_found', 'not found');
        standIn.rows = standIn.rows.filter((row) => row.id !== id);
        return { status: 204 };
      }
      const [page, size] = [Number(query.get('page') ?? 1), Number(query.get('per_page') ?? 20)];
      if (size > 200) return error(422, 'unprocessable_entity', 'per_page may be 200 at most');
      const [name, type] = [query.get('name'), query.get('type')];
      const all = standIn.rows.filter((row) => (name ?? row.name) === row.name && (type ?? row.type) === row.type);
      const more = page * size < all.length;
      return {
        status: 200,
        body: {
          domain_records: all.slice((page - 1) * size, page * size).map(shown),
          links: more ? { pages: { next: `https://api.digitalocean.com${path}?page=${page + 1}` } } : {},
          meta: { total: all.length },
        },
      };
    },
    ({ method, path }, { status, body }) => wrongAnswer(method, path, status, body),
  );
}

export async function startLinodeDomains(): Promise<Standing> {
  const error = (status: number, reason: string): Given => ({ status, body: { errors: [{ reason }] } });
  const paged = (all: readonly object[], query: URLSearchParams): Given => {
    const [page, size] = [Number(query.get('page') ?? 1), Number(query.get('page_size') ?? 100)];
    if (size < 25 || size > 500) return error(400, 'Must be 25-500');
    const pages = Math.max(1, Math.ceil(all.length / size));
    const data = all.slice((page - 1) * size, page * size);
    return { status: 200, body: { data, page, pages, results: all.length } };
  };
  const shown = ({ id, name, type, value, ttl }: Row) => ({
    ...{ id: Number(id), type, name: inside(name, ''), target: value, ttl_sec: ttl },
    ...{ priority: 0, weight: 0, port: 0, service: null, protocol: null, tag: null },
  });
  return standing({ token: 'secret', zone: ZONE, domainId: DOMAIN_ID }, ({ method, path, query, token }, standIn) => {
    if (token !== 'secret') return error(401, 'Invalid Token');
    if (path === '/v4/domains') return paged([{ id: DOMAIN_ID, domain: ZONE, type: 'master' }], query);
    const [, domain, id] = /^\/v4\/domains\/(\d+)\/records(?:\/(\d+))?$/.exec(path) ?? [];
    if (domain !== String(DOMAIN_ID)) return error(404, 'Not found');
    if (method !== 'DELETE') return paged(standIn.rows.map(shown), query);
    if (!standIn.rows.some((row) => row.id === id)) return error(404, 'Not found');
    standIn.rows = standIn.rows.filter((row) => row.id !== id);
    return { status: 200, body: {} };
  });
}

const escaped = (text: string) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');
const xml = (status: number, body: string): Given => ({
  ...{ status, headers: { 'content-type': 'text/xml' } },
  body: `<?xml version="1.0"?>\n${body}`,
});
const NAMESPACE = 'xmlns="https://route53.amazonaws.com/doc/2013-04-01/"';

/** Record sets are listed by name from the right, then type, then identifier. */
const placeOf = ({ name, type, set = '' }: Omit<Row, 'id' | 'value' | 'ttl'>) =>
  [...name.split('.').reverse(), '\u0000', type, set].join('\u0001');

function ordered(rows: readonly Row[]): readonly Row[] {
  return [...rows].sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
}

export async function startRoute53(): Promise<Standing> {
  const error = (status: number, code: string, message: string): Given =>
    xml(
      status,
      `<ErrorResponse ${NAMESPACE}><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`,
    );
  const written = ({ name, type, value, ttl, set }: Row) => {
    const own = name.replace(/\*/g, '\\052');
    const inner =
      type === 'ALIAS'
        ? ''
        : `<TTL>${ttl}</TTL><ResourceRecords><ResourceRecord><Value>${escaped(type === 'TXT' ? `"${value}"` : value)}</Value></ResourceRecord></ResourceRecords>`;
    const apart =
      set === undefined ? '' : `<SetIdentifier>${set}</SetIdentifier><MultiValueAnswer>true</MultiValueAnswer>`;
    return `<ResourceRecordSet><Name>${own}.</Name><Type>${type}</Type>${apart}${inner}</ResourceRecordSet>`;
  };
  const credential = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', zone: ZONE, zoneId: ZONE_ID };
  return standing(credential, ({ method, path, query, text, headers }, standIn) => {
    if (!String(headers.authorization).includes('Credential=AKIDEXAMPLE/')) {
      return error(403, 'InvalidClientTokenId', 'The security token included in the request is invalid.');
    }
    const zone = (id: string, name: string, hidden: boolean) =>
      `<HostedZone><Id>/hostedzone/${id}</Id><Name>${name}.</Name><CallerReference>c</CallerReference><Config><PrivateZone>${hidden}</PrivateZone></Config><ResourceRecordSetCount>${standIn.rows.length}</ResourceRecordSetCount></HostedZone>`;
    if (path === '/2013-04-01/hostedzonesbyname') {
      const zones = zone('ZPRIVATE0000000000000', ZONE, true) + zone(ZONE_ID, ZONE, false);
      return xml(
        200,
        `<ListHostedZonesByNameResponse ${NAMESPACE}><HostedZones>${zones}</HostedZones><IsTruncated>false</IsTruncated><MaxItems>100</MaxItems></ListHostedZonesByNameResponse>`,
      );
    }
    const [, id, sets] = /^\/2013-04-01\/hostedzone\/(\w+)(\/rrset)?\/?$/.exec(path) ?? [];
    if (id !== ZONE_ID) return error(404, 'NoSuchHostedZone', `No hosted zone found with ID: ${id}`);
    if (sets === undefined)
      return xml(200, `<GetHostedZoneResponse ${NAMESPACE}>${zone(ZONE_ID, ZONE, false)}</GetHostedZoneResponse>`);
    if (method === 'POST') {
      const taken = [...text.matchAll(/<ResourceRecordSet>(.*?)<\/ResourceRecordSet>/gs)].map(([, set = '']) => {
        const member = (tag: string) => new RegExp(`<${tag}>(.*?)</${tag}>`, 's').exec(set)?.[1];
        return { name: member('Name')?.replace(/\.$/, ''), type: member('Type'), set: member('SetIdentifier') };
      });
      const found = taken.map(({ name, type, set }) =>
        standIn.rows.find((row) => row.name === name && row.type === type && row.set === set),
      );
      if (found.includes(undefined)) return error(400, 'InvalidChangeBatch', 'it was not found');
      standIn.rows = standIn.rows.filter((row) => !found.includes(row));
      return xml(
        200,
        `<ChangeResourceRecordSetsResponse ${NAMESPACE}><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status><SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>`,
      );
    }
    const all = ordered(standIn.rows);
    const size = Number(query.get('maxitems') ?? 100);
    if (size > 300) return error(400, 'InvalidInput', 'maxitems may be 300 at most');
    const [name, type, set] = ['name', 'type', 'identifier'].map((key) => query.get(key) ?? '');
    const start = placeOf({ name: (name ?? '').replace(/\.$/, ''), type: type ?? '', set: set ?? '' });
    const from = name === '' ? 0 : all.filter((row) => placeOf(row) < start).length;
    const page = all.slice(from, from + size);
    const next = all[from + size];
    const more =
      next === undefined
        ? ''
        : `<NextRecordName>${next.name}.</NextRecordName><NextRecordType>${next.type}</NextRecordType>${next.set === undefined ? '' : `<NextRecordIdentifier>${next.set}</NextRecordIdentifier>`}`;
    return xml(
      200,
      `<ListResourceRecordSetsResponse ${NAMESPACE}><ResourceRecordSets>${page.map(written).join('')}</ResourceRecordSets><IsTruncated>${next !== undefined}</IsTruncated>${more}<MaxItems>${size}</MaxItems></ListResourceRecordSetsResponse>`,
    );
  });
}
