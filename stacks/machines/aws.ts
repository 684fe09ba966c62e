/**
 * The compute provider `aws`: an instance of EC2 in a security group of its own. No key pair: cloud-init authorizes the key.
 *
 * Debian's images are named by the parameter in which Debian publishes its newest, which EC2 itself reads as it makes the
 * machine: nothing is looked up, and a plan is the same on every day.
 */
import { geneFor } from '../gene.ts';
import { type Arch, sizeIn, tableOf } from '../prices/table.ts';
import type { Json, ResourceSpec } from '../stack.ts';
import { CLOUD_CONFIG } from './cloud-init.ts';
import { type ComputeProvider, MACHINE, type MachineNeed } from './machine.ts';
import { EVERYBODY, located, opened, placeOf, priceOf, providerOf, reachAt, reachOf, WITHIN } from './rented.ts';
import { fitted, labelOf, type Rules, tagsOf } from './tags.ts';

/** A group's name may not begin as its ids do. */
export const GROUP_RULES: Rules = { max: 250, bad: /[^a-zA-Z0-9 ._:/()#,@[\]+=&;{}!$*-]+/g };
export const TAG_RULES: Rules = { max: 256, bad: /[^\p{L}\p{Z}\p{N}_.:/=+\-@]+/gu };
/** GiB of the system's volume: what Debian's images have. */
const VOLUME = 8;

export const awsCompute: ComputeProvider = {
  name: 'aws',
  engine: 'pulumi',

  resources(need, gene) {
    const own = geneFor('aws', gene);
    const { region, size, network, endpoint } = own;
    const maker = providerOf(own, need.cloud, {
      region,
      ...(endpoint === undefined ? {} : elsewhere(endpoint)),
    });
    const tags = tagged(need);
    const make = (type: string, called: string, inputs: ResourceSpec['inputs']): ResourceSpec => ({
      ...{ type: `aws:ec2/${type}`, name: called, inputs, provider: maker.name },
    });
    return [
      maker,
      make('securityGroup:SecurityGroup', 'firewall', {
        name: `cell-${labelOf(need, GROUP_RULES)}`,
        description: 'What a cell serves, and SSH',
        ...(network === undefined ? {} : { vpcId: network.vpc }),
        ...rules(need),
        tags,
      }),
      {
        ...make('instance:Instance', MACHINE, {
          ami: imageOf(own.image, archOf(size)),
          instanceType: size,
          ...(network === undefined ? {} : { subnetId: network.subnet }),
          ...(network?.ipv6 === true ? { ipv6AddressCount: 1 } : {}),
          associatePublicIpAddress: true,
          vpcSecurityGroupIds: [{ $ref: 'firewall.id' }],
          // A machine that is busy gets slower and not dearer: the price is the one that was agreed to.
          ...(isBurstable(size) ? { creditSpecification: { cpuCredits: 'standard' } } : {}),
          // The user data has the first host key in it; containers are one hop further off.
          metadataOptions: { httpEndpoint: 'enabled', httpTokens: 'required', httpPutResponseHopLimit: 1 },
          userData: CLOUD_CONFIG,
          tags,
          volumeTags: tags,
        }),
        once: ['ami', 'associatePublicIpAddress', 'ipv6AddressCount', 'userData'],
        within: WITHIN,
      },
    ];
  },

  six: (gene) => geneFor('aws', gene).network?.ipv6 === true,
  reach: (outputs) => reachAt(outputs, 'publicIp', 'ipv6Addresses'),

  monthly: (gene) => priceOf(geneFor('aws', gene), VOLUME),

  place: (gene) => placeOf(geneFor('aws', gene)),

  async credential(gene) {
    const own = geneFor('aws', gene);
    const [{ resolveSecret }, { awsKeysIn }] = await Promise.all([
      import('../../src/effects/secrets.ts'),
      import('../credentials/aws.keys.ts'),
    ]);
    const keys = awsKeysIn(await resolveSecret(own.credentials), own.credentials);
    return located(own, { ...keys, region: own.region });
  },

  async list(organism, credential) {
    const { listInstances } = await import('./aws.api.ts');
    return listInstances(organism, credential);
  },

  async remove(id, credential) {
    const { removeInstance } = await import('./aws.api.ts');
    await removeInstance(id, credential);
  },

  lost: {
    reach: ({ address, address6 }) => reachOf(address, address6),
    async clear(who, credential) {
      const { clearInstance } = await import('./aws.api.ts');
      await clearInstance(who, credential);
    },
  },
};

/** Several functions are one value: a key has one. */
export function tagged(need: MachineNeed): { readonly [key: string]: string } {
  const tags: Record<string, string> = { Name: labelOf(need, TAG_RULES) };
  for (const { key, value } of tagsOf(need)) {
    const before = tags[`cell:${key}`];
    tags[`cell:${key}`] = before === undefined ? value : `${before} ${value}`;
  }
  return Object.fromEntries(Object.entries(tags).map(([key, value]) => [key, fitted(value, TAG_RULES)]));
}

/** As the table says; a size that it does not know, by its family: the g after a generation is for Graviton. */
export function archOf(size: string): Arch {
  const known = sizeIn(tableOf('aws'), size)?.arch;
  return known ?? (/^(?:a1|[a-z]+\d+g[a-z]*)\./.test(size) ? 'arm64' : 'amd64');
}

function imageOf(image: string, arch: Arch): string {
  const [, release] = /^debian-(\d+)$/.exec(image) ?? [];
  return release === undefined ? image : `resolve:ssm:/aws/service/debian/release/${release}/latest/${arch}`;
}

function isBurstable(size: string): boolean {
  return /^t\d/.test(size);
}

function rules(need: MachineNeed): { readonly ingress: Json; readonly egress: Json } {
  const { tcp, udp } = opened(need.opens);
  const both = { cidrBlocks: [EVERYBODY.ipv4], ipv6CidrBlocks: [EVERYBODY.ipv6] };
  const accept = (protocol: string, port: number): Json => ({ protocol, fromPort: port, toPort: port, ...both });
  return {
    ingress: [
      ...tcp.map((port) => accept('tcp', port)),
      ...udp.map((port) => accept('udp', port)),
      // Without their messages a connection over a narrower way hangs. -1: of every kind.
      { protocol: 'icmp', fromPort: -1, toPort: -1, cidrBlocks: both.cidrBlocks },
      { protocol: 'icmpv6', fromPort: -1, toPort: -1, ipv6CidrBlocks: both.ipv6CidrBlocks },
    ],
    egress: [{ protocol: '-1', fromPort: 0, toPort: 0, ...both }],
  };
}

/** A stand-in knows no account, and there is no machine of EC2 around to ask for one. */
function elsewhere(endpoint: string): { readonly [key: string]: Json } {
  return {
    endpoints: [{ ec2: endpoint, sts: endpoint }],
    skipCredentialsValidation: true,
    skipMetadataApiCheck: true,
    skipRequestingAccountId: true,
  };
}
