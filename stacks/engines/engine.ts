/**
 * One interface for the two engines. A stack lives in a home (a folder): its checkpoint, its lock, its passphrase.
 *
 * Every call but `export` and `preview` holds the stack's lock: a lease, renewed while the call runs, taken over
 * without a human when its holder is dead or its time is up.
 */
import type { Bindings, EngineName, Json, Outputs, StackPlan } from '../stack.ts';

export type Operation = 'create' | 'update' | 'replace' | 'delete' | 'same';

export interface Change {
  readonly operation: Operation;
  readonly type: string;
  readonly name: string;
  /** Inputs that differ, for update and replace. */
  readonly keys: readonly string[];
}

export interface StackResult {
  readonly changes: readonly Change[];
  /** Outputs of every resource, by resource name. Secrets are in the clear here: never print them. */
  readonly outputs: Outputs;
}

export interface EngineOptions {
  /** The folder that holds checkpoints and locks of this engine's stacks. */
  readonly home: string;
  /**
   * What the resource handlers need: credentials by provider, or by provider and cloud where a provider has several, such
   * as `{local: {...}, 'nspawn/near': {...}}`. Never stored.
   */
  readonly credentials: Readonly<Record<string, Json>>;
  /** Told of each operation as it ends. */
  readonly onChange?: (change: Change) => void;
  readonly signal?: AbortSignal;
}

/**
 * Every method throws CellError: STACK_LOCKED (somebody else works on it), STACK_FAILED (fields: resource; the
 * checkpoint holds what was done, and the same call goes on from there), CHECKPOINT_CORRUPT, ENGINE_MISSING.
 */
export interface Engine {
  readonly name: EngineName;
  preview(plan: StackPlan, bindings: Bindings): Promise<StackResult>;
  up(plan: StackPlan, bindings: Bindings): Promise<StackResult>;
  /** Deletes everything the checkpoint knows, then the checkpoint. No stack: nothing to do. */
  destroy(stack: string): Promise<StackResult>;
  /** Reads every resource from its provider; what is gone leaves the checkpoint, so that `up` makes it again. */
  refresh(stack: string): Promise<StackResult>;
  /** The checkpoint as it may travel (secrets inside are encrypted with the passphrase, which travels beside it), or null. */
  export(stack: string): Promise<Portable | null>;
  import(stack: string, portable: Portable): Promise<void>;
  /** Drops the checkpoint and touches nothing it names: another cell owns the stack now. No stack: nothing to do. */
  forget(stack: string): Promise<void>;
  /** Names of stacks that have a checkpoint. */
  list(): Promise<readonly string[]>;
}

/** A checkpoint on its way to another cell. Always inside an age envelope when it leaves the machine. */
export interface Portable {
  readonly v: 1;
  readonly engine: EngineName;
  readonly stack: string;
  readonly passphrase: string;
  readonly checkpoint: Json;
}
