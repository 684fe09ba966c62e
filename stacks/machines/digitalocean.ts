/**
 * The compute provider `digitalocean`: a droplet with its key, its firewall and the tag of its birth. The firewall is bound
 * to that tag, so it holds from the droplet's first moment.
 */
import { geneFor } from '../gene.ts';
import type { Json, ResourceSpec } from '../stack.ts';
import { CLOUD_CONFIG } from './cloud-init.ts';
import { type ComputeProvider, MACHINE, type MachineNeed } from './machine.ts';
import { EVERYBODY, located, opened, placeOf, priceOf, providerOf, reachAt, reachOf, WITHIN } from './rented.ts';
import { flat, labelOf, type Rules, tagsOf } from './tags.ts';

/** A droplet's name is its host name; a firewall takes no more characters than that. */
export const NAME_RULES: Rules = { max: 63, bad: /[^a-zA-Z0-9.-]+/g };
export const TAG_RULES: Rules = { max: 255, bad: /[^a-zA-Z0-9_:-]+/g };
const FROM_EVERYBODY: Json = [EVERYBODY.ipv4, EVERYBODY.ipv6];

export const digitaloceanCompute: ComputeProvider = {
  name: 'digitalocean',
  engine: 'pulumi',

  resources(need, gene) {
    const { region, size, image, endpoint } = geneFor('digitalocean', gene);
    const maker = providerOf(
      geneFor('digitalocean', gene),
      need.cloud,
      endpoint === undefined ? {} : { apiEndpoint: endpoint },
    );
    const name = labelOf(need, NAME_RULES);
    const make = (type: string, called: string, inputs: ResourceSpec['inputs']): ResourceSpec => ({
      ...{ type: `digitalocean:index/${type}`, name: called, inputs, provider: maker.name },
    });
    const birth = { $ref: 'tag.name' };
    return [
      maker,
      make('tag:Tag', 'tag', { name: birthTag(need.birth) }),
      // Without a key DigitalOcean would give root a password and mail it.
      make('sshKey:SshKey', 'key', { name, publicKey: { $value: 'imprintKey' } }),
      make('firewall:Firewall', 'firewall', { name, tags: [birth], ...rules(need) }),
      {
        ...make('droplet:Droplet', MACHINE, {
          name,
          region,
          size,
          image,
          ipv6: true,
          dropletAgent: false,
          sshKeys: [{ $ref: 'key.fingerprint' }],
          tags: [
            birth,
            ...tagsOf(need)
              .filter(({ key }) => key !== 'birth')
              .map((tag) => flat(tag, TAG_RULES)),
          ],
          userData: CLOUD_CONFIG,
        }),
        // A droplet that is there has all that belongs to it, whatever became of the attempt that made it.
        after: ['firewall'],
        once: ['dropletAgent', 'image', 'sshKeys', 'userData'],
        within: WITHIN,
      },
    ];
  },

  six: () => true,
  reach: (outputs) => reachAt(outputs, 'ipv4Address', 'ipv6Address'),

  monthly: (gene) => priceOf(geneFor('digitalocean', gene)),

  place: (gene) => placeOf(geneFor('digitalocean', gene)),

  async credential(gene) {
    const own = geneFor('digitalocean', gene);
    const { resolveSecret } = await import('../../src/effects/secrets.ts');
    return located(own, { token: await resolveSecret(own.credentials) });
  },

  async list(organism, credential) {
    const { listDroplets } = await import('./digitalocean.api.ts');
    return listDroplets(organism, credential);
  },

  async remove(id, credential) {
    const { removeDroplet } = await import('./digitalocean.api.ts');
    await removeDroplet(id, credential);
  },

  async forget(organism, credential, cells) {
    const { dropTags } = await import('./digitalocean.api.ts');
    // What names functions may be another organism's, too.
    const own = [
      { key: 'organism', value: organism } as const,
      ...cells.map((value) => ({ key: 'parent', value }) as const),
    ];
    await dropTags(
      own.map((tag) => flat(tag, TAG_RULES)),
      credential,
    );
  },

  lost: {
    reach: ({ address, address6 }) => reachOf(address, address6),
    async clear(who, credential) {
      const { clearDroplet } = await import('./digitalocean.api.ts');
      await clearDroplet(who, credential);
    },
  },
};

export function birthTag(birth: string): string {
  return flat({ key: 'birth', value: birth }, TAG_RULES);
}

function rules(need: MachineNeed): { readonly inboundRules: Json; readonly outboundRules: Json } {
  const { tcp, udp } = opened(need.opens);
  const inbound = (protocol: string, portRange: string): Json => ({
    ...{ protocol, portRange, sourceAddresses: FROM_EVERYBODY },
  });
  return {
    inboundRules: [
      ...tcp.map((port) => inbound('tcp', String(port))),
      ...udp.map((port) => inbound('udp', String(port))),
      // Without its messages a connection over a narrower way hangs.
      { protocol: 'icmp', sourceAddresses: FROM_EVERYBODY },
    ],
    outboundRules: [
      { protocol: 'tcp', portRange: 'all', destinationAddresses: FROM_EVERYBODY },
      { protocol: 'udp', portRange: 'all', destinationAddresses: FROM_EVERYBODY },
      { protocol: 'icmp', destinationAddresses: FROM_EVERYBODY },
    ],
  };
}
