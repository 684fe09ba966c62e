/** What the programs of voices at DigitalOcean, Linode and Route 53 register, to the letter; and names inside of zones. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compile } from '../../../genome/compile.ts';
import { parseGenome } from '../../../genome/parse.ts';
import { boundAddresses } from '../../../stacks/address.ts';
import { birthId } from '../../../stacks/names.ts';
import { packageOf } from '../../../stacks/packages.ts';
import { claimText } from '../../../stacks/records/claims.ts';
import { relativeName, wholeName } from '../../../stacks/records/hosted.ts';
import { dnsProvider } from '../../../stacks/records/index.ts';
import { setIdentifier } from '../../../stacks/records/route53.ts';
import type { Json, StackPlan } from '../../../stacks/stack.ts';
import { registered } from '../registered.ts';

const BIRTH = birthId('garden', 7);

/** The voices of a cell that performs `web` at the given domains. */
function voicesOf(dns: object, domains: readonly string[] = ['www.garden.example.org']): readonly StackPlan[] {
  const functions = Object.fromEntries(domains.map((domain, index) => [`f${index}`, { run: './f', domain }]));
  const key = { address: '192.0.2.9', hostKey: 'ssh-ed25519 AAAA' };
  const genome = {
    organism: 'garden',
    zone: 'garden.example.org',
    body: { maxCells: 1 },
    clouds: { mine: { provider: 'hosts', machines: [key], credentials: 'file:k' } },
    ...{ dns, functions },
  };
  const parsed = parseGenome(JSON.stringify(genome), 'genome.yaml');
  if (parsed.genome === null) throw new Error(JSON.stringify(parsed.findings));
  const who = { birth: BIRTH, parent: 'c1', cloud: 'mine', functions: Object.keys(functions) };
  return compile(parsed.genome, who).filter(({ kind }) => kind === 'voice');
}

async function made(plan: StackPlan | undefined, address: string, values: Record<string, Json> = {}) {
  if (plan === undefined) throw new Error('there is no voice');
  expect(plan.engine).toBe('pulumi');
  const all = await registered(plan, { values: { address, address6: '', ...values } });
  const [provider, ...records] = all;
  for (const record of records) {
    expect(record).toMatchObject({ provider: provider?.name, secret: [], ignores: [] });
  }
  const order = records.map(({ name }) => name);
  for (const name of order.filter((one) => one.endsWith('/address'))) {
    expect(order.indexOf(name.replace('/address', '/owner'))).toBeLessThan(order.indexOf(name));
  }
  const sorted = records.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return { provider, records: sorted.map(({ type, name, inputs }) => [type, name, inputs]) };
}

const TEXT = `v=cell1 organism=garden cell=${BIRTH} address=192.0.2.1`;

describe('DigitalOcean', () => {
  test('has for each domain a claim and then an address, each a record of its own', async () => {
    const dns = { provider: 'digitalocean', credentials: 'env:T', ttl: '2m' };
    const [voice] = voicesOf(dns, ['www.garden.example.org', 'garden.example.org']);
    const { provider, records } = await made(voice, '192.0.2.1');
    expect(provider).toMatchObject({
      type: 'pulumi:providers:digitalocean',
      name: 'digitalocean-dns',
      inputs: {},
      version: packageOf('digitalocean')?.version,
    });
    const type = 'digitalocean:index/dnsRecord:DnsRecord';
    const domain = 'garden.example.org';
    expect(records).toEqual([
      [type, 'garden.example.org/address', { domain, type: 'A', name: '@', value: '192.0.2.1', ttl: 120 }],
      [type, 'garden.example.org/owner', { domain, type: 'TXT', name: '_cell', value: TEXT, ttl: 120 }],
      [type, 'www.garden.example.org/address', { domain, type: 'A', name: 'www', value: '192.0.2.1', ttl: 120 }],
      [type, 'www.garden.example.org/owner', { domain, type: 'TXT', name: '_cell.www', value: TEXT, ttl: 120 }],
    ]);
  });

  test('takes an IPv6 address, a zone around that of the genome, and another place for its API', async () => {
    const endpoint = 'http://127.0.0.1:8123';
    const [voice] = voicesOf({ provider: 'digitalocean', credentials: 'env:T', zone: 'example.org', endpoint });
    const { provider, records } = await made(voice, '2001:db8::1');
    expect(provider?.inputs).toEqual({ apiEndpoint: endpoint });
    expect(records.map(([, , inputs]) => inputs)).toEqual([
      { domain: 'example.org', type: 'AAAA', name: 'www.garden', value: '2001:db8::1', ttl: 30 },
      {
        ...{ domain: 'example.org', type: 'TXT', name: '_cell.www.garden', ttl: 30 },
        value: `v=cell1 organism=garden cell=${BIRTH} address=2001:db8::1`,
      },
    ]);
  });
});

describe('Linode', () => {
  test('has for each domain a claim and then an address, each a record of its own', async () => {
    const dns = { provider: 'linode', credentials: 'env:T', ttl: '5m' };
    const [voice] = voicesOf(dns, ['www.garden.example.org', 'garden.example.org']);
    const { provider, records } = await made(voice, '192.0.2.1', { domainId: 4711 });
    expect(provider).toMatchObject({
      type: 'pulumi:providers:linode',
      name: 'linode-dns',
      inputs: {},
      version: packageOf('linode')?.version,
    });
    const type = 'linode:index/domainRecord:DomainRecord';
    const common = { domainId: 4711, ttlSec: 300 };
    expect(records).toEqual([
      [type, 'garden.example.org/address', { ...common, recordType: 'A', name: '', target: '192.0.2.1' }],
      [type, 'garden.example.org/owner', { ...common, recordType: 'TXT', name: '_cell', target: TEXT }],
      [type, 'www.garden.example.org/address', { ...common, recordType: 'A', name: 'www', target: '192.0.2.1' }],
      [type, 'www.garden.example.org/owner', { ...common, recordType: 'TXT', name: '_cell.www', target: TEXT }],
    ]);
  });

  test('takes an IPv6 address and another place for its API', async () => {
    const endpoint = 'http://127.0.0.1:8123/v4beta';
    const [voice] = voicesOf({ provider: 'linode', credentials: 'env:T', endpoint });
    const { provider, records } = await made(voice, '2001:db8::1', { domainId: 1 });
    expect(provider?.inputs).toEqual({ url: 'http://127.0.0.1:8123', apiVersion: 'v4beta' });
    expect(records.map(([, , inputs]) => (inputs as Record<string, unknown>).recordType)).toEqual(['AAAA', 'TXT']);
  });
});

describe('Route 53', () => {
  test('has for each domain two sets that its identifier keeps apart from those of other cells', async () => {
    const [voice] = voicesOf({ provider: 'route53', credentials: 'env:T', ttl: '10s' });
    const { provider, records } = await made(voice, '192.0.2.1', { zoneId: 'Z0123' });
    expect(provider).toMatchObject({
      type: 'pulumi:providers:aws',
      name: 'route53-dns',
      inputs: { region: 'us-east-1' },
      version: packageOf('aws')?.version,
    });
    const type = 'aws:route53/record:Record';
    const common = {
      ...{ zoneId: 'Z0123', ttl: 10, setIdentifier: `cell.garden.${BIRTH}` },
      ...{ multivalueAnswerRoutingPolicy: true, allowOverwrite: true },
    };
    const name = 'www.garden.example.org';
    expect(records).toEqual([
      [type, `${name}/address`, { ...common, name, type: 'A', records: ['192.0.2.1'] }],
      [type, `${name}/owner`, { ...common, name: `_cell.${name}`, type: 'TXT', records: [TEXT] }],
    ]);
  });

  test('takes another place for its API', async () => {
    const endpoint = 'http://127.0.0.1:5000';
    const [voice] = voicesOf({ provider: 'route53', credentials: 'env:T', endpoint });
    const { provider } = await made(voice, '2001:db8::1', { zoneId: 'Z0123' });
    expect(provider?.inputs).toEqual({
      region: 'us-east-1',
      endpoints: JSON.stringify([{ route53: endpoint, sts: endpoint }]),
      ...{ skipCredentialsValidation: 'true', skipMetadataApiCheck: 'true', skipRequestingAccountId: 'true' },
    });
  });
});

test.each([
  ['DigitalOcean', { provider: 'digitalocean', credentials: 'env:T' }, {}],
  ['Linode', { provider: 'linode', credentials: 'env:T', ttl: '5m' }, { domainId: 1 }],
  ['Route 53', { provider: 'route53', credentials: 'env:T' }, { zoneId: 'Z1' }],
])('%s names both addresses of a machine that has two', async (_name, dns, values) => {
  const [voice] = voicesOf(dns);
  const { records } = await made(voice, '192.0.2.1', { ...values, address6: '2001:db8::1' });
  const said = records.map(([, name, inputs]) => [name, JSON.stringify(inputs)]);
  expect(said).toEqual([
    ['www.garden.example.org/address', expect.stringMatching(/"A".*192\.0\.2\.1|192\.0\.2\.1.*"A"/)],
    ['www.garden.example.org/address6', expect.stringMatching(/"AAAA".*2001:db8::1|2001:db8::1.*"AAAA"/)],
    ['www.garden.example.org/owner', expect.stringContaining('address=192.0.2.1,2001:db8::1')],
  ]);
});

test('several makers at once have a voice each, with their own provider, zone and values', async () => {
  const dns = {
    one: { provider: 'digitalocean', credentials: 'env:A' },
    two: { provider: 'linode', credentials: 'env:B', zone: 'example.net' },
    three: { provider: 'route53', credentials: 'env:C', zone: 'aws.example.net' },
    four: { provider: 'cloudflare', credentials: 'env:D', zone: 'aws.example.net' },
  };
  const voices = voicesOf(dns, ['garden.example.org', 'a.example.net', 'b.aws.example.net']);
  expect(voices.map(({ place, engine, resources }) => [place, engine, resources.length])).toEqual([
    ['one', 'pulumi', 4],
    ['two', 'pulumi', 4],
    ['three', 'pulumi', 4],
    ['four', 'embedded', 1],
  ]);
  const names = async (reach: { readonly address: string; readonly address6?: string }) => {
    const said: string[][] = [];
    for (const [index, values] of [{}, { domainId: 1 }, { zoneId: 'Z1' }].entries()) {
      const all = await registered(voices[index] as StackPlan, { values: { ...boundAddresses(reach), ...values } });
      said.push(all.map(({ name }) => name).sort());
    }
    return said;
  };
  const one = [
    ['digitalocean-dns', 'garden.example.org/address', 'garden.example.org/owner'],
    ['a.example.net/address', 'a.example.net/owner', 'linode-dns'],
    ['b.aws.example.net/address', 'b.aws.example.net/owner', 'route53-dns'],
  ];
  expect(await names({ address: '192.0.2.1' })).toEqual(one);
  expect(await names({ address: '192.0.2.1', address6: '2001:db8::1' })).toEqual(
    one.map((said) => [...said, `${said.find((name) => name.endsWith('/address'))}6`].sort()),
  );
});

describe('names and texts', () => {
  const label = fc.stringMatching(/^[a-z0-9_](?:[a-z0-9-]{0,20}[a-z0-9])?$/);
  const zoned = fc.tuple(fc.array(label, { maxLength: 4 }), fc.array(label, { minLength: 2, maxLength: 3 }));

  test('are said inside of their zone, and whole again', () => {
    fc.assert(
      fc.property(zoned, fc.constantFrom('@', ''), ([labels, top], apex) => {
        const zone = top.join('.');
        const name = [...labels, zone].join('.');
        const inside = relativeName(name, zone, apex);
        expect(inside).toBe(labels.length === 0 ? apex : labels.join('.'));
        // Names that end as their zone does again are told from whole ones by nothing.
        fc.pre(!inside.endsWith(`.${zone}`) && inside !== zone);
        expect(wholeName(inside, zone, apex)).toBe(name);
        expect(wholeName(`${name}.`, zone, apex)).toBe(name);
      }),
    );
  });

  test('of any organism and birth are within what providers take', () => {
    const organism = fc.stringMatching(/^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$/);
    fc.assert(
      fc.property(organism, fc.nat(), fc.ipV6(), (name, seq, address) => {
        const birth = birthId(name, seq);
        // Route 53: 128 characters of a set identifier. A string of a text: 255.
        expect(setIdentifier({ organism: name, birth }).length).toBeLessThanOrEqual(128);
        expect(claimText({ organism: name, birth, values: [address] }).length).toBeLessThanOrEqual(255);
      }),
    );
  });

  test('that a preview fills in are of every hole', () => {
    for (const provider of ['digitalocean', 'linode', 'route53', 'cloudflare'] as const) {
      const [voice] = voicesOf({ provider, credentials: 'env:T' });
      const holes = [...JSON.stringify(voice).matchAll(/"\$value":"(\w+)"/g)].map(([, name]) => name);
      const filled = new Set(['address', 'address6', ...Object.keys(dnsProvider(provider).samples ?? {})]);
      expect(holes.filter((name) => !filled.has(name as string))).toEqual([]);
    }
  });
});
