/**
 * A cell becomes what another genome says, function by function. Each thing done is taken off a list that is kept, and may
 * be done twice: killed anywhere, the next tick goes on. Records, routes and doors follow at the end of the tick.
 */
import { createHash } from 'node:crypto';
import type { GenomeFile } from '../genome/bundle.ts';
import type { FunctionGene, Genome } from '../genome/schema.ts';
import { install as schedule } from './effects/schedule.ts';
import * as functions from './functions.ts';
import { genomeOf, type Here, lineageOf, say, takeGenome } from './here.ts';
import type { RunContext } from './journal.ts';
import type { Step } from './line.ts';
import type { FunctionName } from './model.ts';
import { keepRenewal, type Renewal, renewalOf, type Turning } from './renewal.ts';
import { returnSecrets, takeSecrets } from './sealed.ts';

/** What is to be done here to go from the genome that runs (undefined: not here any more) to another. Nothing is changed. */
export async function planTurn(
  here: Here,
  from: Step | undefined,
  to: Step,
  { first, back }: { readonly first: boolean; readonly back: string | null },
): Promise<Turning> {
  const [before, lineage] = await Promise.all([genomeOf(here), lineageOf(here)]);
  const next = await here.memory.genomeFiles(to);
  const old = from === undefined ? null : await here.memory.genomeFiles(from);
  const after = await parsed(next);
  const own = lineage.cells[here.identity.id]?.functions ?? [];
  const [was, will] = [old && { genome: before, files: old }, { genome: after, files: next }];
  const { changed, gone } = turnOf(own, was, will);
  const fresh = first ? Object.keys(after.functions).filter((name) => (lineage.homes[name] ?? []).length === 0) : [];
  return { to, back, changed, fresh, gone, placed: false, failures: 0 };
}

/** A genome and the files it carries. */
export interface Carried {
  readonly genome: Genome;
  readonly files: readonly GenomeFile[];
}

/** Which functions of a cell another genome starts anew, and which go. null: what ran is not known. */
export function turnOf(
  own: readonly FunctionName[],
  before: Carried | null,
  after: Carried,
): Pick<Turning, 'changed' | 'gone'> {
  const changed = own.filter((name) => {
    const [was, will] = [before?.genome.functions[name], after.genome.functions[name]];
    if (will === undefined) return false;
    return was === undefined || before === null || programOf(was, before.files) !== programOf(will, after.files);
  });
  return { changed, gone: own.filter((name) => after.genome.functions[name] === undefined) };
}

async function parsed(files: readonly GenomeFile[]): Promise<Genome> {
  const { parseGenome } = await import('../genome/parse.ts');
  const text = files.find(({ path }) => path === 'genome.yaml')?.content.toString() ?? '';
  const { genome } = parseGenome(text, 'genome.yaml');
  if (genome === null) throw new Error('a genome that was accepted does not parse');
  return genome;
}

/** What a running program is made of. Bounds, hooks and names are read anew in each tick, and need no start. */
function programOf(gene: FunctionGene, files: readonly GenomeFile[]): string {
  const { run, image, packages, limits, sandbox, env, secrets, port, health, source } = gene;
  const folder = source?.replace(/^\.\//, '').replace(/\/+$/, '');
  const carried = files
    .filter(({ path }) => folder !== undefined && (folder === '.' || path.startsWith(`${folder}/`)))
    .map(({ path, mode, content }) => [path, mode, createHash('sha256').update(content).digest('hex')]);
  return JSON.stringify([run, image, packages, limits, sandbox, env, secrets, port, health?.within, source, carried]);
}

/** For drills: told of each thing that was done, before and after it is written down. */
export type Faults = Pick<RunContext, 'afterStep' | 'beforeRecord'>;

/** Goes on with a turn to its end. Throws UNHEALTHY for a function that does not become well with it. */
export async function converge(here: Here, renewal: Renewal, faults: Faults = {}): Promise<void> {
  let now = renewal;
  const note = async (step: string, change: Partial<Turning>, rest: Partial<Renewal> = {}) => {
    faults.beforeRecord?.(step);
    now = { ...now, ...rest, turning: { ...(now.turning as Turning), ...change } };
    await keepRenewal(here, now);
    faults.afterStep?.(step);
  };
  const { to, placed, changed, fresh, gone, back } = now.turning as Turning;
  if (!placed) {
    if (back === null) await takeSecrets(here, to, fresh);
    else await returnSecrets(here, now.runs);
    await takeGenome(here, to);
    await note('place', { placed: true }, { runs: to.proposal });
  }
  const genome = await genomeOf(here);
  for (const name of gone) {
    await functions.stop(here, name);
    await note('stop', { gone: without(now, 'gone', name) });
  }
  for (const name of changed) {
    await functions.hold(here, name);
    await functions.resume(here, name);
    await note('change', { changed: without(now, 'changed', name) });
  }
  for (const name of fresh) {
    // Prepared before it is said: who says that it lives here must be able to run it.
    await functions.install(here, name);
    const homes = (await lineageOf(here)).homes[name] ?? [];
    if (!homes.includes(here.identity.id)) await say(here, { kind: 'begin', function: name });
    await functions.start(here, [name]);
    await note('fresh', { fresh: without(now, 'fresh', name) });
  }
  const { heartbeat: heartbeatMs, schedule: kind } = genome.body;
  await schedule({ layout: here.layout, heartbeatMs, organism: genome.organism, schedule: kind });
  const done = { turning: null, turnedAt: here.clock(), forward: back === null, illSince: null };
  faults.beforeRecord?.('turn');
  await keepRenewal(here, { ...(await renewalOf(here)), ...done });
}

function without(
  { turning }: Renewal,
  list: 'changed' | 'fresh' | 'gone',
  name: FunctionName,
): readonly FunctionName[] {
  return (turning?.[list] ?? []).filter((other) => other !== name);
}
