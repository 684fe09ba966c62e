/** The DNS provider `linode`: records of a domain at Linode, each with an id of its own, through Pulumi. */
import { geneFor } from '../gene.ts';
import { linodeSettings } from '../linode.place.ts';
import type { ResourceSpec } from '../stack.ts';
import { claimOf, hostedBy, relativeName } from './hosted.ts';
import { type DnsProvider, ownershipName } from './record.ts';
import { saidOf, wholeSeconds } from './said.ts';

const RECORD = 'linode:index/domainRecord:DomainRecord';
/** Its servers get changes by the minute, and not always the next one. */
const SLOW_MS = 300_000;

const api = () => import('./linode.api.ts');

export const linodeDns: DnsProvider = {
  name: 'linode',
  engine: 'pulumi',
  ...hostedBy('Linode', async (credential) => (await api()).linodeZone(credential)),
  slowMs: SLOW_MS,
  samples: { domainId: 1 },

  resources(need, gene) {
    const { endpoint, ttl } = geneFor('linode', gene);
    const maker: ResourceSpec = {
      type: 'pulumi:providers:linode',
      name: 'linode-dns',
      inputs: linodeSettings(endpoint),
    };
    const seconds = wholeSeconds(ttl);
    return [
      maker,
      ...[...new Set(need.domains)].flatMap((domain): ResourceSpec[] => {
        const claim = `${domain}/owner`;
        const named = (name: string) => relativeName(name, need.zone, '');
        const record = (name: string, inputs: ResourceSpec['inputs'], more: Partial<ResourceSpec> = {}) => ({
          ...{ type: RECORD, name, provider: maker.name, inputs: { ...inputs, ttlSec: seconds } },
          ...more,
        });
        return [
          record(claim, {
            domainId: { $value: 'domainId' },
            recordType: 'TXT',
            name: named(ownershipName(domain)),
            target: claimOf(need),
          }),
          // After its claim, and gone before it: there is never an address that nobody knows of.
          ...saidOf(domain).map(({ name: key, type, address, more }) =>
            record(
              key,
              { domainId: { $ref: `${claim}.domainId` }, recordType: type, name: named(domain), target: address },
              more,
            ),
          ),
        ];
      }),
    ];
  },

  async credential(gene, _home, { zone }) {
    const { credentials, endpoint } = geneFor('linode', gene);
    const { resolveSecret } = await import('../../src/effects/secrets.ts');
    const token = (await resolveSecret(credentials)).trim();
    const own = endpoint === undefined ? { token } : { token, endpoint };
    const { linodeDomainId } = await api();
    return { ...own, zone, domainId: await linodeDomainId(own, zone) };
  },

  values: (credential) => ({ domainId: (credential as { readonly domainId: number }).domainId }),
};
