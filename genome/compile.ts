/**
 * A genome and who I am -> the stacks that I become, as plain data. Pure, and the same to the byte for the same input, so
 * that a plan can be compared, signed and kept.
 */

import { dnsFor, dnsOf } from '../src/decide/dns.ts';
import { served } from '../src/decide/openings.ts';
import { CellError } from '../src/errors.ts';
import type { BirthId, FunctionName } from '../src/model.ts';
import { computeProvider } from '../stacks/machines/index.ts';
import { HTTP_PORT } from '../stacks/machines/machine.ts';
import { firstBirth, stackName, voiceName } from '../stacks/names.ts';
import { dnsProvider } from '../stacks/records/index.ts';
import type { Json, ResourceSpec, StackPlan } from '../stacks/stack.ts';
import type { Genome } from './schema.ts';

export interface Who {
  readonly birth: BirthId;
  /** Who makes it: a cell's id, or `seed`. */
  readonly parent: string;
  /** A cloud of the genome. */
  readonly cloud: string;
  readonly functions: readonly FunctionName[];
}

/**
 * The body, and a voice at each DNS provider that answers for a domain of this cell's functions.
 * @throws CellError NOT_FOUND when the genome has no such cloud or function.
 */
export function compile(genome: Genome, who: Who): readonly StackPlan[] {
  const { organism } = genome;
  const { birth, parent, cloud } = who;
  const gene = Object.hasOwn(genome.clouds, cloud) ? genome.clouds[cloud] : undefined;
  if (gene === undefined) throw unknown('cloud', cloud, Object.keys(genome.clouds));
  const compute = computeProvider(gene.provider);
  const opens = served(genome, HTTP_PORT);
  const body: StackPlan = {
    name: stackName(organism, birth, 'body'),
    kind: 'body',
    cell: birth,
    engine: compute.engine,
    place: cloud,
    resources: compute
      .resources({ organism, birth, parent, cloud, functions: [...who.functions].sort(), opens }, gene)
      .map(canonical),
  };
  const domains = new Set<string>();
  for (const name of who.functions) {
    const performed = Object.hasOwn(genome.functions, name) ? genome.functions[name] : undefined;
    if (performed === undefined) throw unknown('function', name, Object.keys(genome.functions));
    if (performed.domain !== undefined) domains.add(performed.domain);
  }
  const voices = dnsOf(genome).flatMap(({ name, zone, gene }): StackPlan[] => {
    const spoken = [...domains].filter((domain) => dnsFor(genome, domain).some((dns) => dns.name === name)).sort();
    if (spoken.length === 0) return [];
    const { engine, resources } = dnsProvider(gene.provider);
    return [
      {
        name: voiceName(organism, birth, name),
        kind: 'voice',
        cell: birth,
        engine,
        place: name,
        resources: resources({ organism, birth, zone, domains: spoken }, gene).map(canonical),
      },
    ];
  });
  return [body, ...voices];
}

/** A stack as `cell compile --json` gives it, whatever else a plan has for the engines. */
export function shown({ name, kind, cell, engine, resources }: StackPlan): Json {
  const inputs = resources.map((one) => ({ type: one.type, name: one.name, inputs: one.inputs }));
  return { name, kind, cell, engine, resources: inputs };
}

/** The first cell: every function, in the cloud that the genome names first. */
export function firstCell(genome: Genome): Who {
  const [cloud] = Object.keys(genome.clouds);
  if (cloud === undefined) throw unknown('cloud', 'of any name', []);
  return { birth: firstBirth(genome.organism), parent: 'seed', cloud, functions: Object.keys(genome.functions).sort() };
}

function canonical({ type, name, inputs, ...more }: ResourceSpec): ResourceSpec {
  return { type, name, inputs: sorted(inputs) as ResourceSpec['inputs'], ...more };
}

/** Keys in the order of their code units, whatever order a provider wrote them in. */
function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value as { [key: string]: Json }).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, member]) => [key, sorted(member)]));
}

function unknown(what: string, name: string, known: readonly string[]): CellError {
  return new CellError('NOT_FOUND', `the genome has no ${what} \`${name}\``, {
    why:
      known.length === 0
        ? `it names no ${what} at all`
        : `it names ${known.slice(0, 12).join(', ')}${known.length > 12 ? ', …' : ''}`,
    suggestion: 'look with `cell validate`',
    fields: { [what]: name },
  });
}
