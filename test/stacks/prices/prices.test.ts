/** The price tables: that they make sense, what is asked of them, and how they are made from what the makers say. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { archOf } from '../../../stacks/machines/aws.ts';
import { awsPrices, awsTable, digitaloceanSizes, linodeSizes, renewed } from '../../../stacks/prices/refresh.ts';
import { centsOf, type Priced, sizesIn, tableOf, tableText } from '../../../stacks/prices/table.ts';

const PROVIDERS: readonly Priced[] = ['aws', 'digitalocean', 'linode'];

describe.each(PROVIDERS)('the table of %s', (provider) => {
  const table = tableOf(provider);

  test('says when and by whom it was said, and is as it is written', () => {
    expect(table.provider).toBe(provider);
    expect(table.asOf).toMatch(/^20\d\d-\d\d-\d\d$/);
    expect(table.source).not.toBe('');
    const file = readFileSync(join(import.meta.dirname, `../../../stacks/prices/${provider}.json`), 'utf8');
    expect(tableText(table)).toBe(file);
  });

  test('has sizes with prices in regions that are on earth', () => {
    expect(Object.keys(table.sizes).length).toBeGreaterThan(9);
    for (const [latitude, longitude] of Object.values(table.regions)) {
      expect(Math.abs(latitude)).toBeLessThan(70);
      expect(Math.abs(longitude)).toBeLessThan(180);
    }
    for (const size of Object.values(table.sizes)) {
      expect(Object.values(size.monthly).every((price) => price > 0 && price < 1000)).toBe(true);
      const regions = Object.keys(size.monthly).filter((region) => region !== '*');
      expect(regions.filter((region) => !Object.hasOwn(table.regions, region))).toEqual([]);
      // A c5n.large has 5.25 GiB.
      expect(size.memory % 256).toBe(0);
    }
    for (const region of Object.keys(table.regions)) expect(sizesIn(table, region).length).toBeGreaterThan(5);
  });
});

test('prices are those that the makers say in public', () => {
  expect(centsOf(tableOf('digitalocean'), 'ams3', 's-1vcpu-1gb')).toBe(600);
  expect(centsOf(tableOf('digitalocean'), 'syd1', 's-2vcpu-4gb')).toBe(2400);
  expect(centsOf(tableOf('linode'), 'eu-central', 'g6-nanode-1')).toBe(500);
  expect(centsOf(tableOf('linode'), 'id-cgk', 'g6-nanode-1')).toBe(600);
  // 0.0104 an hour for 730 of them, 8 GiB at 0.08, and 0.005 an hour for the address.
  expect(centsOf(tableOf('aws'), 'us-east-1', 't3.micro', 8)).toBe(760 + 64 + 365);
  expect(centsOf(tableOf('aws'), 'us-east-1', 't3.micro')).toBe(760 + 365);
});

test.each<[Priced, string, string]>([
  ['digitalocean', 'ams3', 's-none'],
  ['digitalocean', 'ams3', 'constructor'],
  ['aws', 'eu-north-1', 't3a.micro'],
  ['aws', 'mars-1', 't3.micro'],
  ['aws', '*', 't3.micro'],
])('%s has no price in %s for %s', (provider, region, size) => {
  expect(centsOf(tableOf(provider), region, size, 8)).toBeNull();
});

test('the processor of a size is what its name says, too', () => {
  const table = tableOf('aws');
  for (const [name, { arch }] of Object.entries(table.sizes)) expect([name, archOf(`${name}x`)]).toEqual([name, arch]);
});

describe('a refresh', () => {
  test('takes what DigitalOcean offers', () => {
    const size = { slug: 's-1', vcpus: 1, memory: 1024, disk: 25, price_monthly: 6, available: true };
    const all = [size, { ...size, slug: 's-2', available: false }, { ...size, slug: 'gpu-1', gpu_info: { count: 1 } }];
    expect(digitaloceanSizes(all)).toEqual({
      's-1': { cpus: 1, memory: 1024, disk: 25, arch: 'amd64', monthly: { '*': 6 } },
    });
  });

  test('takes what Linode offers, with the regions that are dearer', () => {
    const type = { id: 'g6-nanode-1', class: 'nanode', vcpus: 1, memory: 1024, disk: 25_600, price: { monthly: 5 } };
    const region_prices = [
      { id: 'br-gru', monthly: 7 },
      { id: 'id-cgk', monthly: null },
    ];
    const all = [
      { ...type, region_prices },
      { ...type, id: 'g1-gpu-1', class: 'gpu' },
      { ...type, id: 'g9-free', price: { monthly: null } },
    ];
    expect(linodeSizes(all)).toEqual({
      'g6-nanode-1': { cpus: 1, memory: 1024, disk: 25, arch: 'amd64', monthly: { '*': 5, 'br-gru': 7 } },
    });
  });

  const TITLES = [
    ...['SKU', 'TermType', 'Unit', 'PricePerUnit', 'Currency', 'Instance Type', 'vCPU', 'Physical Processor'],
    ...['Memory', 'Tenancy', 'Operating System', 'Pre Installed S/W', 'CapacityStatus', 'Volume API Name'],
  ];
  type Offer = Readonly<Record<string, string>>;
  const micro: Offer = {
    ...{ SKU: 'X', TermType: 'OnDemand', Unit: 'Hrs', PricePerUnit: '0.0084000000', Currency: 'USD', vCPU: '2' },
    ...{ 'Instance Type': 't4g.micro', 'Physical Processor': 'AWS Graviton2 Processor', Memory: '1 GiB' },
    ...{ Tenancy: 'Shared', 'Operating System': 'Linux', 'Pre Installed S/W': 'NA', CapacityStatus: 'Used' },
  };
  const list = (...offers: readonly Offer[]) =>
    (async function* () {
      yield '"FormatVersion","v1.0"';
      yield '"Disclaimer","This ""list"", with commas"';
      for (const cells of [TITLES, ...offers.map((offer) => TITLES.map((title) => offer[title] ?? ''))])
        yield cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(',');
    })();

  test('takes of a list of AWS what a cell may want', async () => {
    const left = [
      { TermType: 'Reserved' },
      { Tenancy: 'Dedicated' },
      { 'Operating System': 'Windows' },
      { 'Pre Installed S/W': 'SQL Std' },
      { CapacityStatus: 'UnusedCapacityReservation' },
      { PricePerUnit: '0.0000000000' },
      { 'Instance Type': 'p4d.24xlarge' },
      { Currency: 'CNY' },
    ].map((more) => ({ ...micro, PricePerUnit: '9', ...more }));
    const large = {
      ...{ ...micro, 'Instance Type': 'm6i.large', 'Physical Processor': 'Intel "Ice Lake", 8375C' },
      ...{ Memory: '8 GiB', PricePerUnit: '0.0960000000' },
    };
    const volume = {
      ...micro,
      'Instance Type': '',
      Unit: 'GB-Mo',
      PricePerUnit: '0.0800000000',
      'Volume API Name': 'gp3',
    };
    expect(await awsPrices(list(micro, ...left, large, volume))).toEqual({
      sizes: {
        't4g.micro': { cpus: 2, memory: 1024, arch: 'arm64', price: 6.14 },
        'm6i.large': { cpus: 2, memory: 8192, arch: 'amd64', price: 70.08 },
      },
      disk: 0.08,
    });
  });

  test('makes one table of the lists of AWS, and keeps the rest of what was there', async () => {
    const dearer = { ...micro, PricePerUnit: '0.0096' };
    const news = awsTable({ 'us-east-1': await awsPrices(list(micro)), 'eu-central-1': await awsPrices(list(dearer)) });
    expect(news).toEqual({
      sizes: {
        't4g.micro': { cpus: 2, memory: 1024, arch: 'arm64', monthly: { 'us-east-1': 6.14, 'eu-central-1': 7.01 } },
      },
      disk: {},
    });
    const table = renewed(tableOf('aws'), { ...news, asOf: '2030-01-01' });
    expect(table).toMatchObject({ asOf: '2030-01-01', address: 3.65, currency: 'USD' });
    expect(JSON.parse(tableText(table))).toEqual(table);
  });
});
