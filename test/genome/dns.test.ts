import { describe, expect, it } from 'vitest';
import { compile, firstCell } from '../../genome/compile.ts';
import { parseGenome } from '../../genome/parse.ts';
import { dnsFor, dnsOf, longestTtl } from '../../src/decide/dns.ts';
import { findingsIn, gardenAfter } from './garden.ts';

const RFC2136 = { provider: 'rfc2136', server: '192.0.2.53', key: 'k', credentials: 'file:dns.key' };
const LOCAL = { provider: 'local' };
const MINE = {
  provider: 'hosts',
  machines: Array.from({ length: 4 }, (_, index) => ({
    address: `192.0.2.${index}`,
    hostKey: `ssh-ed25519 AAA${index}`,
  })),
  credentials: 'file:k',
};

function found(changes: Record<string, unknown>) {
  return findingsIn(gardenAfter(changes)).map(({ severity, code, path }) => `${severity} ${code} ${path}`);
}

function genomeWith(changes: Record<string, unknown>) {
  const { genome, findings } = parseGenome(gardenAfter(changes), 'genome.yaml');
  if (genome === null) throw new Error(JSON.stringify(findings));
  return genome;
}

describe('several DNS providers', () => {
  const several = {
    dns: {
      near: { ...LOCAL, ttl: '5s' },
      far: { ...RFC2136, zone: 'far.garden.example.org', ttl: '1m' },
      other: { ...RFC2136, zone: 'example.net', ttl: '2s' },
      twin: { ...RFC2136, zone: 'example.net', ttl: '2s' },
    },
    'functions.db.domain': 'db.far.garden.example.org',
  };

  it('answer each for the domains that its zone is the closest around', () => {
    const genome = genomeWith({ ...several, 'functions.web.domain': 'example.net' });
    expect(dnsOf(genome).map(({ name, zone }) => [name, zone])).toEqual([
      ['near', 'garden.example.org'],
      ['far', 'far.garden.example.org'],
      ['other', 'example.net'],
      ['twin', 'example.net'],
    ]);
    const names = (domain: string) => dnsFor(genome, domain).map(({ name }) => name);
    expect(names('garden.example.org')).toEqual(['near']);
    expect(names('nearfar.garden.example.org')).toEqual(['near']);
    expect(names('far.garden.example.org')).toEqual(['far']);
    expect(names('a.far.garden.example.org')).toEqual(['far']);
    expect(names('www.example.net')).toEqual(['other', 'twin']);
    expect(names('example.com')).toEqual([]);
    expect(longestTtl(genome)).toBe(60_000);
  });

  it('have a voice each, with what is said there', () => {
    const genome = genomeWith(several);
    const who = firstCell(genome);
    const voices = compile(genome, who).filter(({ kind }) => kind === 'voice');
    expect(voices.map(({ name, place, resources }) => [name, place, resources.map((one) => one.inputs.name)])).toEqual([
      [`garden-${who.birth}-voice.near`, 'near', ['www.garden.example.org', '_cell.www.garden.example.org']],
      [`garden-${who.birth}-voice.far`, 'far', ['db.far.garden.example.org']],
    ]);
    const alone = compile(genome, { ...who, functions: ['db'] });
    expect(alone.map(({ place }) => place)).toEqual(['near', 'far']);
  });

  it('that speak for one zone are told the same', () => {
    const genome = genomeWith({ dns: { one: RFC2136, two: { ...RFC2136, server: '192.0.2.54' } } });
    const [, ...voices] = compile(genome, firstCell(genome));
    expect(voices.map(({ place }) => place)).toEqual(['one', 'two']);
    expect(voices[0]?.resources).toEqual(voices[1]?.resources);
  });

  const three = {
    near: { ...LOCAL, ttl: '5s' },
    far: { ...RFC2136, zone: 'garden.example.org' },
    other: { ...RFC2136, zone: 'example.net' },
  };
  const domains = { 'functions.db.domain': 'a.example.net' };

  it.each<[string, object, object, string]>([
    [
      'a domain in no zone',
      {},
      { 'functions.web.domain': 'www.example.com' },
      'error domain-outside-zone functions.web.domain',
    ],
    ['one that has nothing to say', { more: { ...RFC2136, zone: 'example.com' } }, {}, 'warning dns-unused dns.more'],
    ['a TTL that DNS cannot say', { far: { ...RFC2136, ttl: '1500ms' } }, {}, 'error ttl-not-whole dns.far.ttl'],
    ['a key that is not known', { far: { ...RFC2136, sever: 'x' } }, {}, 'error unknown-key dns.far.sever'],
    ['a provider that is not known', { far: { provider: 'rfc' } }, {}, 'error unknown-value dns.far.provider'],
    ['something that is missing', { far: { ...RFC2136, key: undefined } }, {}, 'error missing-key dns.far.key'],
    ['one without a provider', { far: { zone: 'example.net' } }, {}, 'error missing-key dns.far.provider'],
    ['one that is no mapping', { far: 'rfc2136' }, {}, 'error wrong-value dns.far'],
    ['a name that cannot be one', { Far_1: RFC2136 }, {}, 'error wrong-name dns.Far_1'],
    ['two servers of this computer', { more: { ...LOCAL, port: 5399 } }, {}, 'error two-local-dns dns.more.port'],
    ['the port of a function', {}, { 'functions.db.port': 5380 }, 'error port-taken functions.db.port'],
    ['machines elsewhere', {}, { 'clouds.mine': MINE }, 'error dns-out-of-reach dns.near.provider'],
  ])('%s is found at its place', (_, dns, more, finding) => {
    expect(found({ ...domains, dns: three })).toEqual([]);
    expect(found({ ...domains, dns: { ...three, ...dns }, ...more })).toContain(finding);
  });
});

describe('a TTL', () => {
  const at = { credentials: 'env:TOKEN' };
  it.each([
    ['cloudflare', '30s', {}, '1m to 1d (from 30s with an Enterprise plan: `enterprise: true`)', '60s'],
    ['cloudflare', '25h', {}, '1m to 1d', '1d'],
    ['cloudflare', '29s', { enterprise: true }, '30s to 1d', '30s'],
    ['digitalocean', '29s', {}, 'at least 30s', '30s'],
    ['linode', '45s', {}, 'one of 30s, 2m, 5m, 1h, 2h, 4h, 8h, 16h, 1d, 2d, 4d, 7d, 14d, 28d', '30s'],
    ['linode', '10s', {}, 'one of 30s', '30s'],
    ['linode', '60d', {}, 'one of 30s', '28d'],
  ])('of %s that it does not take: %s', (provider, ttl, more, expected, suggestion) => {
    const [finding, ...rest] = findingsIn(gardenAfter({ 'clouds.near': MINE, dns: { provider, ...at, ...more, ttl } }));
    expect(rest.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(finding).toMatchObject({ code: 'ttl-not-taken', path: 'dns.ttl', suggestion });
    expect(finding?.message).toContain(provider);
    expect(finding?.expected).toContain(expected.replace('1m to', '60s to'));
  });

  it.each([
    ['cloudflare', '60s', {}],
    ['cloudflare', '1d', {}],
    ['cloudflare', '30s', { enterprise: true }],
    ['digitalocean', '30s', {}],
    ['digitalocean', '17m', {}],
    ['linode', '5m', {}],
    ['route53', '1s', {}],
    ['route53', '60d', {}],
  ])('of %s that it takes: %s', (provider, ttl, more) => {
    expect(found({ 'clouds.near': MINE, dns: { provider, ...at, ...more, ttl } })).not.toContainEqual(
      expect.stringContaining('ttl'),
    );
  });

  it('is of each maker one that it takes, where the genome says none', () => {
    for (const provider of ['cloudflare', 'digitalocean', 'linode', 'route53']) {
      expect(found({ 'clouds.near': MINE, dns: { provider, ...at } })).toEqual([]);
    }
  });
});

describe('one DNS provider', () => {
  it('needs no name, and may answer for a zone that is not the home of the organism', () => {
    const genome = genomeWith({ dns: { ...RFC2136, zone: 'example.org' } });
    expect(dnsOf(genome).map(({ name, zone }) => [name, zone])).toEqual([['dns', 'example.org']]);
    expect(compile(genome, firstCell(genome))[1]).toMatchObject({
      name: expect.stringMatching(/-voice$/),
      place: 'dns',
    });
  });

  it.each([
    ['nothing', {}, 'error missing-key dns.provider'],
    ['one without a provider', { port: 5380 }, 'error missing-key dns.provider'],
    ['a list', [LOCAL], 'error wrong-value dns'],
    ['a word', 'local', 'error wrong-value dns'],
  ])('%s is none', (_, dns, finding) => {
    expect(found({ dns })).toEqual([finding]);
  });

  it('is spoken of in its own words where it is wrong', () => {
    const [finding] = findingsIn(gardenAfter({ dns: { ...RFC2136, sever: 'x' } }));
    expect(finding).toMatchObject({ code: 'unknown-key', path: 'dns.sever', suggestion: 'server' });
    const [ttl] = findingsIn(gardenAfter({ dns: { far: { ...RFC2136, ttl: '30' } } }));
    expect(ttl).toMatchObject({ code: 'wrong-value', path: 'dns.far.ttl', suggestion: '30s' });
  });
});
