/**
 * The programs that a cell needs to run its stacks: which they are follows from what it is for, as its credentials do. A
 * parent brings them with the imprint; this computer fetches what it lacks itself when it is first needed.
 */
import { compile } from '../genome/compile.ts';
import type { Genome } from '../genome/schema.ts';
import type { StackPlan } from '../stacks/stack.ts';
import { isSame, platformOf, type ToolName, toolOf, toolsOf } from '../stacks/tools.ts';
import { needOf, type Portion } from './decide/needs.ts';
import { type Artefact, type MachineFacts, programArtefact, runtimeArtefact } from './effects/artefacts.ts';
import { CellError } from './errors.ts';
import type { Parent } from './saga.ts';

/**
 * What a cell with that portion needs: for the machines that it may make and for its own records, and nothing where the
 * embedded engine does both. `owned`: the cloud of the body that it owns itself, which the first cell does.
 */
export function toolsFor(genome: Genome, portion: Portion, owned: string | null = null): readonly ToolName[] {
  const need = needOf(genome, portion, owned !== null);
  const clouds = new Set([...need.compute, ...(owned === null ? [] : [owned])]);
  // Whose they are does not matter to what they are made of.
  const plansIn = (cloud: string, functions: Portion['functions']) =>
    compile(genome, { birth: 'b0000000000', parent: 'seed', cloud, functions });
  const [anywhere = ''] = Object.keys(genome.clouds);
  const bodies = [...clouds].flatMap((cloud) => plansIn(cloud, []));
  const voices = plansIn(anywhere, portion.functions).filter(({ kind }) => kind === 'voice');
  return toolsOf([...bodies, ...voices]);
}

/** Everything that any cell of the organism may need. */
export function allTools(genome: Genome): readonly ToolName[] {
  const [anywhere = null] = Object.keys(genome.clouds);
  return toolsFor(genome, { functions: Object.keys(genome.functions), tokens: genome.body.maxCells }, anywhere);
}

type OnFetch = (what: string) => void;

/** Fetches what this computer lacks to run stacks. Throws ENGINE_MISSING. */
export async function provide(names: readonly ToolName[], onFetch: OnFetch): Promise<void> {
  if (names.length === 0) return;
  const { ownPlatform, tool } = await import('./effects/tools.ts');
  const platform = ownPlatform();
  // Whoever runs this on another computer has put them on PATH; where not, the engine says so.
  if (platform === null) return;
  for (const name of names) await tool(name, platform, { onFetch });
}

/** What the engine of a plan needs here. */
export const provideFor = (plan: Pick<StackPlan, 'engine' | 'resources'>, onFetch: OnFetch): Promise<void> =>
  provide(toolsOf([plan]), onFetch);

/** The Node for a machine: this process's own, where the machine is of the same kind (`own`, where it is read already). */
export async function runtimeFor(
  facts: Pick<MachineFacts, 'os' | 'arch'>,
  onFetch: OnFetch,
  own: Promise<Artefact> | null = null,
): Promise<Artefact> {
  const platform = platformOf(facts.os, facts.arch);
  const { ownPlatform, runtime } = await import('./effects/tools.ts');
  if (platform === null || isSame(platform, ownPlatform())) return own ?? runtimeArtefact();
  return programArtefact('runtime', await runtime(platform, { onFetch }));
}

export interface Brought {
  readonly file: string;
  readonly artefact: Artefact;
}

/** Tools for a machine, as artefacts. Throws ENGINE_MISSING. */
export async function toolsOn(
  facts: Pick<MachineFacts, 'os' | 'arch'>,
  names: readonly ToolName[],
  onFetch: OnFetch,
): Promise<readonly Brought[]> {
  if (names.length === 0) return [];
  const platform = platformOf(facts.os, facts.arch);
  if (platform === null) {
    throw new CellError('ENGINE_MISSING', `Nobody offers an engine for ${facts.os} on ${facts.arch}`, {
      suggestion: 'Use machines with Linux on amd64 or arm64 for cells that make machines in clouds.',
    });
  }
  const { tool } = await import('./effects/tools.ts');
  const brought: Brought[] = [];
  for (const name of names) {
    const artefact = await programArtefact('engine', await tool(name, platform, { onFetch }));
    brought.push({ file: toolOf(name).file, artefact });
  }
  return brought;
}

/** Where the machine keeps its tools: links into its store, by which they are found, and nothing else under their names. */
export function keepTools(tools: readonly Brought[]): string {
  const links = tools.map(({ file, artefact }) => {
    const [only] = artefact.files;
    return `ln -sfn "../store/${artefact.hash}/${only?.path ?? file}" "$d/${file}"`;
  });
  return [`d="\${CELL_ROOT:-}/opt/cell/engines"; rm -rf "$d"; mkdir -p "$d"`, ...links].join('\n');
}

/** Told in the log of whoever fetches. */
export const saying =
  (log: Parent['log']): OnFetch =>
  (what) =>
    log(`fetches ${what}`, 'notice');
