/** The bodies of rented machines: what each provider's program registers, to the last input, by Pulumi's mocks. */
import * as linodesOwn from '@linode/validation';
import { describe, expect, test } from 'vitest';
import { computeProvider } from '../../../stacks/machines/index.ts';
import type { Outputs } from '../../../stacks/stack.ts';
import { wrongRequest } from '../../specs/digitalocean.support.ts';
import { aws, bodyOf, digitalocean, genomeWith, HOST_KEY, IMPRINT_KEY, linode, resourcesOf } from './rented.support.ts';

const USER_DATA = `#cloud-config
${JSON.stringify(
  {
    disable_root: false,
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: HOST_KEY },
    ssh_pwauth: false,
    users: [{ name: 'root', ssh_authorized_keys: [IMPRINT_KEY] }],
  },
  null,
  1,
)}
`;
const EVERYBODY = ['0.0.0.0/0', '::/0'];
const ACME = { ingress: { acme: {} } };
const NAME = 'garden-b0123456789';
const TAGS = [
  'cell-organism:garden',
  'cell-parent:abcdefghijklmnopqrstuvwxyz',
  'cell-function:db',
  'cell-function:web',
];
const BIRTH = 'cell-birth:b0123456789';

const rulesIn = (value: unknown) => value as readonly Record<string, string>[];

describe('DigitalOcean', () => {
  const tcp = (port: number) => ({ protocol: 'tcp', portRange: String(port), sourceAddresses: EVERYBODY });
  const out = (protocol: string) => ({ protocol, portRange: 'all', destinationAddresses: EVERYBODY });
  const icmp = { protocol: 'icmp' };

  test('makes a droplet behind a firewall that holds from its first moment', async () => {
    const {
      'digitalocean/near': provider,
      tag,
      key,
      firewall,
      machine,
      ...more
    } = await resourcesOf(bodyOf(digitalocean()));
    expect(more).toEqual({});
    expect(provider).toMatchObject({ type: 'pulumi:providers:digitalocean', inputs: {}, version: '4.81.0' });
    const of = { provider: 'digitalocean/near', secret: [] };
    expect(tag).toMatchObject({ ...of, type: 'digitalocean:index/tag:Tag', inputs: { name: BIRTH } });
    expect(key).toMatchObject({ ...of, type: 'digitalocean:index/sshKey:SshKey' });
    expect(key?.inputs).toEqual({ name: NAME, publicKey: IMPRINT_KEY });
    expect(firewall).toMatchObject({ ...of, type: 'digitalocean:index/firewall:Firewall' });
    expect(firewall?.inputs).toEqual({
      name: NAME,
      tags: [BIRTH],
      inboundRules: [...[22, 80, 7001, 7002].map(tcp), { ...icmp, sourceAddresses: EVERYBODY }],
      outboundRules: [out('tcp'), out('udp'), { ...icmp, destinationAddresses: EVERYBODY }],
    });
    expect(machine).toMatchObject({
      ...{ type: 'digitalocean:index/droplet:Droplet', provider: 'digitalocean/near', secret: ['userData'] },
      ignores: ['dropletAgent', 'image', 'sshKeys', 'userData'],
    });
    expect(machine?.inputs).toEqual({
      name: NAME,
      region: 'ams3',
      size: 's-1vcpu-1gb',
      image: 'debian-13-x64',
      ipv6: true,
      dropletAgent: false,
      sshKeys: ['3b:16:e4'],
      tags: [BIRTH, ...TAGS],
      userData: USER_DATA,
    });
  });

  test('is asked for what its own document takes', async () => {
    const { tag, key, firewall, machine } = await resourcesOf(bodyOf(digitalocean(), {}, ACME));
    const rule = ({ protocol, portRange = '0' }: Record<string, string>) => ({
      protocol,
      ports: portRange === 'all' ? '0' : portRange,
    });
    const inbound = rulesIn(firewall?.inputs.inboundRules).map((one) => ({
      ...{ ...rule(one), sources: { addresses: one.sourceAddresses } },
    }));
    const outbound = rulesIn(firewall?.inputs.outboundRules).map((one) => ({
      ...{ ...rule(one), destinations: { addresses: one.destinationAddresses } },
    }));
    const { dropletAgent, sshKeys, userData, ...rest } = machine?.inputs ?? {};
    const { name, publicKey } = key?.inputs ?? {};
    const bodies: [string, object][] = [
      ['/v2/tags', { ...tag?.inputs }],
      ['/v2/account/keys', { name, public_key: publicKey }],
      [
        '/v2/firewalls',
        { name: firewall?.inputs.name, tags: firewall?.inputs.tags, inbound_rules: inbound, outbound_rules: outbound },
      ],
      ['/v2/droplets', { ...rest, with_droplet_agent: dropletAgent, ssh_keys: sshKeys, user_data: userData }],
    ];
    for (const [path, body] of bodies) expect(wrongRequest('POST', path, body)).toBeNull();
    expect(wrongRequest('POST', '/v2/firewalls', { name: '-', tags: 'no list' })).not.toBeNull();
  });

  test('serves HTTPS where the genome says so, another image, and an API elsewhere', async () => {
    const near = digitalocean({ image: '12345', region: 'nyc3', endpoint: 'http://127.0.0.1:9' });
    const {
      'digitalocean/near': provider,
      firewall,
      machine,
    } = await resourcesOf(bodyOf(near, { functions: [] }, ACME));
    expect(provider?.inputs).toEqual({ apiEndpoint: 'http://127.0.0.1:9' });
    expect(machine?.inputs).toMatchObject({ image: '12345', region: 'nyc3', tags: [BIRTH, ...TAGS.slice(0, 2)] });
    expect(firewall?.inputs.inboundRules).toEqual([
      ...[22, 80, 443, 7001, 7002].map(tcp),
      { protocol: 'udp', portRange: '443', sourceAddresses: EVERYBODY },
      { ...icmp, sourceAddresses: EVERYBODY },
    ]);
  });
});

describe('Linode', () => {
  const own = linodesOwn as unknown as Record<
    'CreateFirewallSchema' | 'CreateLinodeSchema',
    {
      validate(value: unknown, how: { strict: boolean }): Promise<unknown>;
    }
  >;
  const from = { action: 'ACCEPT', ipv4s: ['0.0.0.0/0'], ipv6s: ['::/0'] };
  const icmp = { label: 'icmp', protocol: 'ICMP', ...from };

  test('makes an instance with its firewall', async () => {
    const { 'linode/near': provider, firewall, machine, ...more } = await resourcesOf(bodyOf(linode()));
    expect(more).toEqual({});
    expect(provider).toMatchObject({ type: 'pulumi:providers:linode', inputs: {}, version: '5.7.0' });
    const tags = [TAGS[0], BIRTH, ...TAGS.slice(1)];
    expect(firewall).toMatchObject({ type: 'linode:index/firewall:Firewall', provider: 'linode/near', secret: [] });
    expect(firewall?.inputs).toEqual({
      label: NAME,
      tags,
      inboundPolicy: 'DROP',
      inbounds: [{ label: 'tcp-1', protocol: 'TCP', ports: '22, 80, 7001, 7002', ...from }, icmp],
      outboundPolicy: 'ACCEPT',
    });
    expect(machine).toMatchObject({
      ...{ type: 'linode:index/instance:Instance', provider: 'linode/near', secret: ['metadatas'] },
      ignores: ['authorizedKeys', 'firewallId', 'image', 'metadatas'],
    });
    expect(machine?.inputs).toEqual({
      label: NAME,
      region: 'eu-central',
      type: 'g6-nanode-1',
      image: 'linode/debian13',
      authorizedKeys: [IMPRINT_KEY],
      firewallId: 77,
      metadatas: [{ userData: Buffer.from(USER_DATA).toString('base64') }],
      tags,
    });
  });

  test('is asked for what its own schemas take', async () => {
    const ports = Object.fromEntries(
      Array.from({ length: 20 }, (_, at) => [`functions.f${at}`, { run: 'x', port: 8000 + at }]),
    );
    const { firewall, machine } = await resourcesOf(bodyOf(linode(), {}, { ...ACME, ...ports }));
    const inbounds = firewall?.inputs.inbounds as Record<'protocol' | 'ports' | 'action' | 'label', string>[];
    const inbound = inbounds.map(({ label, action, protocol, ports: open }) => ({
      ...{ label, action, protocol, ports: open, addresses: { ipv4: ['0.0.0.0/0'], ipv6: ['::/0'] } },
    }));
    expect(inbounds.map(({ label, ports: open = '' }) => [label, open.split(', ').length])).toEqual([
      ['tcp-1', 15],
      ['tcp-2', 10],
      ['udp-1', 1],
      ['icmp', 1],
    ]);
    const { label, tags } = firewall?.inputs ?? {};
    const rules = { inbound, outbound: [], inbound_policy: 'DROP', outbound_policy: 'ACCEPT' };
    await own.CreateFirewallSchema.validate({ label, tags, rules }, { strict: true });
    const { authorizedKeys, firewallId, metadatas, ...rest } = machine?.inputs ?? {};
    const [metadata] = metadatas as { userData: string }[];
    const body = {
      ...{ ...rest, authorized_keys: authorizedKeys, firewall_id: firewallId },
      // The plugin gives root a password by chance where there is none.
      ...{ metadata: { user_data: metadata?.userData }, root_pass: 'by-chance-and-long-enough-1' },
    };
    await own.CreateLinodeSchema.validate(body, { strict: true });
    await expect(own.CreateLinodeSchema.validate({ ...body, label: 'x' }, { strict: true })).rejects.toThrow();
  });

  test('has another image, and an API elsewhere', async () => {
    const near = linode({ image: 'private/15', endpoint: 'http://127.0.0.1:9/v4' });
    const { 'linode/near': provider, machine } = await resourcesOf(bodyOf(near));
    // The plugin adds the version by itself.
    expect(provider?.inputs).toEqual({ url: 'http://127.0.0.1:9' });
    expect(machine?.inputs).toMatchObject({ image: 'private/15' });
  });
});

describe('AWS', () => {
  const both = { cidrBlocks: ['0.0.0.0/0'], ipv6CidrBlocks: ['::/0'] };
  const rule = (protocol: string, port: number) => ({ protocol, fromPort: port, toPort: port, ...both });
  const icmp = [
    { protocol: 'icmp', fromPort: -1, toPort: -1, cidrBlocks: ['0.0.0.0/0'] },
    { protocol: 'icmpv6', fromPort: -1, toPort: -1, ipv6CidrBlocks: ['::/0'] },
  ];
  const tags = {
    Name: NAME,
    'cell:organism': 'garden',
    'cell:birth': 'b0123456789',
    'cell:parent': 'abcdefghijklmnopqrstuvwxyz',
    'cell:function': 'db web',
  };
  const DEBIAN = 'resolve:ssm:/aws/service/debian/release';

  test('makes an instance in a security group of its own', async () => {
    const { 'aws/near': provider, firewall, machine, ...more } = await resourcesOf(bodyOf(aws()));
    expect(more).toEqual({});
    expect(provider).toMatchObject({
      type: 'pulumi:providers:aws',
      inputs: { region: 'eu-central-1' },
      version: '7.48.0',
    });
    expect(firewall).toMatchObject({ type: 'aws:ec2/securityGroup:SecurityGroup', provider: 'aws/near', secret: [] });
    expect(firewall?.inputs).toEqual({
      name: `cell-${NAME}`,
      description: 'What a cell serves, and SSH',
      ingress: [...[22, 80, 7001, 7002].map((port) => rule('tcp', port)), ...icmp],
      egress: [{ protocol: '-1', fromPort: 0, toPort: 0, ...both }],
      tags,
    });
    expect(machine).toMatchObject({
      ...{ type: 'aws:ec2/instance:Instance', provider: 'aws/near', secret: ['userData'] },
      ignores: ['ami', 'associatePublicIpAddress', 'ipv6AddressCount', 'userData'],
    });
    expect(machine?.inputs).toEqual({
      ami: `${DEBIAN}/13/latest/arm64`,
      instanceType: 't4g.micro',
      associatePublicIpAddress: true,
      vpcSecurityGroupIds: ['77'],
      creditSpecification: { cpuCredits: 'standard' },
      metadataOptions: { httpEndpoint: 'enabled', httpTokens: 'required', httpPutResponseHopLimit: 1 },
      userData: USER_DATA,
      tags,
      volumeTags: tags,
    });
  });

  test('is connected where the genome says, by IPv6 as well', async () => {
    const network = { vpc: 'vpc-0a1b2c3d', subnet: 'subnet-0a1b2c3d' };
    const { firewall, machine } = await resourcesOf(bodyOf(aws({ network }), {}, ACME));
    expect(firewall?.inputs).toMatchObject({ vpcId: 'vpc-0a1b2c3d' });
    expect(firewall?.inputs.ingress).toEqual([
      ...[22, 80, 443, 7001, 7002].map((port) => rule('tcp', port)),
      rule('udp', 443),
      ...icmp,
    ]);
    expect(machine?.inputs).toMatchObject({ subnetId: 'subnet-0a1b2c3d', ipv6AddressCount: 1 });
    const without = await resourcesOf(bodyOf(aws({ network: { ...network, ipv6: false } })));
    expect(without.machine?.inputs).not.toHaveProperty('ipv6AddressCount');
  });

  test.each([
    [{ size: 't3.micro' }, { ami: `${DEBIAN}/13/latest/amd64`, creditSpecification: { cpuCredits: 'standard' } }],
    [{ size: 'm6g.medium', image: 'debian-12' }, { ami: `${DEBIAN}/12/latest/arm64` }],
    [{ size: 'm5.large' }, { ami: `${DEBIAN}/13/latest/amd64` }],
    // Sizes that no table knows yet.
    [{ size: 'm9gd.large', monthly: '50 USD' }, { ami: `${DEBIAN}/13/latest/arm64` }],
    [{ size: 'g9.large', monthly: '50 USD' }, { ami: `${DEBIAN}/13/latest/amd64` }],
    [{ image: 'ami-0123456789abcdef0' }, { ami: 'ami-0123456789abcdef0' }],
  ])('%j is %j', async (more, wanted) => {
    const { machine } = await resourcesOf(bodyOf(aws(more), {}, { 'body.maxMonthlyCost': '900 USD' }));
    expect(machine?.inputs).toMatchObject(wanted);
    expect(Object.hasOwn(machine?.inputs ?? {}, 'creditSpecification')).toBe(
      /^t\d/.test(String(machine?.inputs.instanceType)),
    );
  });

  test('asks a stand-in for nothing that only AWS knows', async () => {
    const { 'aws/near': provider } = await resourcesOf(bodyOf(aws({ endpoint: 'http://127.0.0.1:9' })));
    expect(provider?.inputs).toEqual({
      region: 'eu-central-1',
      endpoints: JSON.stringify([{ ec2: 'http://127.0.0.1:9', sts: 'http://127.0.0.1:9' }]),
      skipCredentialsValidation: 'true',
      skipMetadataApiCheck: 'true',
      skipRequestingAccountId: 'true',
    });
  });
});

describe.each([
  ['digitalocean', digitalocean(), 'ipv4Address', { ipv6Address: '2001:db8::7' }, 600],
  ['linode', linode(), 'ipAddress', { ipv6: '2001:0DB8::7/128' }, 500],
  // 0.0096 USD an hour, 8 GiB at 0.0952, and a public address.
  ['aws', aws(), 'publicIp', { ipv6Addresses: ['2001:db8::7'] }, 1143],
] as const)('%s', (name, near, output, six, cents) => {
  const provider = computeProvider(name);
  const gene = (more: object = {}) =>
    genomeWith({ ...near, ...more }, { 'body.maxMonthlyCost': '900 USD' }).clouds.near!;

  test('says where a machine is reached: root, whatever user the image has', () => {
    const reach = { address: '192.0.2.7', sshPort: 22, httpPort: 80, user: 'root', root: '' };
    expect(provider.reach({ machine: { [output]: '192.0.2.7' } })).toEqual(reach);
    expect(provider.reach({ machine: { [output]: '192.0.2.7', ...six } })).toEqual({
      ...reach,
      address6: '2001:db8::7',
    });
    for (const outputs of [{}, { machine: {} }, { machine: { [output]: '' } }] satisfies Outputs[]) {
      expect(() => provider.reach(outputs)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
    }
  });

  test('knows what it costs', () => {
    expect(provider.monthly(gene())).toEqual({ cents, currency: 'USD' });
    expect(provider.monthly(gene({ monthly: '3.50 USD' }))).toEqual({ cents: 350, currency: 'USD' });
    expect(provider.monthly({ ...gene(), size: 'none' } as never)).toBeNull();
  });

  test('gives the same plan for the same need, without a secret in it', () => {
    expect(bodyOf(near)).toEqual(bodyOf(near));
    expect(bodyOf(near)).toMatchObject({ engine: 'pulumi', kind: 'body', place: 'near' });
    expect(JSON.stringify(bodyOf(near))).not.toContain('PRIVATE KEY');
  });
});
