/** Clouds where machines are rented: their fields, sizes and regions that have a price, and machines that can divide. */
import { describe, expect, it } from 'vitest';
import { genomeSchema } from '../../genome/schema.ts';
import { findingsIn, gardenAfter } from './garden.ts';

const digitalocean = (more: object = {}) => ({
  ...{ provider: 'digitalocean', region: 'ams3', size: 's-1vcpu-1gb', credentials: 'env:DIGITALOCEAN_TOKEN' },
  ...more,
});
const linode = (more: object = {}) => ({
  ...{ provider: 'linode', region: 'eu-central', size: 'g6-nanode-1', credentials: 'env:LINODE_TOKEN' },
  ...more,
});
const aws = (more: object = {}) => ({
  ...{ provider: 'aws', region: 'eu-central-1', size: 't4g.small' },
  ...{ credentials: 'command:aws configure export-credentials' },
  ...more,
});
const DNS = { provider: 'rfc2136', server: '192.0.2.53', key: 'k', credentials: 'file:dns.key' };
const garden = (near: object, more: Readonly<Record<string, unknown>> = {}) =>
  findingsIn(gardenAfter({ 'clouds.near': near, dns: DNS, ...more })).map(
    ({ severity, code, path, expected, suggestion }) => {
      if (code !== 'missing-key') expect(expected).toBeTruthy();
      return `${severity} ${code} ${path}${suggestion === undefined || suggestion === null ? '' : ` -> ${suggestion}`}`;
    },
  );
const geneOf = (near: object) => genomeSchema.shape.clouds.parse({ near }).near;

describe('a rented machine', () => {
  it('needs a region, a size and a credential, and is Debian', () => {
    expect(geneOf(digitalocean())).toMatchObject({ ...digitalocean(), image: 'debian-13-x64' });
    expect(geneOf(linode())).toMatchObject({ ...linode(), image: 'linode/debian13' });
    expect(geneOf(aws())).toMatchObject({ ...aws(), image: 'debian-13' });
    const network = { vpc: 'vpc-0a1b2c3d', subnet: 'subnet-0123456789abcdef0' };
    expect(geneOf(aws({ network }))).toMatchObject({ network: { ...network, ipv6: true } });
  });

  it.each([
    ['DigitalOcean', digitalocean()],
    ['Linode', linode()],
    ['AWS', aws()],
    ['an image of its own', aws({ image: 'ami-0123456789abcdef0' })],
    ['a price of its own', linode({ size: 'g9-huge-1', monthly: '9 USD' })],
    ['another endpoint', digitalocean({ endpoint: 'http://127.0.0.1:9000/v2' })],
  ])('of %s is fine', (_, near) => {
    expect(garden(near)).toEqual([]);
  });

  it.each([
    ['a size that is mistyped', digitalocean({ size: 's-1vcpu-1g' }), 'unknown-size clouds.near.size -> s-1vcpu-1gb'],
    ['a size like none', linode({ size: 'enormous' }), 'unknown-size clouds.near.size'],
    ['a size of another provider', linode({ size: 't3.micro' }), 'unknown-size clouds.near.size'],
    [
      'a size without a price there',
      aws({ region: 'eu-north-1', size: 't3a.micro' }),
      'unknown-size clouds.near.size -> t3.micro',
    ],
    [
      'a region that is mistyped',
      aws({ region: 'eu-centrall-1' }),
      'unknown-region clouds.near.region -> eu-central-1',
    ],
    ['an image that is none', aws({ image: 'debian' }), 'wrong-value clouds.near.image'],
    ['an endpoint that ends with a slash', linode({ endpoint: 'https://a.test/' }), 'wrong-value clouds.near.endpoint'],
    [
      'a subnet without its VPC',
      aws({ network: { subnet: 'subnet-0a1b2c3d' } }),
      'missing-key clouds.near.network.vpc',
    ],
    ['a token in the genome', linode({ credentials: 'e0f1' }), 'wrong-value clouds.near.credentials'],
  ])('of %s is refused', (_, near, finding) => {
    expect(garden(near)).toContain(`error ${finding}`);
  });

  it('names the closest size, however far away it is', () => {
    const [finding] = findingsIn(gardenAfter({ 'clouds.near': digitalocean({ size: 'm-2vcpu-15gb' }), dns: DNS }));
    expect(finding).toMatchObject({
      message: 'the price table of 2024-06-01 knows no size m-2vcpu-15gb',
      expected: 'm-2vcpu-16gb, or monthly: what a machine costs',
      suggestion: 'm-2vcpu-16gb',
    });
    const [far] = findingsIn(gardenAfter({ 'clouds.near': digitalocean({ size: 'enormous' }), dns: DNS }));
    expect(far?.expected).toMatch(/^\S+, or monthly: what a machine costs$/);
  });

  it('in a region that is newer than the table is a warning where sizes cost the same everywhere', () => {
    expect(garden(digitalocean({ region: 'ams4' }))).toEqual(['warning unknown-region clouds.near.region -> ams3']);
    expect(garden(aws({ region: 'eu-central-9', monthly: '9 USD' }))).toEqual([
      'warning unknown-region clouds.near.region -> eu-central-1',
    ]);
  });

  it('that is too small for an engine is found, unless it never makes another', () => {
    const small = digitalocean({ size: 's-1vcpu-512mb-10gb' });
    expect(garden(small)).toEqual(['warning machine-too-small clouds.near.size']);
    expect(garden(small, { 'body.maxCells': 1, 'functions.web.divide': 'never' })).toEqual([]);
    // AWS's plugin takes more than others.
    expect(garden(aws({ size: 't3.micro' }))).toEqual(['warning machine-too-small clouds.near.size']);
    expect(garden(aws({ size: 't3.small' }))).toEqual([]);
  });

  it('is paid for within the cap', () => {
    expect(garden(digitalocean({ size: 's-4vcpu-8gb' }))).toEqual(['warning cap-too-low body.maxMonthlyCost']);
    expect(garden(digitalocean({ size: 'g-4vcpu-16gb' }))).toEqual(['error cap-too-low body.maxMonthlyCost']);
    expect(garden(linode(), { 'body.maxMonthlyCost': '50 EUR' })).toEqual(['error two-currencies clouds.near']);
  });
});

describe('placement', () => {
  const clouds = (more: object = {}) => ({ 'clouds.far': linode(), ...more });

  it('over clouds that there are is fine', () => {
    expect(garden(digitalocean(), clouds({ placement: { prefer: ['far', 'near'], spread: 'regions' } }))).toEqual([]);
    expect(
      garden({ provider: 'local' }, { 'clouds.far': { provider: 'local' }, placement: { spread: 'regions' } }),
    ).not.toContain('error one-region placement.spread -> none');
  });

  it.each([
    ['a cloud that is not there', { prefer: ['faar'] }, 'error unknown-cloud placement.prefer[0] -> far'],
    ['a cloud twice', { prefer: ['far', 'near', 'far'] }, 'warning cloud-twice placement.prefer[2]'],
  ])('over %s is found', (_, placement, finding) => {
    expect(garden(digitalocean(), clouds({ placement }))).toEqual([finding]);
  });

  it('over regions needs more than one', () => {
    const same = { 'clouds.far': digitalocean({ size: 's-2vcpu-2gb' }), placement: { spread: 'regions' } };
    expect(garden(digitalocean(), same)).toEqual(['error one-region placement.spread -> none']);
    expect(garden(digitalocean(), { ...same, 'body.maxCells': 1, 'functions.web.divide': 'never' })).toEqual([]);
  });
});
