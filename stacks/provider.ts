/**
 * Our resources as a Pulumi provider: what bin/pulumi-resource-cell serves to the Pulumi CLI, over the same handlers as
 * the embedded engine.
 *
 * Pulumi hands a provider the outputs of a resource where it needs the inputs, so the inputs are kept among the outputs
 * (INPUTS). Secrets travel in Pulumi's envelopes, which are put back around what is returned; the CLI encrypts them.
 */
import { appendFileSync } from 'node:fs';
import * as pulumi from '@pulumi/pulumi';
import type * as server from '@pulumi/pulumi/provider/index.js';
import { CellError } from '../src/errors.ts';
import { failed } from './engines/failures.ts';
import { keysThatDiffer } from './engines/json.ts';
import { secretInputs, secretOutputs, textsOf, textsOfCredentials } from './engines/secrets.ts';
import { credentialFor, type HandlerContext, type Inputs, type ResourceHandler } from './handler.ts';
import type { Registry } from './handlers.ts';
import type { Json } from './stack.ts';

/** The output that holds the inputs. */
export const INPUTS = '__inputs';
/** The output that says a create failed after it had made something: the next update finishes it. */
export const UNFINISHED = '__unfinished';

type Wire = Record<string, unknown>;

export interface ProviderSetup {
  readonly version: string;
  readonly registry: Registry;
  /** Credentials by provider name. */
  readonly credentials: Readonly<Record<string, Json>>;
  /** Where to note which keys differ, one JSON line a diff: Pulumi's own events do not tell of secret ones. */
  readonly diffs?: string | undefined;
}

/** What a wire object holds: values in the clear, keys that came as secrets, keys not known yet (in a preview). */
interface Opened {
  readonly values: Inputs;
  readonly secret: readonly string[];
  readonly unknown: readonly string[];
}

export class CellProvider implements server.Provider {
  readonly version: string;
  private readonly setup: ProviderSetup;

  constructor(setup: ProviderSetup) {
    this.version = setup.version;
    this.setup = setup;
  }

  async check(urn: string, _olds: Wire, news: Wire): Promise<server.CheckResult> {
    const handler = await this.handler(urn);
    const { values, secret, unknown } = open(news);
    const failures = handler.check(values).filter(({ key }) => !unknown.includes(key));
    // What the handler says is secret is marked here, so that it is encrypted among the inputs too.
    const mark = secretInputs(handler, values, secret).filter((key) => !secret.includes(key));
    const inputs = { ...news, ...envelop(values, mark, mark) };
    return { inputs, failures: failures.map(({ key, why }) => ({ property: key, reason: why })) };
  }

  async diff(_id: string, urn: string, olds: Wire, news: Wire): Promise<server.DiffResult> {
    const handler = await this.handler(urn);
    const after = open(news);
    const differ = keysThatDiffer(inputsIn(olds).values, after.values);
    const keys = [...new Set([...differ, ...after.unknown])].sort();
    if (this.setup.diffs !== undefined) appendFileSync(this.setup.diffs, `${JSON.stringify({ urn, keys })}\n`);
    const replaces = keys.filter((key) => handler.replaceOn.includes(key));
    return { changes: keys.length > 0, replaces, deleteBeforeReplace: true };
  }

  async create(urn: string, wire: Wire): Promise<server.CreateResult> {
    const handler = await this.handler(urn);
    const inputs = open(wire);
    const context = this.context(handler, inputs.values);
    try {
      const { id, outputs } = await this.attempt('create', urn, inputs, () => handler.create(inputs.values, context));
      return { id, outs: outputsOf(handler, inputs, outputs) };
    } catch (failure) {
      // What a failed create left must be in the checkpoint, or nothing would ever delete it.
      const left = await handler.find?.(inputs.values, context).catch(() => null);
      if (left === null || left === undefined) throw failure;
      const properties = { ...outputsOf(handler, inputs, left.outputs), [UNFINISHED]: true };
      throw Object.assign(failure as Error, { id: left.id, properties, reasons: [(failure as Error).message] });
    }
  }

  async read(id: string, urn: string, props: Wire = {}): Promise<server.ReadResult> {
    const handler = await this.handler(urn);
    const inputs = inputsIn(props);
    const context = this.context(handler, inputs.values);
    const isUnfinished = props[UNFINISHED] === true;
    const live = await this.attempt('read', urn, inputs, async () => {
      const found = await handler.read(id, inputs.values, context);
      // Too little of it may be there to be read, and all the same something to delete.
      return found ?? (isUnfinished ? ((await handler.find?.(inputs.values, context)) ?? null) : null);
    });
    if (live === null) return { id: '', props: {} };
    const unfinished = isUnfinished ? { [UNFINISHED]: true } : {};
    return {
      id: live.id,
      props: { ...outputsOf(handler, inputs, live.outputs), ...unfinished },
      inputs: envelop(inputs.values, inputs.secret),
    };
  }

  async update(id: string, urn: string, olds: Wire, news: Wire): Promise<server.UpdateResult> {
    const handler = await this.handler(urn);
    const before = inputsIn(olds);
    const after = open(news);
    const context = this.context(handler, after.values);
    const live = await this.attempt('update', urn, after, async () => {
      if (olds[UNFINISHED] === true) await handler.create(before.values, context);
      return handler.update(id, before.values, after.values, context);
    });
    return { outs: outputsOf(handler, after, live.outputs) };
  }

  async delete(id: string, urn: string, props: Wire): Promise<void> {
    const handler = await this.handler(urn);
    const inputs = inputsIn(props);
    const context = this.context(handler, inputs.values);
    await this.attempt('delete', urn, inputs, () => handler.delete(id, inputs.values, context));
  }

  private handler(urn: string): Promise<ResourceHandler> {
    return this.setup.registry.get(typeOf(urn));
  }

  private context(handler: ResourceHandler, inputs: Inputs): HandlerContext {
    return { credential: credentialFor(handler, inputs, this.setup.credentials) };
  }

  /** Errors cross to the CLI as one text, and some of its logs print the stack: neither may hold a secret. */
  private async attempt<T>(doing: string, urn: string, inputs: Opened, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      const secrets = [...textsOf(inputs.values, inputs.secret), ...textsOfCredentials(this.setup.credentials)];
      const { why, suggestion, cause } = failed('', doing, nameOf(urn), thrown, secrets);
      const hint = cause instanceof CellError && cause.suggestion !== undefined ? `\n${suggestion}` : '';
      const error = new Error(`${why}${hint}`);
      error.stack = error.message;
      throw error;
    }
  }
}

/** The type token in a URN: urn:pulumi:STACK::PROJECT::[PARENT$]TYPE::NAME. */
function typeOf(urn: string): string {
  return urn.split('::')[2]?.split('$').at(-1) ?? '';
}

export function nameOf(urn: string): string {
  return urn.split('::').slice(3).join('::');
}

export function outputsOf(handler: ResourceHandler, inputs: Opened, outputs: Inputs): Wire {
  const secret = secretOutputs(handler, outputs, inputs.values, secretInputs(handler, inputs.values, inputs.secret));
  const kept = envelop(inputs.values, secretInputs(handler, inputs.values, inputs.secret));
  return { ...envelop(outputs, secret), [INPUTS]: kept };
}

/** The inputs that were kept among the outputs. */
function inputsIn(outputs: Wire): Opened {
  const bare: unknown = pulumi.runtime.unwrapRpcSecret(outputs[INPUTS]);
  return open((bare ?? {}) as Wire);
}

export function open(wire: Wire): Opened {
  const values: Record<string, Json> = {};
  const secret: string[] = [];
  const unknown: string[] = [];
  for (const [key, value] of Object.entries(wire)) {
    const found = { secret: false, unknown: false };
    const bare = unwrap(value, found);
    if (found.secret) secret.push(key);
    if (found.unknown) unknown.push(key);
    else values[key] = bare;
  }
  return { values, secret, unknown };
}

function unwrap(value: unknown, found: { secret: boolean; unknown: boolean }): Json {
  if (pulumi.runtime.isRpcSecret(value)) {
    found.secret = true;
    return unwrap(pulumi.runtime.unwrapRpcSecret(value), found);
  }
  if (value === pulumi.runtime.unknownValue) found.unknown = true;
  if (Array.isArray(value)) return value.map((part) => unwrap(part, found));
  if (value === null || typeof value !== 'object') return value as Json;
  if ((value as Wire)[pulumi.runtime.specialSigKey] === pulumi.runtime.specialOutputValueSig) {
    const output = value as { value?: unknown; secret?: boolean };
    found.secret ||= output.secret === true;
    if (!Object.hasOwn(output, 'value')) found.unknown = true;
    return unwrap(output.value ?? null, found);
  }
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, unwrap(part, found)]));
}

function envelop(values: Inputs, secret: readonly string[], keys: readonly string[] = Object.keys(values)): Wire {
  const { specialSigKey, specialSecretSig } = pulumi.runtime;
  return Object.fromEntries(
    keys.map((key) => {
      const value = values[key];
      return [key, secret.includes(key) ? { [specialSigKey]: specialSecretSig, value } : value];
    }),
  );
}
