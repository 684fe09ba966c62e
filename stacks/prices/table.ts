/**
 * What machines cost: a dated table for each provider, by size and region, refreshed by `node stacks/prices/refresh.main.ts`.
 * A table is what the makers say in public; what is taxed, transferred and agreed upon is not in it.
 */
import aws from './aws.json' with { type: 'json' };
import digitalocean from './digitalocean.json' with { type: 'json' };
import linode from './linode.json' with { type: 'json' };

export type Priced = 'aws' | 'digitalocean' | 'linode';
export type Arch = 'amd64' | 'arm64';

export interface Size {
  readonly cpus: number;
  /** MiB. */
  readonly memory: number;
  /** GiB; where it is not part of the size, the table's `disk` says what one costs. */
  readonly disk?: number;
  readonly arch: Arch;
  /** By region, `*` for every other one: in the table's currency. */
  readonly monthly: Readonly<Record<string, number>>;
}

export interface Table {
  readonly provider: Priced;
  /** The day on which the makers said so. */
  readonly asOf: string;
  readonly source: string;
  readonly currency: string;
  /** What a public IPv4 address costs a month, where it costs anything. */
  readonly address?: number;
  /** What a GiB of the system's volume costs a month, by region, where it is not part of a size. */
  readonly disk?: Readonly<Record<string, number>>;
  /** Where each region is: latitude and longitude, in degrees. */
  readonly regions: Readonly<Record<string, readonly [number, number]>>;
  readonly sizes: Readonly<Record<string, Size>>;
}

const TABLES: Readonly<Record<Priced, Table>> = {
  aws: aws as unknown as Table,
  digitalocean: digitalocean as unknown as Table,
  linode: linode as unknown as Table,
};

export function tableOf(provider: Priced): Table {
  return TABLES[provider];
}

export function sizeIn(table: Table, name: string): Size | null {
  return own(table.sizes, name) ?? null;
}

/** Of a size with `disk` GiB of its own where the table counts them apart; in cents, rounded up. Null: it is not known. */
export function centsOf(table: Table, region: string, size: string, disk = 0): number | null {
  const monthly = sizeIn(table, size)?.monthly ?? {};
  const machine = own(monthly, region) ?? own(monthly, '*');
  const volume = table.disk === undefined ? 0 : own(table.disk, region);
  if (machine === undefined || volume === undefined) return null;
  // A hundredth of a cent is what adding such numbers may be wrong by, and no price.
  return Math.ceil((machine + volume * disk + (table.address ?? 0)) * 100 - 0.01);
}

/** Sizes that can be had in a region for a price that is known. */
export function sizesIn(table: Table, region: string): readonly string[] {
  return Object.keys(table.sizes).filter((name) => centsOf(table, region, name) !== null);
}

/** The file's text: a line a region and a size, so that a refresh can be read. */
export function tableText({ regions, sizes, ...head }: Table): string {
  const lines = (entries: object) =>
    Object.entries(entries)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `    ${JSON.stringify(key)}: ${spaced(value)}`)
      .join(',\n');
  const above = Object.entries(head).map(([key, value]) => `  ${JSON.stringify(key)}: ${spaced(value)},\n`);
  return `{\n${above.join('')}  "regions": {\n${lines(regions)}\n  },\n  "sizes": {\n${lines(sizes)}\n  }\n}\n`;
}

function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}: ${spaced(member)}`);
  return `{${entries.join(', ')}}`;
}

function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
