/**
 * What it takes to be one of our own resources (`cell:*`): the same handler serves the embedded engine in process and
 * the Pulumi engine through bin/pulumi-resource-cell.
 */
import type { Json } from './stack.ts';

export type Inputs = { readonly [key: string]: Json };

export interface Live {
  /** The provider's id. */
  readonly id: string;
  readonly outputs: Inputs;
}

export interface HandlerContext {
  /** The credential of this handler's provider and the resource's cloud, of those in EngineOptions.credentials. */
  readonly credential: Json | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The credential for a resource. One provider may serve several clouds of a genome, each with a credential of its own:
 * `PROVIDER/CLOUD` goes before `PROVIDER`.
 */
export function credentialFor(
  { provider }: Pick<ResourceHandler, 'provider'>,
  inputs: Inputs,
  credentials: Readonly<Record<string, Json>>,
): Json | undefined {
  const key = `${provider}/${String(inputs.cloud)}`;
  return Object.hasOwn(credentials, key) ? credentials[key] : credentials[provider];
}

export interface ResourceHandler {
  /** The type token: `cell:local:Machine`. */
  readonly type: string;
  /** Whose credential it takes. */
  readonly provider: string;
  /** Inputs whose change cannot be made in place. */
  readonly replaceOn: readonly string[];
  /** Inputs that are secret, whoever passes them; and outputs. */
  readonly secretInputs: readonly string[];
  /** What is wrong with the inputs, by key; empty when they can be used. */
  check(inputs: Inputs): readonly { readonly key: string; readonly why: string }[];
  /**
   * Makes it, or adopts what an earlier attempt with the same identity (tags) left behind: calling it twice with the
   * same inputs gives one resource.
   */
  create(inputs: Inputs, context: HandlerContext): Promise<Live>;
  /**
   * What a create that was cut off left behind for these inputs (same identity), or null. Makes nothing. Without it, an
   * engine that must take back an unfinished create has to finish it first.
   */
  find?(inputs: Inputs, context: HandlerContext): Promise<Live | null>;
  /** As it is now, or null when it is gone. */
  read(id: string, inputs: Inputs, context: HandlerContext): Promise<Live | null>;
  update(id: string, before: Inputs, after: Inputs, context: HandlerContext): Promise<Live>;
  /** Removes it. Gone already is fine. */
  delete(id: string, inputs: Inputs, context: HandlerContext): Promise<void>;
}
