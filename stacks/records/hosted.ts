/** What DNS providers have in common that keep a zone record by record and are run by Pulumi. */
import type { Json } from '../stack.ts';
import type { ZoneApi } from './hosted.api.ts';
import { type DnsProvider, ownershipText, type RecordNeed } from './record.ts';
import { ADDRESSES } from './said.ts';

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
