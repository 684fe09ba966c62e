/**
 * What a Pulumi deployment says in our words, and the repair of one whose call was killed in the middle of a create.
 *
 * Pulumi only warns of such a create and forgets it when the program no longer asks for it: a machine would bill for
 * ever. So what it left is looked for through its handler and written into the deployment like any other resource.
 */
import { credentialFor, type Inputs, type Live, type ResourceHandler } from '../handler.ts';
import type { Registry } from '../handlers.ts';
import { nameOf, open, outputsOf, UNFINISHED } from '../provider.ts';
import type { Json } from '../stack.ts';
import { failed } from './failures.ts';
import type { DeployedResource, Deployment, PulumiWorkspace } from './pulumi.workspace.ts';
import { textsOf, textsOfCredentials } from './secrets.ts';

/** Pulumi's marks (sdk/go/common/resource): the key that says what an object is, and the value that says a secret. */
const SIG = '4dabf18193072939515e22adb298388d';
const SECRET = '1b47061264138c4ac30d75fd1eb44270';
/** What plugins keep with outputs for themselves, ours as others: it changes where nothing else did. */
const BOOKKEEPING = /^__/;

/** Outputs by resource name of a deployment that was exported with its secrets; those of others' resources with their id. */
export function outputsIn({ deployment }: Deployment): Record<string, Inputs> {
  const outputs: Record<string, Inputs> = {};
  for (const resource of deployment.resources ?? []) {
    if (!isOfProgram(resource)) continue;
    const rest = Object.fromEntries(
      Object.entries(open(inProcess(resource.outputs ?? {})).values).filter(([key]) => !BOOKKEEPING.test(key)),
    );
    const known = resource.type.startsWith('cell:') || resource.id === undefined ? rest : { id: resource.id, ...rest };
    outputs[nameOf(resource.urn)] = known;
  }
  return outputs;
}

/** The resources of the program, in the order they were made. */
export function resourcesIn({ deployment }: Deployment): readonly { readonly type: string; readonly name: string }[] {
  return (deployment.resources ?? []).filter(isOfProgram).map(({ type, urn }) => ({ type, name: nameOf(urn) }));
}

/** Every secret text of a deployment that was exported with its secrets. */
export function secretsIn({ deployment }: Deployment): readonly string[] {
  return (deployment.resources ?? []).flatMap(({ inputs = {}, outputs = {} }) =>
    [inputs, outputs].flatMap((values) => {
      const { values: bare, secret } = open(inProcess(values));
      return textsOf(bare, secret);
    }),
  );
}

/** Neither the stack itself nor a provider. */
export function isOfProgram({ type, custom }: Pick<DeployedResource, 'type' | 'custom'>): boolean {
  return custom && !type.startsWith('pulumi:');
}

/** Takes cut-off operations on our own resources out of the deployment; what their creates left goes in. */
export async function settle(
  workspace: PulumiWorkspace,
  registry: Registry,
  credentials: Readonly<Record<string, Json>>,
): Promise<void> {
  const exported = await workspace.export(true);
  const { resources = [], pending_operations: pending = [] } = exported.deployment;
  const ours = pending.filter(({ resource }) => resource.type.startsWith('cell:'));
  const found: DeployedResource[] = [];
  for (const { resource } of ours.filter(({ type }) => type === 'creating')) {
    const handler = await registry.get(resource.type);
    const inputs = open(inProcess(resource.inputs ?? {}));
    const secrets = [...textsOf(inputs.values, inputs.secret), ...textsOfCredentials(credentials)];
    let live: Live | null;
    try {
      live = await left(handler, inputs.values, credentialFor(handler, inputs.values, credentials));
    } catch (thrown) {
      throw failed(workspace.stack, 'take back', nameOf(resource.urn), thrown, secrets);
    }
    if (live === null || resources.some(({ urn }) => urn === resource.urn)) continue;
    const outputs = onPaper({ ...outputsOf(handler, inputs, live.outputs), [UNFINISHED]: true });
    found.push({ ...resource, id: live.id, outputs: outputs as Inputs });
  }
  const rest = pending.filter((one) => !ours.includes(one));
  await workspace.import({
    ...exported,
    deployment: { ...exported.deployment, resources: [...resources, ...found], pending_operations: rest },
  });
}

function left(handler: ResourceHandler, inputs: Inputs, credential: Json | undefined): Promise<Live | null> {
  return handler.find === undefined ? handler.create(inputs, { credential }) : handler.find(inputs, { credential });
}

/** `{SIG: SECRET, plaintext: "…"}`, as an export has it, to `{SIG: SECRET, value: …}`, as it is between processes. */
function inProcess(values: Inputs): Record<string, unknown> {
  return mapSecrets(values, ({ plaintext }) => ({ [SIG]: SECRET, value: JSON.parse(String(plaintext)) as unknown }));
}

function onPaper(values: Record<string, unknown>): Record<string, unknown> {
  return mapSecrets(values, ({ value }) => ({ [SIG]: SECRET, plaintext: JSON.stringify(value) }));
}

function mapSecrets(
  values: Readonly<Record<string, unknown>>,
  map: (secret: Readonly<Record<string, unknown>>) => Record<string, unknown>,
): Record<string, unknown> {
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (value === null || typeof value !== 'object') return value;
    const object = value as Readonly<Record<string, unknown>>;
    return object[SIG] === SECRET ? map(object) : mapSecrets(object, map);
  };
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, walk(value)]));
}
