/** The compute provider `linode`: an instance behind a firewall that it is made with. */
import { geneFor } from '../gene.ts';
import { linodeSettings } from '../linode.place.ts';
import type { Json, ResourceSpec } from '../stack.ts';
import { CLOUD_CONFIG } from './cloud-init.ts';
import { type ComputeProvider, MACHINE, type MachineNeed } from './machine.ts';
import { EVERYBODY, located, opened, placeOf, priceOf, providerOf, reachAt, reachOf, WITHIN } from './rented.ts';
import { flat, labelOf, type Rules, tagsOf } from './tags.ts';

/** Two of `-`, `_` or `.` beside each other are refused, in both. */
const BAD = /[^a-zA-Z0-9]{2,}|[^a-zA-Z0-9_.-]/g;
export const LABEL_RULES: Rules = { max: 64, bad: BAD };
export const FIREWALL_RULES: Rules = { max: 32, bad: BAD };
export const TAG_RULES: Rules = { max: 50, bad: /[^a-zA-Z0-9_:.-]+/g };
/** Ports that one rule takes. */
const PORTS_A_RULE = 15;

export const linodeCompute: ComputeProvider = {
  name: 'linode',
  engine: 'pulumi',

  resources(need, gene) {
    const own = geneFor('linode', gene);
    const maker = providerOf(own, need.cloud, linodeSettings(own.endpoint));
    const tags = tagsOf(need).map((tag) => flat(tag, TAG_RULES));
    const make = (type: string, called: string, inputs: ResourceSpec['inputs']): ResourceSpec => ({
      ...{ type: `linode:index/${type}`, name: called, inputs, provider: maker.name },
    });
    return [
      maker,
      make('firewall:Firewall', 'firewall', {
        label: labelOf(need, FIREWALL_RULES),
        tags,
        inboundPolicy: 'DROP',
        inbounds: rules(need),
        outboundPolicy: 'ACCEPT',
      }),
      {
        ...make('instance:Instance', MACHINE, {
          label: labelOf(need, LABEL_RULES),
          region: own.region,
          type: own.size,
          image: own.image,
          // Linode wants a key or a password for root; this one is authorized by cloud-init as well.
          authorizedKeys: [{ $value: 'imprintKey' }],
          firewallId: { $number: { $ref: 'firewall.id' } },
          metadatas: [{ userData: { $base64: CLOUD_CONFIG } }],
          tags,
        }),
        once: ['authorizedKeys', 'firewallId', 'image', 'metadatas'],
        within: WITHIN,
      },
    ];
  },

  six: () => true,
  reach: (outputs) => reachAt(outputs, 'ipAddress', 'ipv6'),

  monthly: (gene) => priceOf(geneFor('linode', gene)),

  place: (gene) => placeOf(geneFor('linode', gene)),

  async credential(gene) {
    const own = geneFor('linode', gene);
    const { resolveSecret } = await import('../../src/effects/secrets.ts');
    return located(own, { token: await resolveSecret(own.credentials) });
  },

  async list(organism, credential) {
    const { listInstances } = await import('./linode.api.ts');
    return listInstances(organism, credential);
  },

  async remove(id, credential) {
    const { removeInstance } = await import('./linode.api.ts');
    await removeInstance(id, credential);
  },

  lost: {
    reach: ({ address, address6 }) => reachOf(address, address6),
    async clear(who, credential) {
      const { clearInstance } = await import('./linode.api.ts');
      await clearInstance(who, credential);
    },
  },
};

function rules(need: MachineNeed): Json {
  const { tcp, udp } = opened(need.opens);
  const from = { ipv4s: [EVERYBODY.ipv4], ipv6s: [EVERYBODY.ipv6] };
  const groups: number[][] = [];
  for (let at = 0; at < tcp.length; at += PORTS_A_RULE) groups.push(tcp.slice(at, at + PORTS_A_RULE));
  const accept = (label: string, protocol: string, ports: readonly number[]): Json => ({
    ...{ label, action: 'ACCEPT', protocol, ...from },
    ...(ports.length === 0 ? {} : { ports: ports.join(', ') }),
  });
  return [
    ...groups.map((ports, index) => accept(`tcp-${index + 1}`, 'TCP', ports)),
    ...(udp.length === 0 ? [] : [accept('udp-1', 'UDP', udp)]),
    // Without its messages a connection over a narrower way hangs.
    accept('icmp', 'ICMP', []),
  ];
}
