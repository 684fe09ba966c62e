/**
 * What the sagas remember, and what they need of whoever performs them: a parent that is a cell, or a seeder. The
 * stories are mitosis.ts, stem.ts and apoptosis.ts, their steps are in steps/, and parent.ts makes the parents.
 */
import type { Genome } from '../genome/schema.ts';
import type { Engine } from '../stacks/engines/engine.ts';
import type { StackPlan } from '../stacks/stack.ts';
import type { Pass } from './decide/passes.ts';
import type { Alive } from './dumps.ts';
import type { Artefact } from './effects/artefacts.ts';
import type { Certificates } from './effects/certificates.ts';
import type { Remote } from './effects/ssh.ts';
import type { Taker } from './endow.ts';
import type { Credentials, Secrets } from './here.ts';
import type { Saga } from './journal.ts';
import type { Log } from './log.ts';
import type { Birth, BirthId, Cell, CellId, Deed, DivideMode, FunctionName, Lineage, PublicKey } from './model.ts';

/** A machine in the making, with its private keys: the journal is readable by its owner only. */
export interface Making {
  readonly birth: BirthId;
  readonly cloud: string;
  readonly why: string;
  readonly imprintKey: { readonly privateKey: string; readonly publicKey: PublicKey };
  /** The host key the machine is made with; the child replaces it. */
  readonly firstHostKey: { readonly privateKey: string; readonly publicKey: PublicKey };
  reach: Birth['reach'] | null;
  /** What the machine answers with instead, now and as a cell, where it could not be made with ours. */
  ownHostKey?: PublicKey | null;
  /** Of one that its cloud did not give: whether it may have been made all the same. */
  mayCome?: boolean;
}

/** A stem cell, from its reservation until a division takes it. */
export interface Stem extends Saga<'stem'>, Making {}

/** A machine that was given up and may appear: of one attempt, or of whatever a cell that is gone had asked for. */
export interface Seek extends Saga<'seek'> {
  readonly birth: BirthId | null;
  readonly maker: CellId | null;
  /** The provider's id of the one that the birth has; left out where it was given up. */
  readonly kept?: string;
  readonly why: string;
  /** When it was given up. */
  since: number;
}

/** The cloud of a stem cell that is ready, else null. One that did not answer when it was looked at is not. */
export function readyIn(saga: Saga): string | null {
  return saga.kind === 'stem' && saga.step === 'keep' && saga.failures === 0 ? (saga as Stem).cloud : null;
}

/** What the saga remembers. Keeps its keys until `close`. */
export interface Mitosis extends Saga<'divide'>, Making {
  readonly mode: DivideMode;
  /** What moves or is run in both; the first is why the child exists (all of them for the first cell). */
  readonly functions: readonly FunctionName[];
  readonly budget: number;
  /** It began with a stem cell, at its imprint. */
  readonly stem?: true;
  child: Birth | null;
  /** The child's own addresses, as it says. */
  addresses?: readonly string[];
  /** What was minted for the child, from `endow` until it has it. */
  endowment?: Credentials;
  /** When the last function was given. */
  givenAt: number | null;
  /** A function that stands still here and may run there, where nobody answers: no time for another attempt. */
  stranded?: FunctionName | null;
  /** Why it is taken back: the failure before that, whatever fails on the way back. */
  takenBack?: string;
  /** What the cloud said that made no machine, if that is why. */
  refusal?: string | null;
  /**
   * Bytes sent by the imprint, and ms of it until the machine let us in; of each function bytes and ms of its first pass, number and bytes of those before the
   * hold, bytes and ms of the last (`…Pass:NAME`), and how long it answered nobody (`pauseMs:NAME`).
   */
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
  readonly log: Log;
  readonly onProgress: (what: string, done: number, total: number) => void;
  /** Called in the middle of what takes long; throws when this tick is no longer the one that may go on. */
  readonly alive: Alive;
  lineage(): Promise<Lineage>;
  say(deed: Deed, files?: Readonly<Record<string, Uint8Array>>): Promise<void>;
  /** What the engine needs is fetched where this computer lacks it. */
  engine(plan: Pick<StackPlan, 'engine' | 'resources'>): Promise<Engine>;
  /** Destroys the machine of a birth, by its stack and by its tags. */
  unmake(birth: BirthId): Promise<void>;
  /** Looks from now on for what a birth may have been given after all, beside the machine that it keeps. */
  seek(birth: BirthId, why: string, kept?: string): Promise<void>;
  /** A connection to the child, opened with the imprint key and kept for the saga. */
  reachChild(saga: Mitosis | Stem): Promise<Remote>;
  /** Whether a key opens the machine. */
  opens(saga: Mitosis): Promise<boolean>;
  sync(child: Birth): Promise<void>;
  credentials(): Promise<Credentials>;
  /** Mints what a cell needs, and notes it. Asked again for the same cell, it replaces what was minted then. */
  endow(taker: Taker): Promise<Credentials>;
  secrets(): Promise<Secrets>;
  /** The Debian packages that go to machines of a cloud; null when there are none. */
  packages(cloud: string): Promise<Artefact | null>;
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
  /** The certificates of functions' domains: who answers for a name has one before it does. */
  certificates(names: readonly FunctionName[]): Promise<Certificates>;
  /** Readies the ingress for the ways to a child, so that nothing is to be loaded while requests wait. */
  ready(): Promise<void>;
  /** Writes what cannot be copied as files, by the function's own hook. */
  dump(name: FunctionName): Promise<void>;
  /** Copies what differs of a function's data, and its dump, to the child. `last`: it stands still here. */
  copy(name: FunctionName, remote: Remote, last: boolean): Promise<Pass>;
  /** Requests wait in the ingress, those under way are answered, it dumps, it stops. True when it was held before. */
  hold(name: FunctionName): Promise<boolean>;
  /** Removes what a move left in the function's folder, where the function stays. */
  tidy(name: FunctionName): Promise<void>;
  /** Runs it here (again) and lets requests through. */
  resume(name: FunctionName): Promise<void>;
  /** Requests that still come here go to the new home. */
  forward(name: FunctionName, to: CellId, until: number): Promise<void>;
  /** No longer proxies, and removes what is left of a function that moved. */
  forget(name: FunctionName): Promise<void>;
  /** Own records as the lineage says now. Functions that went keep theirs until they are among `gone`: seen elsewhere. */
  speak(gone?: readonly FunctionName[]): Promise<void>;
}

export interface Apoptosis extends Saga<'absorb'> {
  readonly child: CellId;
  readonly functions: readonly FunctionName[];
  readonly why: string;
}

/** The receiving side of a function. */
export interface Recipient {
  /** Readies the ingress for functions that will come, with certificates that may be newer than those here. */
  expect(names: readonly FunctionName[], certificates: Certificates): Promise<void>;
  /**
   * Copies what differs of a function's data from the child: to where it will run, or, where it runs here too, into a
   * place of its own. `last`: it stands still there.
   */
  bring(name: FunctionName, child: Cell, remote: Remote, last: boolean): Promise<Pass>;
  /** Runs it here with what was brought: as it stands where the child was its only home, merged where it runs here. */
  receive(name: FunctionName, child: Cell): Promise<void>;
  /** It could not be received: it does not run here if the child is its only home, and nothing waits for it here. */
  release(name: FunctionName): Promise<void>;
}

export interface Absorber extends Omit<Parent, 'reachChild' | 'opens'> {
  readonly recipient: Recipient;
  /** Goes on looking for what a child that goes gave up. */
  seekFor(child: Cell): Promise<void>;
  /** A connection to a wilting child, by our own key. */
  enter(child: Cell): Promise<Remote>;
}
