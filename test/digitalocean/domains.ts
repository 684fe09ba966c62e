/** The part of the stand-in that keeps domains and their records, and shows them to the world. */
import type { Asked, Given } from '../stacks/credentials/server.support.ts';
import { type DomainRecord, notFound, pageOf, shownRecord, unprocessable } from './answers.ts';

export interface Domains {
  readonly zone: string;
  records: readonly DomainRecord[];
  /** Told of every change. */
  changed: (records: readonly DomainRecord[]) => void;
  answer(asked: Asked): Given;
}

/** The API refuses shorter ones. */
const LEAST_TTL = 30;

export function newDomains(zone: string): Domains {
  let next = 1_000;
  const whole = (name: string) => (name === '@' ? zone : `${name}.${zone}`);
  const domains: Domains = {
    zone,
    records: [],
    changed: () => undefined,
    answer(asked) {
      const { method, path, query, body } = asked;
      if (path === '/v2/domains' && method === 'GET')
        return pageOf('domains', [{ name: zone, ttl: 1800, zone_file: null }], asked);
      const [, domain, id] = /^\/v2\/domains\/([^/]+)\/records(?:\/(\d+))?$/.exec(path) ?? [];
      if (domain !== zone) return notFound();
      const set = (records: readonly DomainRecord[]) => {
        domains.records = records;
        domains.changed(records);
      };
      if (id === undefined && method === 'GET') {
        const [name, type] = [query.get('name'), query.get('type')];
        const found = domains.records.filter(
          (one) => (name === null || whole(one.name) === name) && (type === null || one.type === type),
        );
        return pageOf('domain_records', found.map(shownRecord), asked);
      }
      const said = (body ?? {}) as Partial<DomainRecord>;
      if (said.ttl !== undefined && said.ttl < LEAST_TTL) return unprocessable(`TTL must be ${LEAST_TTL} at least`);
      if (id === undefined) {
        const { type = '', name = '', data = '', ttl = 1800 } = said;
        const record = { id: ++next, type, name, data, ttl };
        set([...domains.records, record]);
        return { status: 201, body: { domain_record: shownRecord(record) } };
      }
      const record = domains.records.find((one) => String(one.id) === id);
      if (record === undefined) return notFound();
      const others = domains.records.filter((one) => one !== record);
      if (method === 'DELETE') {
        set(others);
        return { status: 204 };
      }
      if (method !== 'GET') {
        const changed = { ...record, ...said, id: record.id };
        set([...others, changed]);
        return { status: 200, body: { domain_record: shownRecord(changed) } };
      }
      return { status: 200, body: { domain_record: shownRecord(record) } };
    },
  };
  return domains;
}
