/**
 * A genome and who I am -> the stacks that I become, as plain data. Pure, and the same to the byte for the same input, so
 * that a plan can be compared, signed and kept.
 */
import { CellError } from '../src/errors.ts';
import type { BirthId, FunctionName } from '../src/model.ts';
import { computeProvider } from '../stacks/machines/index.ts';
import { firstBirth, stackName } from '../stacks/names.ts';
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
 * The body, and the voice unless no function of this cell has a domain.
 * @throws CellError NOT_FOUND when the genome has no such cloud or function.
 */
export function compile(genome: Genome, who: Who): readonly StackPlan[] {
  const { organism, zone } = genome;
  const { birth, parent, cloud } = who;
  const gene = Object.hasOwn(genome.clouds, cloud) ? genome.clouds[cloud] : undefined;
  if (gene === undefined) throw unknown('cloud', cloud, Object.keys(genome.clouds));
  const compute = computeProvider(gene.provider);
  const body: StackPlan = {
    name: stackName(organism, birth, 'body'),
    kind: 'body',
    cell: birth,
    engine: compute.engine,
    resources: compute.resources({ organism, birth, parent, cloud }, gene).map(canonical),
  };
  const domains = new Set<string>();
  for (const name of who.functions) {
    const performed = Object.hasOwn(genome.functions, name) ? genome.functions[name] : undefined;
    if (performed === undefined) throw unknown('function', name, Object.keys(genome.functions));
    if (performed.domain !== undefined) domains.add(performed.domain);
  }
  if (domains.size === 0) return [body];
  const dns = dnsProvider(genome.dns.provider);
  const voice: StackPlan = {
    name: stackName(organism, birth, 'voice'),
    kind: 'voice',
    cell: birth,
    engine: dns.engine,
    resources: dns.resources({ organism, birth, zone, domains: [...domains].sort() }, genome.dns).map(canonical),
  };
  return [body, voice];
}

/** The first cell: every function, in the cloud that the genome names first. */
export function firstCell(genome: Genome): Who {
  const [cloud] = Object.keys(genome.clouds);
  if (cloud === undefined) throw unknown('cloud', 'of any name', []);
  return { birth: firstBirth(genome.organism), parent: 'seed', cloud, functions: Object.keys(genome.functions).sort() };
}

function canonical({ type, name, inputs }: ResourceSpec): ResourceSpec {
  return { type, name, inputs: sorted(inputs) as ResourceSpec['inputs'] };
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
