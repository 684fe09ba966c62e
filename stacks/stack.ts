/**
 * What a stack is before any engine has seen it: plain data, printed by `cell compile` and run by either engine.
 *
 * Two kinds of holes are filled when it is run, so that compiling stays pure and prints no secret:
 * `{$secret: NAME}` (from `Bindings.secrets`, marked secret) and `{$value: NAME}` (from `Bindings.values`). What has holes
 * may be written in another form once they are filled: `{$number: …}`, `{$base64: …}`, `{$text: …}` (forms.ts).
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface ResourceSpec {
  /** A Pulumi type token: `cell:local:Machine`, `digitalocean:index/droplet:Droplet`, `pulumi:providers:aws`. */
  readonly type: string;
  readonly name: string;
  readonly inputs: { readonly [key: string]: Json };
  /** Of another package than ours: the resource of the same plan that is its provider (`pulumi:providers:…`). */
  readonly provider?: string;
  /** Resources of the same plan that are there before it, though it takes nothing from them. */
  readonly after?: readonly string[];
  /** Inputs that count when it is made and never again: what they say later changes nothing. */
  readonly once?: readonly string[];
  /** A value of the bindings without which there is no such resource. */
  readonly when?: string;
  /** How long each may take, as Pulumi writes it (`15m`), where its plugin can be told: few resources are waited for. */
  readonly within?: { readonly create: string; readonly update: string; readonly delete: string };
}

/** What a stack gives, by the names of its resources. */
export type Outputs = Readonly<Record<string, { readonly [key: string]: Json }>>;

export interface StackPlan {
  readonly name: string;
  readonly kind: 'body' | 'voice';
  /** The birth the stack belongs to; a name for people is not known yet. */
  readonly cell: string;
  readonly engine: EngineName;
  /** Whose credential it takes: a cloud of the genome for a body, one of its DNS providers for a voice. */
  readonly place?: string;
  readonly resources: readonly ResourceSpec[];
}

export type EngineName = 'embedded' | 'pulumi';

export interface Bindings {
  readonly values?: Readonly<Record<string, Json>>;
  readonly secrets?: Readonly<Record<string, string>>;
}
