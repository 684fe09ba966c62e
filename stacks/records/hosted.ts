/** What DNS providers have in common that keep a zone record by record and are run by Pulumi. */
import type { Json, ResourceSpec } from '../stack.ts';
import type { ZoneApi } from './hosted.api.ts';
import { type DnsProvider, ownershipText, type RecordNeed } from './record.ts';

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

/** The text of the claim beside an address (claims.ts), which is known when the stack is run. */
export function claimOf(need: Pick<RecordNeed, 'organism' | 'birth'>): Json {
  return { $text: [`${ownershipText(need)} address=`, ADDRESSES] };
}

/** A name as it is said inside of its zone; `top` is the zone itself. */
export function relativeName(name: string, zone: string, top: string): string {
  return name === zone ? top : name.slice(0, name.length - zone.length - 1);
}

/** The same the other way round. Some APIs list whole names in places. */
export function wholeName(name: string, zone: string, top: string): string {
  const lower = name.toLowerCase().replace(/\.$/, '');
  if (lower === top || lower === zone || lower === '') return zone;
  return lower.endsWith(`.${zone}`) ? lower : `${lower}.${zone}`;
}

/** No TTL of less than a second: it would be asked for at every request. Seconds. */
export function wholeSeconds(ms: number): number {
  return Math.max(1, Math.floor(ms / 1000));
}

type Common = Pick<DnsProvider, 'examine' | 'list' | 'remove' | 'resolve'> &
  Required<Pick<DnsProvider, 'clear' | 'tidy' | 'gone'>>;

/** What is done over the API of the provider, and by asking the zone's servers. */
export function hostedBy(provider: string, open: (credential: Json) => Promise<ZoneApi>): Common {
  const api = () => import('./hosted.api.ts');
  const authority = () => import('../../src/effects/dns/authority.ts');
  const zoneOf = (credential: Json) => (credential as { readonly zone: string }).zone;
  return {
    async examine({ zone }, credential) {
      return `${provider} has ${zone}, with ${(await (await open(credential)).texts()).length} texts in it`;
    },
    clear: async (need, credential) => (await api()).clearFor(await open(credential), need),
    tidy: async (need, kept, credential) => (await api()).tidyUp(await open(credential), need, kept),
    async gone(names, addresses, credential) {
      const { untilGone } = await authority();
      for (const name of names) await untilGone(zoneOf(credential), name, addresses);
    },
    list: async (organism, credential) => (await api()).listClaims(await open(credential), organism),
    remove: async (id, credential) => (await api()).removeClaimed(await open(credential), id),
    resolve: async (domain, type, credential) => (await authority()).shownByZone(zoneOf(credential), domain, type),
  };
}
