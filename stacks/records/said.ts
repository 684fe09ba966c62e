/** What a plan says of the names of one cell. Its addresses are known when the stack is run. */
import type { Json, ResourceSpec } from '../stack.ts';
import type { DnsProvider } from './record.ts';

export const ADDRESS: Json = { $value: 'address' };
/** Of IPv6, besides; empty for a machine that has none. */
export const ADDRESS6: Json = { $value: 'address6' };
/** A or AAAA. */
export const ADDRESS_TYPE: Json = { $recordType: ADDRESS };
/** All that a machine has. */
export const ADDRESSES: Json = { $list: [ADDRESS, ADDRESS6] };

interface Said {
  readonly name: string;
  readonly type: Json;
  readonly address: Json;
  readonly more: Partial<ResourceSpec>;
}

/** What is said of a domain, a resource an address; the second only where there is one. */
export function saidOf(domain: string): readonly Said[] {
  const name = `${domain}/address`;
  return [
    { name, type: ADDRESS_TYPE, address: ADDRESS, more: {} },
    { name: `${name}6`, type: 'AAAA', address: ADDRESS6, more: { when: 'address6', after: [name] } },
  ];
}

/** No TTL of less than a second: it would be asked for at every request. Seconds. */
export function wholeSeconds(ms: number): number {
  return Math.max(1, Math.floor(ms / 1000));
}

/** Of a provider whose names are resources of our own (said.handler.ts): one each. */
export function ownRecords(type: string): DnsProvider['resources'] {
  return ({ organism, birth, zone, domains }, gene) =>
    [...new Set(domains)].map((domain) => ({
      type,
      name: domain,
      inputs: { organism, birth, zone, name: domain, values: ADDRESSES, ttl: wholeSeconds(gene.ttl) },
    }));
}
