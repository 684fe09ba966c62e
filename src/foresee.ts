/** What a changed genome would mean for each cell that lives, and what whoever approves it should know. */
import { genomeFiles } from '../genome/bundle.ts';
import { inspectGenome } from '../genome/read.ts';
import type { Genome } from '../genome/schema.ts';
import { type Carried, turnOf } from './converge.ts';
import { dnsOf } from './decide/dns.ts';
import { roomIn } from './decide/grant.ts';
import { electors, isComplete, newSecrets, objections, raised, toSign, withSeal } from './decide/renewal.ts';
import { genomeOf, type Here, lineageOf } from './here.ts';
import { lineOf, proposalsOf } from './line.ts';
import type { Lineage } from './model.ts';

export interface CellPlan {
  readonly name: string;
  /** One line each. */
  readonly does: readonly string[];
}

export interface Foreseen {
  readonly cells: readonly CellPlan[];
  readonly warnings: readonly string[];
}

export async function foresee(here: Here, genomeFile: string, genome: Genome): Promise<Foreseen> {
  const [lineage, before, line, proposals] = await Promise.all([
    lineageOf(here),
    genomeOf(here),
    lineOf(here),
    proposalsOf(here),
  ]);
  const tip = line.at(-1);
  const was = { genome: before, files: await here.memory.genomeFiles(tip) };
  const will = { genome, files: await genomeFiles(genomeFile, genome) };
  const { findings } = await inspectGenome(genomeFile);
  const found = findings.flatMap(({ severity, message, line: at }) =>
    severity === 'warning' ? [`${message} (line ${at})`] : [],
  );
  const busy = isComplete({ lineage, proposals }, tip?.proposal ?? null) ? [] : ['another genome is still spreading'];
  const warnings = [...busy, ...warningsOf(before, genome), ...boundWarnings(lineage, genome), ...found];
  return { cells: cellPlans(lineage, was, will), warnings };
}

/** Pure: each cell, by name, and what it does. */
export function cellPlans(
  lineage: Pick<Lineage, 'cells' | 'homes' | 'maxCells' | 'mint'>,
  was: Carried,
  will: Carried,
): readonly CellPlan[] {
  const more = will.genome.body.maxCells - lineage.maxCells;
  const fresh = Object.keys(will.genome.functions).filter((name) => (lineage.homes[name] ?? []).length === 0);
  const [first] = electors(lineage);
  return electors(lineage)
    .map(({ id, name, functions }) => {
      const { changed, gone } = turnOf(functions, was, will);
      const does = [...changed.map((one) => `starts ${one} anew`), ...gone.map((one) => `ends ${one}`)];
      if (fresh.length > 0 && id === first?.id && electors(lineage).length === 1)
        does.push(`begins ${fresh.join(', ')}`);
      if (id === lineage.mint && more > 0)
        does.push(`gets a budget of ${more} more once every cell runs it: up to ${will.genome.body.maxCells} cells`);
      return { name, does: does.length === 0 ? ['takes the genome in; nothing is started anew'] : does };
    })
    .concat(
      fresh.length > 0 && electors(lineage).length > 1
        ? [{ name: 'the first to take it in', does: [`begins ${fresh.join(', ')}`] }]
        : [],
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Pure: what the bounds of a genome mean for an organism of this size. */
export function boundWarnings(
  lineage: Pick<Lineage, 'cells' | 'seederAttempts' | 'maxCells' | 'mint'>,
  { body, clouds }: Pick<Genome, 'body' | 'clouds'>,
): readonly string[] {
  const found: string[] = [];
  const room = roomIn(lineage, body.maxCells);
  if (room < 0)
    found.push(
      `body.maxCells is ${body.maxCells}, and there are ${body.maxCells - room}: none divides, and none has to go`,
    );
  if (body.maxCells <= lineage.maxCells) return found;
  const mint = lineage.cells[lineage.mint];
  if (mint === undefined)
    found.push('the first cell is gone, and nobody else can take a higher body.maxCells up: no cell gets more budget');
  else if (lineage.maxCells === 1 && Object.values(clouds).some((cloud) => 'credentials' in cloud))
    found.push(
      `${mint.name} was born to divide never: run \`cell seed\` again, which gives it a credential for machines`,
    );
  return found;
}

const SEED_AGAIN = 'once it is applied, run `cell seed` beside it where the organism was seeded, which brings it';

/** Pure: what the cells would refuse, and what does not follow by itself. */
export function warningsOf(before: Genome, after: Genome): readonly string[] {
  const asked = newSecrets(before, after);
  const found = objections(before, after, withSeal(toSign(before, after, true), asked)).map(
    (why) => `the cells refuse it: ${why}`,
  );
  for (const { function: name, variable, source } of asked)
    found.push(`${name} asks for the secret ${variable} from ${source}: apply it where that can be had`);
  for (const limit of raised(before, after)) found.push(`body.${limit} is raised: apply it with --raise-limits`);
  for (const [name, cloud] of Object.entries(after.clouds)) {
    const old = before.clouds[name];
    if (old === undefined && 'credentials' in cloud && cloud.credentials !== undefined)
      found.push(`clouds.${name} is new, and no cell makes a machine there until it has a credential: ${SEED_AGAIN}`);
    if (old !== undefined && JSON.stringify(old) !== JSON.stringify(cloud))
      found.push(`clouds.${name} changes for machines to come; those that live stay as they are`);
  }
  const [had, has] = [dnsOf(before), dnsOf(after)];
  for (const { name } of has.filter(({ name, gene }) => 'credentials' in gene && !had.some((one) => one.name === name)))
    found.push(`the DNS provider ${name} is new, and no cell speaks there until it has a credential: ${SEED_AGAIN}`);
  for (const [name, { data }] of Object.entries(before.functions)) {
    if (after.functions[name] === undefined && data.length > 0)
      found.push(`${name} goes, and its data with it: ${data.join(', ')}`);
  }
  for (const [name, { packages, image }] of Object.entries(after.functions)) {
    const had = before.functions[name];
    const more = packages.filter((one) => had?.packages.includes(one) !== true);
    if (more.length > 0)
      found.push(
        `${name} needs ${more.join(', ')}: machines to come get it, cells that live say no until it is installed there`,
      );
    if (image !== undefined && Object.values(before.functions).every((one) => one.image === undefined))
      found.push(`${name} is the first image: podman has to be on the machines`);
  }
  const lost = before.governance.authorities.filter((key) => !after.governance.authorities.includes(key));
  for (const key of lost) found.push(`an authority goes: ${key.split(' ').slice(2).join(' ') || key}`);
  return found;
}
