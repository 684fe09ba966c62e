/** The part of the stand-in that keeps a domain and its records. */
import type { Asked, Given } from '../stacks/credentials/server.support.ts';
import { error, pageOf } from './answers.ts';

export interface DomainRecord {
  readonly id: number;
  readonly type: string;
  readonly name: string;
  readonly target: string;
  readonly ttl_sec: number;
}

export interface Records {
  readonly id: number;
  records: readonly DomainRecord[];
  answer(asked: Asked): Given;
}

/** Seconds that a record may be kept; others are rounded to the nearest. 0 is what the domain says. */
const STEPS = [0, 30, 120, 300, 3600, 7200, 14_400, 28_800, 57_600, 86_400, 172_800, 345_600, 604_800];
const nearest = (seconds: number) =>
  STEPS.reduce((best, step) => (Math.abs(step - seconds) < Math.abs(best - seconds) ? step : best), 0);

export function newDomains(zone: string): Records {
  let next = 2_000;
  const shown = (record: DomainRecord) => ({
    ...{ ...record, priority: 0, weight: 0, port: 0, service: null, protocol: null, tag: null },
    ...{ created: '2026-05-04T00:00:00', updated: '2026-05-04T00:00:00' },
  });
  const domain = { id: 4711, domain: zone, type: 'master', status: 'active', soa_email: 'dns@garden.test', ttl_sec: 0 };
  const kept = (said: Partial<DomainRecord>) => {
    const { type = '', name = '', target = '', ttl_sec: ttl = 0 } = said;
    return { type, name, target, ttl_sec: nearest(ttl) };
  };
  const domains: Records = {
    id: domain.id,
    records: [],
    answer({ method, path, query, body }) {
      if (path === '/v4/domains' && method === 'GET') return pageOf([domain], query);
      const [, of, records, id] = /^\/v4\/domains\/(\d+)(\/records(?:\/(\d+))?)?$/.exec(path) ?? [];
      if (of !== String(domain.id)) return error(404, 'Not found');
      if (records === undefined) return { status: 200, body: domain };
      if (id === undefined && method === 'GET') return pageOf(domains.records.map(shown), query);
      if (id === undefined) {
        const record = { id: ++next, ...kept(body as Partial<DomainRecord>) };
        domains.records = [...domains.records, record];
        return { status: 200, body: shown(record) };
      }
      const record = domains.records.find((one) => String(one.id) === id);
      if (record === undefined) return error(404, 'Not found');
      const others = domains.records.filter((one) => one !== record);
      if (method === 'GET') return { status: 200, body: shown(record) };
      if (method === 'DELETE') domains.records = others;
      if (method === 'DELETE') return { status: 200, body: {} };
      const changed = { id: record.id, ...kept({ ...record, ...(body as Partial<DomainRecord>) }) };
      domains.records = [...others, changed];
      return { status: 200, body: shown(changed) };
    },
  };
  return domains;
}
