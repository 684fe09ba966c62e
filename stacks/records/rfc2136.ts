/**
 * The DNS provider `rfc2136`: a server of your own that takes dynamic updates (RFC 2136) signed with a shared key (TSIG,
 * RFC 8945), such as BIND, Knot or PowerDNS. Nothing but DNS is spoken with it, and nothing is kept anywhere else.
 */
import { CellError } from '../../src/errors.ts';
import { geneFor } from '../gene.ts';
import type { DnsProvider } from './record.ts';
import { ownRecords } from './said.ts';

const TYPE = 'cell:rfc2136:Record';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const client = () => import('./rfc2136.client.ts');
const published = () => import('../../src/effects/dns/published.ts');

export const rfc2136Dns: DnsProvider = {
  name: 'rfc2136',
  engine: 'embedded',

  resources: ownRecords(TYPE),

  async credential(gene, _home, { zone }) {
    const { server, port, key, algorithm, credentials } = geneFor('rfc2136', gene);
    const { resolveSecret } = await import('../../src/effects/secrets.ts');
    const secret = (await resolveSecret(credentials)).replace(/\s/g, '');
    if (secret === '' || !BASE64.test(secret)) {
      throw new CellError('PROVIDER_REFUSED', `The secret of the TSIG key ${key} is not in base64`, {
        why: `it comes from ${credentials.split(':')[0]}:… in dns.credentials`,
        suggestion:
          'Take the text that stands behind `secret` in the key file; `tsig-keygen` and `keymgr -t` make one.',
      });
    }
    return { server, port, zone, tsig: { name: key, algorithm, secret } };
  },

  async examine({ organism, domains }, credential) {
    const { primaryCredential, rehearse } = await client();
    const where = primaryCredential(credential);
    await rehearse(where, organism, domains);
    const what = domains.length === 0 ? `asks for ${where.zone}` : `may change ${domains.join(', ')}`;
    return `${where.server} port ${where.port} answers; the key ${where.tsig.name} ${what}`;
  },

  async list(organism, credential) {
    const { listed, primaryCredential } = await client();
    return listed(primaryCredential(credential), organism);
  },

  async remove(id, credential) {
    const [{ primaryCredential, take }, { placeOf }] = await Promise.all([client(), import('./place.ts')]);
    await take(primaryCredential(credential), placeOf(id));
  },

  async resolve(domain, type, credential) {
    const [{ primaryCredential }, { shown }] = await Promise.all([client(), published()]);
    return shown(primaryCredential(credential), domain, type);
  },
};
