/**
 * The part that the two Pulumi programs share: a plan's resources, their holes filled: our own as plain custom resources,
 * those of Pulumi's packages by the classes of these.
 *
 * The programs know nothing of engines; both engines run the same function.
 */
import * as pulumi from '@pulumi/pulumi';
import { formOf } from './forms.ts';
import { type Declared, declared, holeOf, isProvider } from './holes.ts';
import { classOf, packageOf, type ResourceClass } from './packages.ts';
import type { Bindings, Json, StackPlan } from './stack.ts';

/** A Pulumi program: what Pulumi's inline programs and `runInPulumiStack` take. */
export type Program = () => Promise<Record<string, unknown>>;

type Input = pulumi.Input<unknown>;
type Made = pulumi.CustomResource;

/** Pulumi's own classes are abstract: it expects a class a type. Ours are data. */
class Specified extends pulumi.CustomResource {}
class Provider extends pulumi.ProviderResource {}

/**
 * The program of a plan. Exports, by resource name, the id and the outputs that other resources take.
 * Throws CellError STACK_FAILED at once when the plan cannot be run with these bindings.
 */
export function program(plan: StackPlan, bindings: Bindings, options: pulumi.CustomResourceOptions): Program {
  const resources = declared(plan, bindings);
  return async () => {
    const classes = new Map<string, ResourceClass | null>();
    for (const { type } of resources) if (!classes.has(type)) classes.set(type, await classOf(type));
    const made = new Map<string, Made>();
    const exported: Record<string, unknown> = {};
    for (const spec of resources) {
      const resource = make(spec, classes.get(spec.type) ?? null, bindings, made, options);
      made.set(spec.name, resource);
      if (isProvider(spec.type)) continue;
      exported[spec.name] = {
        id: resource.id,
        ...Object.fromEntries(spec.taken.map((key) => [key, outputOf(resource, key)])),
      };
    }
    return exported;
  };
}

function make(
  spec: Declared,
  known: ResourceClass | null,
  bindings: Bindings,
  made: ReadonlyMap<string, Made>,
  options: pulumi.CustomResourceOptions,
): Made {
  const { type, name, provider, once, after, within } = spec;
  const inputs = inputsOf(spec, bindings, made);
  if (isProvider(type)) {
    const wanted = type.split(':')[2] as string;
    const version = packageOf(wanted)?.version;
    if (version === undefined) throw new Error(`no package of Pulumi's is called ${wanted}`);
    return new Provider(wanted, name, asTexts(inputs), { version });
  }
  const all: pulumi.CustomResourceOptions = {
    ...options,
    ...(provider === undefined ? {} : { provider: made.get(provider) as pulumi.ProviderResource }),
    ...(after === undefined ? {} : { dependsOn: after.map((one) => made.get(one)!) }),
    ...(once === undefined ? {} : { ignoreChanges: [...once] }),
    ...(within === undefined ? {} : { customTimeouts: within }),
  };
  return known === null ? new Specified(type, name, inputs, all) : new known(name, inputs, all);
}

/** Providers take everything but texts as JSON. */
function asTexts(inputs: pulumi.Inputs): pulumi.Inputs {
  return Object.fromEntries(
    Object.entries(inputs).map(([key, value]) => [
      key,
      typeof value === 'string' ? value : written(value, (filled) => JSON.stringify(filled)),
    ]),
  );
}

/**
 * The inputs with their holes filled. Outputs that others take are declared as undefined: that is how a custom resource
 * without a class of its own tells Pulumi which outputs it has.
 */
function inputsOf(spec: Declared, bindings: Bindings, made: ReadonlyMap<string, Made>): pulumi.Inputs {
  const fill = (value: Json): Input => {
    const hole = holeOf(value);
    if (hole?.kind === 'secret') return pulumi.secret(bindings.secrets?.[hole.name]);
    if (hole?.kind === 'value') return bindings.values?.[hole.name];
    if (hole?.kind === 'ref') return outputOf(made.get(hole.resource)!, hole.output);
    const form = formOf(value);
    if (form !== null) return written(fill(form.of), form.write);
    if (Array.isArray(value)) return value.map(fill);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, fill(part)]));
  };
  const inputs: Record<string, Input> = {};
  for (const key of spec.taken) if (key !== 'id' && key !== 'urn') inputs[key] = undefined;
  for (const [key, value] of Object.entries(spec.inputs)) inputs[key] = fill(value);
  return inputs;
}

/** Once it is known. It stays secret if it was. */
function written(value: Input, write: (filled: Json) => Json): Input {
  return pulumi.output(value as pulumi.Input<string>).apply((filled: Json) => write(filled));
}

function outputOf(resource: pulumi.CustomResource, key: string): Input {
  return (resource as unknown as Record<string, Input>)[key];
}
