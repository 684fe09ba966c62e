/**
 * The one interface for compute providers. A provider is a file beside this one, its line in machines/index.ts and its
 * tests; nothing above knows which one is at work.
 */
import type { CloudGene } from '../../genome/schema.ts';
import { CellError } from '../../src/errors.ts';
import type { Place, PublicKey, Reach } from '../../src/model.ts';
import type { EngineName, Json, Outputs, ResourceSpec } from '../stack.ts';

/** One resource makes a whole machine; its name in the stack. */
export const MACHINE = 'machine';

/** Where the ingress answers on a machine with an operating system of its own. */
export const HTTP_PORT = 80;

/** The machine that a stack gives. Throws NOT_FOUND when it was not made yet. */
export function machineOf(outputs: Outputs): Outputs[string] {
  const machine = outputs[MACHINE];
  if (machine === undefined) throw new CellError('NOT_FOUND', 'the stack has no machine yet');
  return machine;
}

/** What a machine is for, known before it is made: its tags, and all of them inputs of its resource. */
export interface MachineNeed {
  readonly organism: string;
  /** The birth: identity of the machine, in its tags. */
  readonly birth: string;
  /** Who makes it: a cell's id, or `seed`. */
  readonly parent: string;
  /** Name of the cloud in the genome. */
  readonly cloud: string;
  /** What it is made for: the functions that it begins with, none for a stem cell. */
  readonly functions: readonly string[];
  /** TCP ports that the genome serves: to everybody, and to the organism's other cells. */
  readonly opens: { readonly web: readonly number[]; readonly ports: readonly number[] };
}

export interface Price {
  readonly cents: number;
  readonly currency: string;
}

export interface ComputeProvider {
  readonly name: CloudGene['provider'];
  readonly engine: EngineName;
  /**
   * The resources of one machine; pure. `{$value: "imprintKey"}` is the public key that opens it, `{$secret:
   * "hostKey"}` the private host key (OpenSSH PEM) it shall answer with.
   */
  resources(need: MachineNeed, gene: CloudGene): readonly ResourceSpec[];
  /** Where the machine is reached, from the outputs of its resources. */
  reach(outputs: Outputs): Reach;
  /** Whether its machines get an IPv6 address besides; none otherwise. */
  six?(gene: CloudGene): boolean;
  /** The host key that the machine answers with for good, where it is not made with the one it is given. */
  hostKey?(outputs: Outputs): PublicKey;
  /** Cost a month; null where nobody knows. */
  monthly(gene: CloudGene): Price | null;
  /** Where its machines are; a cloud that does not say is a place by itself. */
  place?(gene: CloudGene): Place;
  /**
   * The credential a laptop starts with (`home` is its folder), or what is missing. Shapes are the provider's own.
   */
  credential(gene: CloudGene, home: string): Promise<Json>;
  /** Machines that carry the organism's tags, whoever knows them. */
  list(organism: string, credential: Json): Promise<readonly TaggedMachine[]>;
  /** Destroys one by its provider id. Gone already is fine. */
  remove(id: string, credential: Json): Promise<void>;
  /** Of a provider whose engine knows nothing of births. */
  readonly lost?: Lost;
  /** Keeps artefacts of a machine where new machines start from. Clouds that cannot have none. */
  readonly bake?: Baking;
  /** What `cell doctor` says of the cloud, with the credential a laptop starts with. Changes nothing. Throws why not. */
  examine?(gene: CloudGene, organism: string): Promise<Examined>;
  /** Removes what the provider itself keeps once the organism is gone. `cells`: the ids of all that ever made machines. */
  forget?(organism: string, credential: Json, cells: readonly string[]): Promise<void>;
}

/**
 * What a stack lost track of, found by its tags: a call whose answer never came may have taken effect. A machine that is
 * there has all that belongs to it, for that is made before it.
 */
export interface Lost {
  /** Where a machine is reached that was found. Throws NOT_FOUND while it has no address. */
  reach(machine: TaggedMachine): Reach;
  /** Removes what belongs to a birth besides its machine, which is not there: a next attempt needs the names. */
  clear(who: { readonly organism: string; readonly birth: string }, credential: Json): Promise<void>;
}

export interface Baking {
  /** Whether the genome wants it. */
  wanted(gene: CloudGene): boolean;
  /**
   * New machines of the organism have these artefacts of its machine `birth` in their store, and no others: none ends
   * it. Each is checked against its hash before it is kept.
   */
  keep(birth: string, hashes: readonly string[], credential: Json): Promise<void>;
}

/** What was found of a cloud, and how to mend it where something is wrong. */
export interface Examined {
  readonly found: string;
  readonly mend?: string;
}

export interface TaggedMachine {
  readonly id: string;
  /** Null when nobody can tell now: a machine that is there whether or not it is ours, and that cannot be asked. */
  readonly birth: string | null;
  /** Who made it; empty where `birth` is null. */
  readonly parent: string;
  readonly address: string | null;
  /** IPv6, where it has one besides. */
  readonly address6?: string | undefined;
  readonly running: boolean;
}
