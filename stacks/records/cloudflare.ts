/**
 * The DNS provider `cloudflare`: a zone at Cloudflare, through Cloudflare's own library and a resource of our own. A
 * credential is a token, the zone and its id: a token for one zone's records may not look that up.
 */
import { geneFor } from '../gene.ts';
import type { DnsProvider } from './record.ts';
import { ownRecords } from './said.ts';

const TYPE = 'cell:cloudflare:Records';
/** Its servers show a change within seconds, most of the time. */
const SLOW_MS = 60_000;

const client = () => import('./cloudflare.client.ts');
const authority = () => import('../../src/effects/dns/authority.ts');

export const cloudflareDns: DnsProvider = {
  name: 'cloudflare',
  engine: 'embedded',
  slowMs: SLOW_MS,

  resources: ownRecords(TYPE),

  async credential(gene, _home, { zone }) {
    const { credentials, zoneId, endpoint } = geneFor('cloudflare', gene);
    const { resolveSecret } = await import('../../src/effects/secrets.ts');
    const token = (await resolveSecret(credentials)).trim();
    const own = endpoint === undefined ? { token } : { token, endpoint };
    const { zoneIdOf } = await client();
    return { ...own, zone, zoneId: zoneId ?? (await zoneIdOf(own, zone)) };
  },

  async examine({ domains }, credential) {
    const { cloudflareCredential, rehearse } = await client();
    const where = cloudflareCredential(credential);
    await rehearse(where);
    return `the token may change the records of ${where.zone}${domains.length === 0 ? '' : `: ${domains.join(', ')}`}`;
  },

  async list(organism, credential) {
    const { cloudflareCredential, listed } = await client();
    return listed(cloudflareCredential(credential), organism);
  },

  async remove(id, credential) {
    const [{ cloudflareCredential, take }, { placeOf }] = await Promise.all([client(), import('./place.ts')]);
    await take(cloudflareCredential(credential), placeOf(id));
  },

  async gone(names, addresses, credential) {
    const [{ cloudflareCredential }, { untilGone }] = await Promise.all([client(), authority()]);
    for (const name of names) await untilGone(cloudflareCredential(credential).zone, name, addresses);
  },

  async resolve(domain, type, credential) {
    const [{ cloudflareCredential }, { shownByZone }] = await Promise.all([client(), authority()]);
    return shownByZone(cloudflareCredential(credential).zone, domain, type);
  },
};
