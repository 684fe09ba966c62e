/**
 * The DNS provider `route53`: a hosted zone of AWS, through Pulumi. Several cells under one name have record sets of their
 * own, kept apart by set identifiers (multivalue answer routing); beside each is its claim, kept apart in the same way.
 */
import { geneFor } from '../gene.ts';
import type { Json, ResourceSpec } from '../stack.ts';
import { claimOf } from './hosted.ts';
import { type DnsProvider, ownershipName } from './record.ts';
import { saidOf, wholeSeconds } from './said.ts';

const RECORD = 'aws:route53/record:Record';
/** Route 53 answers with so many of the healthy addresses of a name, drawn anew each time. */
const MOST_ANSWERS = 8;
/** What Pulumi has made is in sync with all its servers, for it waits for that. */
const SLOW_MS = 60_000;

const api = () => import('./route53.api.ts');

/** At most 128 characters; those of a name and a birth are 50. */
export function setIdentifier({ organism, birth }: { readonly organism: string; readonly birth: string }): string {
  return `cell.${organism}.${birth}`;
}

export const route53Dns: DnsProvider = {
  name: 'route53',
  engine: 'pulumi',
  slowMs: SLOW_MS,
  samples: { zoneId: 'Z00000000000000000000' },

  resources(need, gene) {
    const { endpoint, ttl } = geneFor('route53', gene);
    const maker: ResourceSpec = {
      type: 'pulumi:providers:aws',
      name: 'route53-dns',
      inputs: { region: 'us-east-1', ...(endpoint === undefined ? {} : elsewhere(endpoint)) },
    };
    const common = {
      ttl: wholeSeconds(ttl),
      setIdentifier: setIdentifier(need),
      multivalueAnswerRoutingPolicy: true,
      // A set is replaced only by one of the same identifier, and nobody but this cell has that: so what an attempt that
      // was cut off left is taken up again, and nobody else's is touched. A set without any stands in the way of ours.
      allowOverwrite: true,
    };
    const record = (name: string, inputs: ResourceSpec['inputs'], more: Partial<ResourceSpec> = {}): ResourceSpec => ({
      ...{ type: RECORD, name, provider: maker.name, inputs: { ...inputs, ...common } },
      ...more,
    });
    return [
      maker,
      ...[...new Set(need.domains)].flatMap((domain): ResourceSpec[] => {
        const claim = `${domain}/owner`;
        return [
          record(claim, {
            zoneId: { $value: 'zoneId' },
            name: ownershipName(domain),
            type: 'TXT',
            records: [claimOf(need)],
          }),
          // After its claim, and gone before it: there is never an address that nobody knows of.
          ...saidOf(domain).map(({ name: key, type, address, more }) =>
            record(key, { zoneId: { $ref: `${claim}.zoneId` }, name: domain, type, records: [address] }, more),
          ),
        ];
      }),
    ];
  },

  async credential(gene, _home, { zone }) {
    const { credentials, endpoint, zoneId } = geneFor('route53', gene);
    const [{ resolveSecret }, { awsKeysIn }, { hostedZoneId }] = await Promise.all([
      import('../../src/effects/secrets.ts'),
      import('../credentials/aws.keys.ts'),
      api(),
    ]);
    const keys = awsKeysIn(await resolveSecret(credentials), credentials);
    const own = endpoint === undefined ? { ...keys } : { ...keys, endpoint };
    return { ...own, zone, zoneId: zoneId ?? (await hostedZoneId(own, zone)) };
  },

  values: (credential) => ({ zoneId: (credential as { readonly zoneId: string }).zoneId }),

  async examine({ zone }, credential) {
    return `Route 53 has ${zone}, with ${await (await api()).setsIn(credential)} record sets in it`;
  },

  clear: async (need, credential) => (await api()).clearIn(credential, need),
  list: async (organism, credential) => (await api()).listClaimsIn(credential, organism),
  remove: async (id, credential) => (await api()).removeSets(credential, id),

  async resolve(domain, type, credential) {
    const { sampledByZone } = await import('../../src/effects/dns/authority.ts');
    return sampledByZone((credential as { readonly zone: string }).zone, domain, type, MOST_ANSWERS);
  },
};

/** A stand-in knows no account, and there is no machine of EC2 around to ask for one. */
function elsewhere(endpoint: string): { readonly [key: string]: Json } {
  return {
    endpoints: [{ route53: endpoint, sts: endpoint }],
    skipCredentialsValidation: true,
    skipMetadataApiCheck: true,
    skipRequestingAccountId: true,
  };
}
