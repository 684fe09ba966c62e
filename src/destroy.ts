/**
 * `cell destroy`: the whole organism taken apart, in order, and proved gone.
 *
 *   freeze    so that nothing grows back meanwhile
 *   sync      the newest lineage, and the checkpoints of bodies, which are sealed to this computer too
 *   records   taken out of DNS before anything behind them goes
 *   bodies    children before parents, through their stacks
 *   sweep     by tags: what is left is removed, credentials too, and that nothing is left is looked at again
 */
import { rm } from 'node:fs/promises';
import type { Genome } from '../genome/schema.ts';
import { computeProvider } from '../stacks/machines/index.ts';
import { stackName } from '../stacks/names.ts';
import { dnsProvider } from '../stacks/records/index.ts';
import { dnsOf } from './decide/dns.ts';
import { unseal } from './effects/age.ts';
import { forgetMinters } from './endow.ts';
import { CellError, explain } from './errors.ts';
import { credentialsOf, engineOf, genomeOf, type Here, lineageOf, say } from './here.ts';
import type { Cell, Lineage } from './model.ts';
import { removeStrays, strays, unasked } from './sweep.ts';
import { syncEverybody } from './sync.ts';
import { allTools, provide, saying } from './tools.ts';
import { unmake } from './unmake.ts';

export interface Destroyed {
  readonly machines: number;
  readonly records: number;
  /** Those that had been minted for cells; left out where none were. */
  readonly credentials?: number;
}

export function destroyedText({ machines, records, credentials }: Destroyed): string {
  const count = (many: number, what: string) => `${many} ${what}${many === 1 ? '' : 's'}`;
  const all = [count(machines, 'machine'), count(records, 'record')];
  return [...all, ...(credentials === undefined ? [] : [count(credentials, 'credential')])].join(', ');
}

export async function destroyOrganism(here: Here): Promise<Destroyed> {
  const genome = await genomeOf(here);
  const credentials = await credentialsOf(here);
  if ((await lineageOf(here)).frozen === null) await say(here, { kind: 'freeze', why: 'the organism is taken apart' });
  await syncEverybody(here);
  const lineage = await lineageOf(here);
  const found = await strays(genome, credentials, new Set());
  const count = (kind: string) => found.filter((one) => one.kind === kind).length;
  const records = found.filter(({ kind }) => kind === 'record');
  await removeStrays(genome, credentials, records);
  for (const cell of youngestFirst(lineage)) await destroyBody(here, genome, lineage, cell);
  for (const birth of lineage.seederAttempts) await unmake(here, genome, birth);
  await removeStrays(genome, credentials, await strays(genome, credentials, new Set()));
  const left = await strays(genome, credentials, new Set());
  if (left.length > 0) {
    throw new CellError('STACK_FAILED', `${left.length} parts of ${genome.organism} are still there`, {
      why: left.map(({ what }) => what).join(', '),
      suggestion: 'Run `cell destroy` again; `cell sweep` lists them.',
    });
  }
  await nobodyUnasked(here, genome, credentials, lineage);
  await forgetProviders(genome, credentials, [lineage.seeder.id, ...Object.keys(lineage.cells)]);
  await forgetMinters(genome, credentials);
  await rm(here.home, { recursive: true, force: true });
  const minted = count('credential') === 0 ? {} : { credentials: count('credential') };
  return { machines: count('machine'), records: count('record'), ...minted };
}

/** Throws MACHINE_UNREACHABLE while a machine that had a cell cannot be asked; of others it only says so. */
async function nobodyUnasked(
  here: Here,
  genome: Genome,
  credentials: Awaited<ReturnType<typeof credentialsOf>>,
  lineage: Lineage,
): Promise<void> {
  const silent = await unasked(genome, credentials);
  const homes = youngestFirst(lineage).filter(({ reach }) => silent.includes(reach.address));
  if (homes.length > 0) {
    const names = homes.map(({ name, reach }) => `${name} at ${reach.address}`).join(', ');
    throw new CellError('MACHINE_UNREACHABLE', `${names} may still run: nobody could ask`, {
      suggestion: 'Switch it on, or bring it back on the network, and run `cell destroy` again.',
    });
  }
  for (const address of silent) here.log(`${address} could not be asked; a claim that nobody finished runs out there`);
}

function youngestFirst(lineage: Lineage): readonly Cell[] {
  return Object.values(lineage.cells)
    .filter((cell) => cell.state !== 'gone')
    .sort((a, b) => b.bornAt - a.bornAt);
}

/** Through its stack when its checkpoint can be read here; what that misses the sweep removes by its tags. */
async function destroyBody(here: Here, genome: Genome, lineage: Lineage, cell: Cell): Promise<void> {
  const stack = stackName(lineage.organism, cell.birth, 'body');
  try {
    const carriers = [lineage.owners[stack], cell.parent, lineage.seeder.id].filter((id) => id !== undefined);
    for (const carrier of new Set(carriers)) {
      const sealed = await here.memory.file(carrier, `stacks/${stack}.age`);
      if (sealed === null) continue;
      const portable = JSON.parse((await unseal(here.home, sealed)).toString('utf8'));
      if (portable === null) continue;
      if (portable.engine === 'pulumi') await provide(allTools(genome), saying(here.log));
      await (await engineOf(here, portable.engine, genome)).import(stack, portable);
      break;
    }
    await unmake(here, genome, cell.birth);
  } catch (error) {
    here.log(`${cell.name}: its stack could not be used (${explain(error)}); removing it by its tags`, 'warning');
  }
}

async function forgetProviders(
  genome: Genome,
  credentials: Awaited<ReturnType<typeof credentialsOf>>,
  cells: readonly string[],
): Promise<void> {
  for (const [cloud, gene] of Object.entries(genome.clouds)) {
    const credential = credentials.compute?.[cloud];
    if (credential !== undefined) await computeProvider(gene.provider).forget?.(genome.organism, credential, cells);
  }
  for (const { name, gene } of dnsOf(genome)) {
    await dnsProvider(gene.provider).forget?.(genome.organism, credentials.dns?.[name] ?? null);
  }
}
