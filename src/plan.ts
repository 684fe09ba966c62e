/**
 * `cell plan`: what the genome would make, change, replace or destroy, and what it costs a month before and after.
 * Before there is an organism that is the first cell; afterwards the stacks of the cells are theirs, and what differs is
 * the genome itself.
 */
import { join } from 'node:path';
import { genomeFiles, genomeHash } from '../genome/bundle.ts';
import { compile, firstCell } from '../genome/compile.ts';
import type { Genome } from '../genome/schema.ts';
import { formatMoney } from '../genome/units.ts';
import { boundAddresses } from '../stacks/address.ts';
import type { Change } from '../stacks/engines/engine.ts';
import { computeProvider } from '../stacks/machines/index.ts';
import { dnsProvider } from '../stacks/records/index.ts';
import { dnsOf } from './decide/dns.ts';
import { stemsOf } from './decide/slots.ts';
import { type CellPlan, foresee } from './foresee.ts';
import { byProvider, genomeOf, type Here, hasHome, lineageOf, openHome } from './here.ts';
import { acceptedGenome } from './line.ts';
import { keyPair } from './making.ts';
import type { Cell } from './model.ts';
import type { Mitosis } from './saga.ts';

/** Of TEST-NET-1 (RFC 5737): stands for the machine's address while there is none. */
const DOCUMENTATION_ADDRESS = '192.0.2.1';
/** The same of IPv6 (RFC 3849). */
const DOCUMENTATION_ADDRESS6 = '2001:db8::1';

export interface StackChanges {
  readonly stack: string;
  readonly changes: readonly Change[];
}

export interface PlanReport {
  readonly organism: string;
  readonly stacks: readonly StackChanges[];
  /** Parts of the genome that differ from the accepted one. */
  readonly genome: readonly { readonly path: string; readonly operation: 'create' | 'update' | 'delete' }[];
  /** What each living cell will do about it. */
  readonly cells: readonly CellPlan[];
  /** What somebody who approves this should know. */
  readonly warnings: readonly string[];
  readonly credentials: readonly string[];
  /** Cents a month. `most` is what the organism may grow to. */
  readonly monthly: {
    readonly before: number;
    readonly after: number;
    readonly most: number;
    readonly currency: string;
  };
  readonly changes: number;
}

export async function plan(home: string, genomeFile: string, genome: Genome): Promise<PlanReport> {
  const grown = hasHome(home) ? await openHome(home) : null;
  const lineage = grown === null ? null : await lineageOf(grown);
  const living = Object.values(lineage?.cells ?? {}).filter((cell) => cell.state !== 'gone');
  const stacks = living.length > 0 ? [] : await firstStacks(home, genome, grown);
  const accepted = grown !== null && lineage?.genome ? await acceptedGenome(grown) : undefined;
  const differs = accepted !== undefined && accepted !== genomeHash(await genomeFiles(genomeFile, genome));
  const changed = grown !== null && differs ? difference(await genomeOf(grown), genome) : [];
  const { cells, warnings } =
    grown !== null && differs ? await foresee(grown, genomeFile, genome) : { cells: [], warnings: [] };
  const price = (cloud: string) => {
    const gene = genome.clouds[cloud];
    return gene === undefined ? 0 : (computeProvider(gene.provider).monthly(gene)?.cents ?? 0);
  };
  // A stem cell costs what a cell does; its cloud is not said in the lineage, and is its keeper's where there is room.
  const machines = (cell: Cell) => (lineage === null ? 1 : 1 + stemsOf(lineage, cell).length);
  const before = living.reduce((sum, cell) => sum + machines(cell) * price(cell.cloud), 0);
  const first = firstCell(genome).cloud;
  const { maxCells, stemCells, maxMonthlyCost } = genome.body;
  const paidFor = price(first) === 0 ? maxCells : Math.floor(maxMonthlyCost.cents / price(first));
  const machinesThen = Math.max(1, Math.min(1 + stemCells, maxCells, paidFor));
  const cloudNames = Object.keys(genome.clouds);
  const dearest = Math.max(...cloudNames.map(price));
  return {
    organism: genome.organism,
    stacks,
    genome: changed,
    cells,
    warnings,
    credentials: [
      ...new Set([
        ...Object.values(genome.clouds).map((gene) => gene.provider),
        ...dnsOf(genome).map(({ gene }) => `${gene.provider} DNS`),
      ]),
    ],
    monthly: {
      before,
      after: living.length > 0 ? before : machinesThen * price(first),
      most: Math.min(dearest * maxCells, maxMonthlyCost.cents),
      currency: genome.body.maxMonthlyCost.currency,
    },
    changes:
      stacks.reduce((sum, { changes }) => sum + changes.filter((change) => change.operation !== 'same').length, 0) +
      changed.length,
  };
}

/** The first cell's stacks: nothing made yet, or what an interrupted seeding has left to do. */
async function firstStacks(home: string, genome: Genome, grown: Here | null): Promise<readonly StackChanges[]> {
  const { preview } = await import('../stacks/engines/index.ts');
  const begun = (await grown?.journal.open())?.find((saga) => saga.kind === 'divide') as Mitosis | undefined;
  const first = firstCell(genome);
  const who = grown === null ? first : { ...first, parent: grown.identity.id };
  const cloud = genome.clouds[who.cloud];
  const six = cloud !== undefined && computeProvider(cloud.provider).six?.(cloud) === true;
  // A preview checks inputs as `up` does, so they have to be real: these keys and this address are for nothing else.
  const bindings = {
    values: {
      ...Object.assign({}, ...dnsOf(genome).map(({ gene }) => dnsProvider(gene.provider).samples ?? {})),
      imprintKey: (begun?.imprintKey ?? keyPair()).publicKey,
      ...boundAddresses({ address: DOCUMENTATION_ADDRESS, ...(six ? { address6: DOCUMENTATION_ADDRESS6 } : {}) }),
    },
    secrets: { hostKey: (begun?.firstHostKey ?? keyPair()).privateKey },
  };
  const stacks: StackChanges[] = [];
  for (const stack of compile(genome, who)) {
    const credentials = grown === null ? {} : await byProvider(grown, genome, stack.place);
    const { changes } = await preview(stack, bindings, { home: join(home, 'stacks'), credentials });
    stacks.push({ stack: stack.name, changes });
  }
  return stacks;
}

/** The parts of a genome that differ, one line a function and a top-level key. */
function difference(before: Genome, after: Genome): PlanReport['genome'] {
  const flat = (genome: Genome) =>
    new Map<string, string>([
      ...Object.entries(genome)
        .filter(([key]) => key !== 'functions')
        .map(([key, value]) => [key, JSON.stringify(value)] as const),
      ...Object.entries(genome.functions).map(([key, value]) => [`functions.${key}`, JSON.stringify(value)] as const),
    ]);
  const [old, next] = [flat(before), flat(after)];
  const paths = [...new Set([...old.keys(), ...next.keys()])].sort();
  const found = paths.flatMap((path) => {
    if (old.get(path) === next.get(path)) return [];
    const operation = !old.has(path)
      ? ('create' as const)
      : !next.has(path)
        ? ('delete' as const)
        : ('update' as const);
    return [{ path, operation }];
  });
  // The files a function carries changed, and nothing in the text.
  return found.length > 0 ? found : [{ path: 'sources', operation: 'update' as const }];
}

const SIGNS: Record<Change['operation'], string> = { create: '+', update: '~', replace: '±', delete: '-', same: ' ' };

function counts({ stacks, genome }: PlanReport): string {
  const operations = [...stacks.flatMap(({ changes }) => changes), ...genome].map(({ operation }) => operation);
  const count = (wanted: Change['operation']) => operations.filter((operation) => operation === wanted).length;
  return `${count('create')} to make, ${count('update')} to change, ${count('replace')} to replace, ${count('delete')} to destroy.`;
}

/** The plan as text. */
export function planText(report: PlanReport): string {
  const money = (cents: number) => formatMoney(cents, report.monthly.currency);
  const lines: string[] = [];
  for (const { stack, changes } of report.stacks) {
    lines.push(stack);
    for (const { operation, type, name, keys } of changes) {
      lines.push(`  ${SIGNS[operation]} ${type}  ${name}${keys.length > 0 ? `  (${keys.join(', ')})` : ''}`);
    }
  }
  if (report.genome.length > 0) lines.push('genome');
  for (const { path, operation } of report.genome) lines.push(`  ${SIGNS[operation]} ${path}`);
  for (const { name, does } of report.cells) lines.push(name, ...does.map((what) => `  ${what}`));
  for (const warning of report.warnings) lines.push(`Warning: ${warning}`);
  lines.push(report.changes === 0 ? 'Nothing would change.' : counts(report));
  lines.push(
    `A month: ${money(report.monthly.before)} now, ${money(report.monthly.after)} then, never over ${money(report.monthly.most)}.`,
  );
  lines.push(`Credentials: ${report.credentials.join(', ')}`);
  return lines.join('\n');
}

/** Text in a cell of a Markdown table. */
const cellText = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (columns: readonly string[]) => `| ${columns.map(cellText).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The plan as Markdown, for a pull request. */
export function planMarkdown(report: PlanReport): string {
  const { stacks, genome, cells, warnings, monthly } = report;
  const money = (cents: number) => formatMoney(cents, monthly.currency);
  const rows = [
    ...stacks.flatMap(({ stack, changes }) =>
      changes.map((change) => [change.operation, stack, `\`${change.type}\` ${change.name}`]),
    ),
    ...genome.map(({ path, operation }) => [operation, 'genome', `\`${path}\``]),
  ];
  const costs = [[money(monthly.before), money(monthly.after), money(monthly.most)]];
  const parts = [
    `### ${report.organism}`,
    rows.length === 0 ? 'Nothing would change.' : counts(report),
    ...(rows.length === 0 ? [] : [table(['', 'where', 'what'], rows)]),
    ...(cells.length === 0
      ? []
      : [
          table(
            ['cell', 'does'],
            cells.map(({ name, does }) => [name, does.join('; ')]),
          ),
        ]),
    table(['a month now', 'then', 'never over'], costs),
    ...(warnings.length === 0 ? [] : [`**Warnings**\n\n${warnings.map((text) => `- ${text}`).join('\n')}`]),
  ];
  return `${parts.join('\n\n')}\n`;
}
