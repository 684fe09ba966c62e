/**
 * What the makers say of their prices, as a table. Pure but for how AWS's list is read, which comes in lines, for a region's
 * is hundreds of megabytes.
 *
 * Regions are added by hand, with where they are; sizes and prices are the makers'. A size that is offered nowhere is left out.
 */
import type { Arch, Size, Table } from './table.ts';

/** Of EC2: what a cell may want; the families with accelerators and volumes of their own are left out. */
const FAMILIES = /^(?:t3a?|t4g|m[5-9][a-z]*|c[5-9][a-z]*)\.(?:nano|micro|small|medium|large|xlarge)$/;
/** As AWS counts them. */
const HOURS_A_MONTH = 730;
const GIB = 1024;

type News = Pick<Table, 'sizes' | 'asOf'> & Partial<Pick<Table, 'disk' | 'address'>>;

/** The table with what is new; everything else of it stays. */
export function renewed(table: Table, news: News): Table {
  return { ...table, ...news };
}

interface DigitalOceanSize {
  readonly slug: string;
  readonly vcpus: number;
  /** MiB. */
  readonly memory: number;
  readonly disk: number;
  readonly price_monthly: number;
  readonly available: boolean;
  readonly gpu_info?: object;
}

/** `GET /v2/sizes`: every size costs the same everywhere. */
export function digitaloceanSizes(all: readonly DigitalOceanSize[]): Table['sizes'] {
  return Object.fromEntries(
    all
      .filter(({ available, gpu_info }) => available && gpu_info === undefined)
      .map(({ slug, vcpus, memory, disk, price_monthly }): [string, Size] => [
        slug,
        { cpus: vcpus, memory, disk, arch: 'amd64', monthly: { '*': price_monthly } },
      ]),
  );
}

interface LinodeType {
  readonly id: string;
  readonly class: string;
  readonly vcpus: number;
  /** MiB, both. */
  readonly memory: number;
  readonly disk: number;
  readonly price: { readonly monthly: number | null };
  readonly region_prices?: readonly { readonly id: string; readonly monthly: number | null }[];
}

/** `GET /v4/linode/types`: some regions are dearer. */
export function linodeSizes(all: readonly LinodeType[]): Table['sizes'] {
  return Object.fromEntries(
    all
      .filter(({ class: kind, price }) => !/gpu|accelerated/.test(kind) && price.monthly !== null)
      .map(({ id, vcpus, memory, disk, price, region_prices = [] }): [string, Size] => {
        const dearer = region_prices.flatMap((one) => (one.monthly === null ? [] : [[one.id, one.monthly] as const]));
        const monthly = { '*': price.monthly ?? 0, ...Object.fromEntries(dearer) };
        return [id, { cpus: vcpus, memory, disk: Math.floor(disk / GIB), arch: 'amd64', monthly }];
      }),
  );
}

export interface AwsPrices {
  readonly sizes: Readonly<Record<string, Omit<Size, 'monthly'> & { readonly price: number }>>;
  /** A GiB of a gp3 volume a month. */
  readonly disk: number | null;
}

/**
 * One region's price list of EC2, as CSV by its lines: first what the list is, then a line of titles, then a line an offer.
 * Linux on demand, shared, with nothing installed.
 */
export async function awsPrices(lines: AsyncIterable<string>): Promise<AwsPrices> {
  const sizes: Record<string, AwsPrices['sizes'][string]> = {};
  let disk: number | null = null;
  let titles: ReadonlyMap<string, number> | null = null;
  for await (const line of lines) {
    if (titles === null && !line.startsWith('"SKU"')) continue;
    const cells = cellsOf(line);
    if (titles === null) {
      titles = new Map(cells.map((title, at) => [title, at]));
      continue;
    }
    const places = titles;
    const cell = (title: string) => cells[places.get(title) ?? -1] ?? '';
    if (cell('TermType') !== 'OnDemand' || cell('Currency') !== 'USD') continue;
    const price = Number(cell('PricePerUnit'));
    if (cell('Volume API Name') === 'gp3' && cell('Unit') === 'GB-Mo') disk = price;
    const size = cell('Instance Type');
    const plain =
      cell('Tenancy') === 'Shared' &&
      cell('Operating System') === 'Linux' &&
      cell('Pre Installed S/W') === 'NA' &&
      cell('CapacityStatus') === 'Used' &&
      cell('Unit') === 'Hrs';
    if (!plain || price <= 0 || !FAMILIES.test(size)) continue;
    const arch: Arch = /Graviton/.test(cell('Physical Processor')) ? 'arm64' : 'amd64';
    const memory = Math.round(Number.parseFloat(cell('Memory').replace(',', '')) * GIB);
    sizes[size] = { cpus: Number(cell('vCPU')), memory, arch, price: monthly(price) };
  }
  return { sizes, disk };
}

/** Of each region's list one table: the sizes of all, each with its price where it is offered. */
export function awsTable(regions: Readonly<Record<string, AwsPrices>>): Pick<Required<News>, 'sizes' | 'disk'> {
  const sizes: Record<string, Size> = {};
  const disk: Record<string, number> = {};
  for (const [region, prices] of Object.entries(regions)) {
    if (prices.disk !== null) disk[region] = prices.disk;
    for (const [name, { price, ...size }] of Object.entries(prices.sizes)) {
      sizes[name] = { ...size, monthly: { ...sizes[name]?.monthly, [region]: price } };
    }
  }
  return { sizes, disk };
}

/** Rounded up to a cent: a cap is held against it. */
function monthly(hourly: number): number {
  return Math.ceil(hourly * HOURS_A_MONTH * 100 - 0.001) / 100;
}

/** The cells of a line in which each stands in quotes. */
function cellsOf(line: string): readonly string[] {
  return [...line.matchAll(/"((?:[^"]|"")*)"(?:,|$)/g)].map(([, cell = '']) => cell.replaceAll('""', '"'));
}
