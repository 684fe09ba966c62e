/** Rented machines: sizes and regions that the price table knows, and machines that are large enough to divide. */
import { centsOf, type Priced, sizeIn, sizesIn, type Table, tableOf } from '../../stacks/prices/table.ts';
import { divisionMb } from '../../stacks/tools.ts';
import type { CloudGene, Genome } from '../schema.ts';
import { closestTo, nearest } from '../suggest.ts';
import type { Report } from './complaint.ts';

type Rented = Extract<CloudGene, { provider: Priced }>;

/** MiB that a system with a cell's functions takes, beside an engine and its plugins. */
const THE_REST = 400;

const PROVIDERS: readonly string[] = ['aws', 'digitalocean', 'linode'] satisfies readonly Priced[];

export function checkSizes(genome: Genome, report: Report): void {
  for (const [name, gene] of Object.entries(genome.clouds)) {
    if (!PROVIDERS.includes(gene.provider)) continue;
    const rented = gene as Rented;
    const table = tableOf(rented.provider);
    const known = checkRegion(name, rented, table, report);
    if (known) checkSize(name, rented, table, report);
    checkMemory(genome, name, rented, table, report);
  }
}

/** Whether a price can be asked for. One region may be newer than the table where sizes cost the same everywhere. */
function checkRegion(name: string, gene: Rented, table: Table, report: Report): boolean {
  const { region } = gene;
  const known = Object.keys(table.regions);
  if (known.includes(region)) return true;
  const priced = gene.monthly !== undefined || sizesIn(table, region).length > 0;
  report({
    ...(priced ? { severity: 'warning' } : {}),
    code: 'unknown-region',
    at: ['clouds', name, 'region'],
    message: `the price table of ${table.asOf} knows no region ${region}`,
    expected: priced ? `a region such as ${closestTo(region, known)}` : orPrice(closestTo(region, known)),
    suggestion: nearest(region, known),
    because: [['clouds', name, 'provider']],
  });
  return priced;
}

function checkSize(name: string, gene: Rented, table: Table, report: Report): void {
  const { region, size } = gene;
  if (gene.monthly !== undefined || centsOf(table, region, size) !== null) return;
  const there = sizesIn(table, region);
  const of = sizeIn(table, size) === null ? `knows no size ${size}` : `has no price of ${size} in ${region}`;
  report({
    code: 'unknown-size',
    at: ['clouds', name, 'size'],
    message: `the price table of ${table.asOf} ${of}`,
    expected: orPrice(closestTo(size, there)),
    suggestion: nearest(size, there),
    because: [
      ['clouds', name, 'provider'],
      ['clouds', name, 'region'],
      ['clouds', name, 'monthly'],
    ],
  });
}

const orPrice = (closest: string) => `${closest}, or monthly: what a machine costs`;

function checkMemory(genome: Genome, name: string, { provider, size }: Rented, table: Table, report: Report): void {
  const engine = divisionMb([provider]);
  const enough = engine + THE_REST;
  const memory = sizeIn(table, size)?.memory ?? enough;
  const divides = Object.values(genome.functions).some((gene) => gene.divide !== 'never') || genome.body.stemCells > 0;
  if (memory >= enough || !divides || genome.body.maxCells === 1) return;
  report({
    severity: 'warning',
    code: 'machine-too-small',
    at: ['clouds', name, 'size'],
    message: `a machine of ${memory} MiB is too small to make another: that takes some ${engine} MiB`,
    expected: `${Math.ceil(enough / 1024)} GiB of memory, or maxCells: 1`,
    because: [['functions'], ['body', 'maxCells']],
  });
}
