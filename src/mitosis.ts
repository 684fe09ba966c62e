/**
 * Mitosis: how a cell, or a seeder, brings about another cell. The whole of it, step by step.
 *
 *   1 reserve    say in the feed that a machine is attempted; it costs one of the budget from here on
 *   2 body       the machine, by its stack
 *   3 imprint    artefacts over SSH; the new cell makes its keys and calls home
 *   4 birth      announce it, split the budget, exchange state, let it begin to beat
 *   5 prepare    sources, secrets and a first copy of the data, while the functions still run here
 *   6 handOver   hold requests, stop, copy the difference, start there, prove healthy, give
 *   7 rewire     the child's voice up, seen in DNS, then our own records off
 *   8 close      our imprint key no longer opens the child; proved by trying it
 *   9 settle     once the TTL has passed: stop proxying for what moved
 *
 * Killed after any step, the next tick goes on at the one after it. Until something has been given away (6) it can be
 * taken back instead: the machine destroyed, the functions running here again, the budget returned.
 */
import type { Engine } from '../stacks/engines/engine.ts';
import type { StackPlan } from '../stacks/stack.ts';
import type { Genome } from '../genome/schema.ts';
import type { Remote } from './effects/ssh.ts';
import type { Credentials, Secrets } from './here.ts';
import type { Saga, Step, Steps } from './journal.ts';
import type { Birth, BirthId, CellId, Deed, DivideMode, FunctionName, Lineage, PublicKey } from './model.ts';
import { handOver, prepare } from './steps/hand-over.ts';
import { makeBody, reserve, takeDown } from './steps/body.ts';
import { announce, imprint } from './steps/imprint.ts';
import { close, rewire, settle } from './steps/rewire.ts';

/** What the saga remembers. Holds private keys until `close`: the journal is readable by its owner only. */
export interface Mitosis extends Saga<'divide'> {
  readonly birth: BirthId;
  readonly mode: DivideMode;
  /** What moves or is run in both; the first is why the child exists (all of them for the first cell). */
  readonly functions: readonly FunctionName[];
  readonly cloud: string;
  readonly budget: number;
  readonly why: string;
  readonly imprintKey: { readonly privateKey: string; readonly publicKey: PublicKey };
  /** The host key the machine is made with; the child replaces it. */
  readonly firstHostKey: { readonly privateKey: string; readonly publicKey: PublicKey };
  reach: Birth['reach'] | null;
  child: Birth | null;
  /** When the last function was given. */
  givenAt: number | null;
  /** A function that stands still here and may run there, where nobody answers: no time for another attempt. */
  stranded?: FunctionName | null;
  /** Bytes sent by the imprint and in each pass of the data, and how long each function answered nobody (ms). */
  figures: Record<string, number>;
}

/** What a parent can do; a cell and a seeder differ in these and in nothing else. */
export interface Parent {
  readonly id: CellId;
  readonly home: string;
  readonly genome: Genome;
  /** Whom a shell and the recovery are for: checkpoints are encrypted to these and to the child. */
  readonly recipients: readonly string[];
  readonly now: () => number;
  readonly log: (line: string) => void;
  readonly onProgress: (what: string, done: number, total: number) => void;
  lineage(): Promise<Lineage>;
  say(deed: Deed, files?: Readonly<Record<string, Uint8Array>>): Promise<void>;
  engine(plan: Pick<StackPlan, 'engine'>): Promise<Engine>;
  /** Destroys the machine of a birth, by its stack and by its tags. */
  unmake(birth: BirthId): Promise<void>;
  /** A connection to the child, opened with the imprint key and kept for the saga. */
  reachChild(saga: Mitosis): Promise<Remote>;
  /** Whether a key opens the machine. */
  opens(saga: Mitosis): Promise<boolean>;
  sync(child: Birth): Promise<void>;
  credentials(): Promise<Credentials>;
  secrets(): Promise<Secrets>;
  readonly donor: Donor;
}

/** What a child gets: credentials for what it will do and no more, secrets of the functions it gets. */
export interface Inheritance extends Credentials {
  readonly secrets: Secrets;
}

/** The giving side of a function. A seeder runs nothing itself, so its donor does nothing. */
export interface Donor {
  /** Whether functions run on this side: then they move one after the other, each stopped here before it starts there. */
  readonly runs: boolean;
  /** Copies what differs of a function's data to the child; gives bytes. */
  copy(name: FunctionName, remote: Remote): Promise<number>;
  /** Requests wait in the ingress, those under way are answered, then the program stops. True when it was held before. */
  hold(name: FunctionName): Promise<boolean>;
  /** Runs it here (again) and lets requests through. */
  resume(name: FunctionName): Promise<void>;
  /** Requests that still come here go to the new home. */
  forward(name: FunctionName, to: CellId, until: number): Promise<void>;
  /** No longer proxies, and removes what is left of a function that moved. */
  forget(name: FunctionName): Promise<void>;
  /** Own records as the lineage says now. Functions that went keep theirs until they are among `gone`: seen elsewhere. */
  speak(gone?: readonly FunctionName[]): Promise<void>;
}

export const STEPS = ['reserve', 'body', 'imprint', 'birth', 'prepare', 'handOver', 'rewire', 'close', 'settle'] as const;

/** The steps, bound to a parent. */
export function mitosis(parent: Parent): Steps<Mitosis> {
  const bind = (step: (parent: Parent, saga: Mitosis) => ReturnType<Step<Mitosis>>): Step<Mitosis> => {
    return (saga) => step(parent, saga);
  };
  return [
    ['reserve', bind(reserve)],
    ['body', bind(makeBody)],
    ['imprint', bind(imprint)],
    ['birth', bind(announce)],
    ['prepare', bind(prepare)],
    ['handOver', bind(handOver)],
    ['rewire', bind(rewire)],
    ['close', bind(close)],
    ['settle', bind(settle)],
  ];
}

/** The one step of a division that failed for good; one that has begun is not turned round again. */
export function takingBack(parent: Parent): Steps<Mitosis> {
  return [['takeBack', (saga) => takeDown(parent, saga)]];
}

/** Whether a division may still be taken back: nothing of it has been given to the child. */
export function canTakeBack(saga: Mitosis, lineage: Lineage): boolean {
  const { child } = saga;
  if (child === null) return true;
  return !Object.values(lineage.homes).some((homes) => homes.includes(child.id));
}
