/** The DNS provider `digitalocean`: records of a domain at DigitalOcean, each with an id of its own, through Pulumi. */
import { geneFor } from '../gene.ts';
import type { ResourceSpec } from '../stack.ts';
import { claimOf, hostedBy, relativeName } from './hosted.ts';
import { type DnsProvider, ownershipName } from './record.ts';
import { saidOf, wholeSeconds } from './said.ts';

const RECORD = 'digitalocean:index/dnsRecord:DnsRecord';
/** The zone itself, among names of the zone. */
const TOP = '@';
/** Its servers show a change within seconds, and now and then within a minute or two. */
const SLOW_MS = 120_000;

const api = () => import('./digitalocean.api.ts');

export const digitaloceanDns: DnsProvider = {
  name: 'digitalocean',
  engine: 'pulumi',
  ...hostedBy('DigitalOcean', async (credential) => (await api()).digitaloceanZone(credential)),
  slowMs: SLOW_MS,

  resources(need, gene) {
    const { endpoint, ttl } = geneFor('digitalocean', gene);
    const maker: ResourceSpec = {
      type: 'pulumi:providers:digitalocean',
      name: 'digitalocean-dns',
      inputs: endpoint === undefined ? {} : { apiEndpoint: endpoint },
    };
    const seconds = wholeSeconds(ttl);
    return [
      maker,
      ...[...new Set(need.domains)].flatMap((domain): ResourceSpec[] => {
        const claim = `${domain}/owner`;
        const named = (name: string) => relativeName(name, need.zone, TOP);
        const record = (name: string, inputs: ResourceSpec['inputs'], more: Partial<ResourceSpec> = {}) => ({
          ...{ type: RECORD, name, provider: maker.name, inputs: { ...inputs, ttl: seconds } },
          ...more,
        });
        return [
          record(claim, { domain: need.zone, type: 'TXT', name: named(ownershipName(domain)), value: claimOf(need) }),
          // After its claim, and gone before it: there is never an address that nobody knows of.
          ...saidOf(domain).map(({ name: key, type, address, more }) =>
            record(key, { domain: { $ref: `${claim}.domain` }, type, name: named(domain), value: address }, more),
          ),
        ];
      }),
    ];
  },

  async credential(gene, _home, { zone }) {
    const { credentials, endpoint } = geneFor('digitalocean', gene);
    const { resolveSecret } = await import('../../src/effects/secrets.ts');
    const token = (await resolveSecret(credentials)).trim();
    return { token, zone, ...(endpoint === undefined ? {} : { endpoint }) };
  },
};
