/**
 * The holes of a plan, without Pulumi: what is wrong with a plan is said before any program starts.
 *
 * `{$secret: NAME}` and `{$value: NAME}` are filled from the bindings, `{$ref: "RESOURCE.OUTPUT"}` from what another
 * resource of the same stack becomes. The output is what follows the last dot, for names of records have dots.
 */
import { CellError } from '../src/errors.ts';
import type { Bindings, Json, ResourceSpec, StackPlan } from './stack.ts';

export type Hole =
  | { readonly kind: 'secret' | 'value'; readonly name: string }
  | { readonly kind: 'ref'; readonly resource: string; readonly output: string };

/** A resource with the outputs that others take from it. */
export interface Declared extends ResourceSpec {
  readonly taken: readonly string[];
}

/** The hole that a value is, or null for a plain value. */
export function holeOf(value: Json): Hole | null {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null;
  const entries = Object.entries(value);
  const [key, name] = entries[0] ?? [];
  if (entries.length !== 1 || typeof name !== 'string') return null;
  if (key === '$secret') return { kind: 'secret', name };
  if (key === '$value') return { kind: 'value', name };
  if (key !== '$ref') return null;
  const dot = name.lastIndexOf('.');
  return { kind: 'ref', resource: name.slice(0, Math.max(dot, 0)), output: name.slice(dot + 1) };
}

/** Whether a type is that of a provider: a resource that only says how others are made. */
export function isProvider(type: string | undefined): boolean {
  return type?.startsWith('pulumi:providers:') ?? false;
}

/** Every hole in a value, in reading order. */
export function holesIn(value: Json): readonly Hole[] {
  const hole = holeOf(value);
  if (hole !== null) return [hole];
  if (value === null || typeof value !== 'object') return [];
  return Object.values(value).flatMap((part: Json) => holesIn(part));
}

/**
 * The resources in an order in which every reference points back, each with the outputs taken from it.
 *
 * Throws CellError STACK_FAILED (field `resource`) for a binding that is missing, a name used twice, a reference to
 * nothing, and references that go round.
 */
export function declared(plan: StackPlan, bindings: Bindings): readonly Declared[] {
  const byName = new Map<string, ResourceSpec>();
  const resources = plan.resources.filter(({ when }) => when === undefined || isSaid(bindings, when));
  for (const spec of resources) {
    if (byName.has(spec.name)) throw refuse(plan, spec.name, `two resources are called ${spec.name}`);
    byName.set(spec.name, spec);
  }
  const taken = new Map<string, Set<string>>();
  for (const spec of resources) {
    if (spec.provider !== undefined && !isProvider(byName.get(spec.provider)?.type)) {
      throw refuse(plan, spec.name, `nothing in the stack is the provider ${spec.provider}`);
    }
    for (const name of spec.after ?? []) {
      if (!byName.has(name))
        throw refuse(plan, spec.name, `nothing in the stack is called ${name}, which it comes after`);
    }
    for (const hole of holesIn(spec.inputs)) {
      if (hole.kind !== 'ref') {
        const from = hole.kind === 'secret' ? bindings.secrets : bindings.values;
        if (from === undefined || !Object.hasOwn(from, hole.name)) {
          throw refuse(plan, spec.name, `there is no ${hole.kind} called ${hole.name}`, { binding: hole.name });
        }
      } else if (!byName.has(hole.resource) || hole.output === '') {
        throw refuse(plan, spec.name, `nothing in the stack is what ${hole.resource}.${hole.output} refers to`);
      } else {
        taken.set(hole.resource, (taken.get(hole.resource) ?? new Set()).add(hole.output));
      }
    }
  }
  return sorted(plan, byName).map((spec) => ({ ...spec, taken: [...(taken.get(spec.name) ?? [])] }));
}

/** What there is none of is an empty text. */
function isSaid({ values }: Bindings, name: string): boolean {
  return values !== undefined && Object.hasOwn(values, name) && values[name] !== '';
}

/** Depth first in the plan's own order, so that plans without references keep it. */
function sorted(plan: StackPlan, byName: ReadonlyMap<string, ResourceSpec>): readonly ResourceSpec[] {
  const order: ResourceSpec[] = [];
  const seen = new Map<string, 'open' | 'done'>();
  const visit = (spec: ResourceSpec): void => {
    if (seen.get(spec.name) === 'done') return;
    if (seen.get(spec.name) === 'open') throw refuse(plan, spec.name, 'its references go round in a circle');
    seen.set(spec.name, 'open');
    if (spec.provider !== undefined) visit(byName.get(spec.provider)!);
    for (const name of spec.after ?? []) visit(byName.get(name)!);
    for (const hole of holesIn(spec.inputs)) if (hole.kind === 'ref') visit(byName.get(hole.resource)!);
    seen.set(spec.name, 'done');
    order.push(spec);
  };
  for (const spec of byName.values()) visit(spec);
  return order;
}

function refuse(plan: StackPlan, resource: string, why: string, more: Record<string, string> = {}): CellError {
  return new CellError('STACK_FAILED', `stack ${plan.name} cannot be run: resource ${resource}`, {
    why,
    suggestion: 'Run `cell compile` to see the stack; nothing was changed.',
    fields: { stack: plan.name, resource, ...more },
  });
}
