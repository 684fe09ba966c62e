/**
 * Writes the price tables anew, from what the makers say now.
 *
 *   node stacks/prices/refresh.main.ts [digitalocean] [linode] [aws]
 *
 * DigitalOcean wants a token for it (DIGITALOCEAN_TOKEN; `sizes:read` will do). AWS's list of a region is some hundred
 * megabytes, which are read and not kept. A table is written when all of it was read.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { type AwsPrices, awsPrices, awsTable, digitaloceanSizes, linodeSizes, renewed } from './refresh.ts';
import { type Priced, tableOf, tableText } from './table.ts';

const AWS_LISTS = 'https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonEC2/current';
const asOf = new Date().toISOString().slice(0, 10);

async function get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  const response = await fetch(url, { headers });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response;
}

async function pages<T>(url: (page: number) => string, member: string, headers = {}): Promise<readonly T[]> {
  const all: T[] = [];
  for (let page = 1; ; page++) {
    const items = ((await (await get(url(page), headers)).json()) as Record<string, T[]>)[member] ?? [];
    all.push(...items);
    if (items.length < 100) return all;
  }
}

const REFRESH: Readonly<Record<Priced, () => Promise<string>>> = {
  async digitalocean() {
    const headers = { authorization: `Bearer ${process.env.DIGITALOCEAN_TOKEN ?? ''}` };
    const url = (page: number) => `https://api.digitalocean.com/v2/sizes?per_page=100&page=${page}`;
    const sizes = digitaloceanSizes(await pages(url, 'sizes', headers));
    return tableText(renewed(tableOf('digitalocean'), { asOf, sizes }));
  },

  async linode() {
    const url = (page: number) => `https://api.linode.com/v4/linode/types?page_size=100&page=${page}`;
    return tableText(renewed(tableOf('linode'), { asOf, sizes: linodeSizes(await pages(url, 'data')) }));
  },

  async aws() {
    const table = tableOf('aws');
    const regions: Record<string, AwsPrices> = {};
    for (const region of Object.keys(table.regions)) {
      const { body } = await get(`${AWS_LISTS}/${region}/index.csv`);
      const input = Readable.fromWeb(body as ReadableStream);
      regions[region] = await awsPrices(createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }));
    }
    return tableText(
      renewed(
        { ...table, source: 'AWS price list, Linux on demand with shared tenancy' },
        { asOf, ...awsTable(regions) },
      ),
    );
  },
};

const wanted = process.argv.slice(2);
for (const [name, refresh] of Object.entries(REFRESH)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const text = await refresh();
  writeFileSync(join(import.meta.dirname, `${name}.json`), text);
  console.log(`${name}: ${Object.keys(JSON.parse(text).sizes).length} sizes as of ${asOf}`);
}
