/**
 * The part that the two Pulumi programs share: a plan's resources as custom resources, their holes filled.
 *
 * The programs know nothing of engines; both engines run the same function.
 */
import * as pulumi from '@pulumi/pulumi';
import { type Declared, declared, holeOf } from './holes.ts';
import type { Bindings, Json, StackPlan } from './stack.ts';

/** A Pulumi program: what Pulumi's inline programs and `runInPulumiStack` take. */
export type Program = () => Promise<Record<string, unknown>>;

type Input = pulumi.Input<unknown>;

/** Pulumi's own class is abstract: it expects a class a type. Here the types are data. */
class Specified extends pulumi.CustomResource {}

/**
 * The program of a plan. Exports, by resource name, the id and the outputs that other resources take.
 * Throws CellError STACK_FAILED at once when the plan cannot be run with these bindings.
 */
export function program(plan: StackPlan, bindings: Bindings, options: pulumi.CustomResourceOptions): Program {
  const resources = declared(plan, bindings);
  return async () => {
    const made = new Map<string, pulumi.CustomResource>();
    const exported: Record<string, unknown> = {};
    for (const spec of resources) {
      const resource = new Specified(spec.type, spec.name, inputsOf(spec, bindings, made), options);
      made.set(spec.name, resource);
      exported[spec.name] = {
        id: resource.id,
        ...Object.fromEntries(spec.taken.map((key) => [key, outputOf(resource, key)])),
      };
    }
    return exported;
  };
}

/**
 * The inputs with their holes filled. Outputs that others take are declared as undefined: that is how a custom resource
 * without a class of its own tells Pulumi which outputs it has.
 */
function inputsOf(spec: Declared, bindings: Bindings, made: ReadonlyMap<string, pulumi.CustomResource>): pulumi.Inputs {
  const fill = (value: Json): Input => {
    const hole = holeOf(value);
    if (hole?.kind === 'secret') return pulumi.secret(bindings.secrets?.[hole.name]);
    if (hole?.kind === 'value') return bindings.values?.[hole.name];
    if (hole?.kind === 'ref') return outputOf(made.get(hole.resource)!, hole.output);
    if (Array.isArray(value)) return value.map(fill);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, fill(part)]));
  };
  const inputs: Record<string, Input> = {};
  for (const key of spec.taken) if (key !== 'id' && key !== 'urn') inputs[key] = undefined;
  for (const [key, value] of Object.entries(spec.inputs)) inputs[key] = fill(value);
  return inputs;
}

function outputOf(resource: pulumi.CustomResource, key: string): Input {
  return (resource as unknown as Record<string, Input>)[key];
}
