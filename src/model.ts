/**
 * The words of the design as types. Ids, cells, the deeds of the lineage, pulses, what a tick sees and what it decides.
 *
 * Times are ms since the epoch, durations ms. Everything here is plain JSON: it is stored and sent as it stands, and
 * every stored shape carries `v`.
 */
import type { Proposal, ProposalId, Said } from './proposed.ts';

export type { Proposal, ProposalId, Proposed, Said } from './proposed.ts';
export type { OpenSaga, Place, View } from './view.ts';

/** The fingerprint of a cell's key: 26 lower-case base32 characters of SHA-256 (130 bits). Also a seeder's. */
export type CellId = string;
/** Names one attempt to make a machine, and so its stacks and tags: `b` and 10 hex digits. Known before any key is. */
export type BirthId = string;
export type FunctionName = string;
/** A line as in authorized_keys, without options or comment: `ssh-ed25519 AAAA…`. */
export type PublicKey = string;

/** Where a machine is reached. `root` prefixes every path there: '' on an operating system, a folder on `local`. */
export interface Reach {
  readonly address: string;
  /** Its IPv6 address besides, where its cloud gives one: said in DNS beside the other. */
  readonly address6?: string;
  readonly sshPort: number;
  readonly user: string;
  readonly root: string;
  /** Where its ingress answers HTTP. */
  readonly httpPort: number;
}

/** Who a cell is, said by its parent at its birth. */
export interface Birth {
  readonly birth: BirthId;
  readonly id: CellId;
  readonly name: string;
  readonly key: PublicKey;
  /** The SSH host key that the machine answers with from now on. */
  readonly hostKey: PublicKey;
  /** age recipient: what is meant for this cell is encrypted to it. */
  readonly recipient: string;
  readonly reach: Reach;
  /** The cloud of the genome it was made in. */
  readonly cloud: string;
}

export type DivideMode = 'delegate' | 'replicate';

/** One thing said in a feed. Its author is the feed's owner: a cell speaks only about itself and what it gives away. */
export type Deed =
  /** First entry of the seeder's feed. The seeder begins with the whole budget (`maxCells`) and every function. */
  | {
      readonly kind: 'genesis';
      readonly organism: string;
      /** sha256 (hex) of the genome's text. */
      readonly genome: string;
      readonly maxCells: number;
      readonly functions: readonly FunctionName[];
      readonly key: PublicKey;
      readonly recipient: string;
      /** Keys that may raise the budget later, besides the seeder's. Left out by earlier versions: none. */
      readonly authorities?: readonly PublicKey[];
    }
  /** First entry of a cell's feed: I am the one of that birth. */
  | { readonly kind: 'born'; readonly birth: BirthId; readonly parent: CellId; readonly key: PublicKey }
  /**
   * An attempt to make a machine. Costs one of the budget until `abandon`, or for good by `birth`. For no function: a
   * stem cell, kept blank until a division takes it.
   */
  | {
      readonly kind: 'reserve';
      readonly birth: BirthId;
      readonly stack: string;
      readonly function: FunctionName | null;
      readonly mode: DivideMode;
      readonly why: string;
    }
  /** The attempt failed and its machine is known to be destroyed: the one comes back. */
  | { readonly kind: 'abandon'; readonly birth: BirthId; readonly why: string }
  /** The attempt made a cell, which gets `budget` out of mine. */
  | { readonly kind: 'birth'; readonly child: Birth; readonly budget: number; readonly why: string }
  /** A function's home moves (delegate, return) or gets one more (replicate). Only a home of it may say so. */
  | {
      readonly kind: 'give';
      readonly function: FunctionName;
      readonly to: CellId;
      readonly mode: DivideMode | 'return';
    }
  /** I no longer perform a function that others perform too: a replica goes. */
  | { readonly kind: 'drop'; readonly function: FunctionName }
  /** A stack changes its owner; its checkpoint travels encrypted to the new one. */
  | { readonly kind: 'entrust'; readonly stack: string; readonly to: CellId }
  /** The parent's imprint key no longer opens the child. */
  | { readonly kind: 'weaned'; readonly child: CellId }
  /** Credentials for my child, minted anew, are in the file `endowments/BIRTH.age`, sealed to it; the first came with its birth. */
  | { readonly kind: 'endow'; readonly child: CellId; readonly generation: number }
  /** I use the credentials of this generation, and none before it. */
  | { readonly kind: 'endowed'; readonly generation: number }
  /** A provider no longer takes what I have: I need others. */
  | { readonly kind: 'lack'; readonly why: string }
  /** I want to hand my functions back and go; my parent may come in with its key and take them. */
  | { readonly kind: 'wilt'; readonly why: string }
  /** My last word: everything is handed back. What budget I had is my parent's once it has buried me. */
  | { readonly kind: 'farewell' }
  /** My child said farewell and its machine is destroyed: its budget and the one it cost are mine. */
  | { readonly kind: 'bury'; readonly child: CellId }
  /**
   * My child is destroyed by its provider, without a farewell; budget and functions come back to me. `entries`: how many
   * entries of its feed I had folded; what it said beyond is refused.
   */
  | { readonly kind: 'fence'; readonly child: CellId; readonly entries: number; readonly why: string }
  /** By the seeder or an authority: this cell shall hand back and go. */
  | { readonly kind: 'order'; readonly wilt: CellId; readonly why: string }
  | { readonly kind: 'freeze'; readonly why: string }
  | { readonly kind: 'thaw'; readonly why: string }
  /** What I say to a proposed genome. The first yes to a proposal of one genome stands; a no may become a yes. */
  | { readonly kind: 'vote'; readonly proposal: ProposalId; readonly yes: boolean; readonly why: string }
  /**
   * I run this genome and am healthy with it; or, not `ok`, it did not hold here, and with that it is taken back
   * everywhere. `proposal` null: the genome of the genesis.
   */
  | {
      readonly kind: 'took';
      readonly proposal: ProposalId | null;
      /** sha256 (hex) of the genome's files. */
      readonly genome: string;
      readonly ok: boolean;
      readonly why: string;
    }
  /** A function that the genome has new lives with me from now on. */
  | { readonly kind: 'begin'; readonly function: FunctionName }
  /** A function that the genome has no more lives with me no longer. */
  | { readonly kind: 'end'; readonly function: FunctionName }
  /**
   * The organism may have `cells` cells from now on, and what that is more than before is my budget. The last of the
   * proposals allows it; those before it say that its author is an authority. Only one cell may say this (`Lineage.mint`).
   */
  | { readonly kind: 'grant'; readonly cells: number; readonly proposals: readonly Proposal[] };

export type DeedKind = Deed['kind'];

/** One signed entry of a feed. `prev` is the hash of the entry before it, so a feed can only grow. */
export interface Entry {
  readonly v: 1;
  readonly organism: string;
  /** The feed's owner, who signs. */
  readonly cell: CellId;
  readonly seq: number;
  /** sha256 (hex) of the previous entry's canonical bytes, null for the first. */
  readonly prev: string | null;
  readonly at: number;
  readonly deed: Deed;
  /** sha256 (hex) of files the entry carries (encrypted checkpoints), by path. Files stay until replaced or null. */
  readonly files: Readonly<Record<string, string | null>>;
  /** Ed25519 over the canonical bytes without `sig`, base64. */
  readonly sig: string;
}

export type CellState =
  | 'born' // announced by its parent, its own feed not seen yet
  | 'living'
  | 'wilting'
  | 'parted' // said farewell, its machine not known to be destroyed
  | 'gone'; // buried or fenced

export interface Cell extends Birth {
  readonly parent: CellId;
  readonly bornAt: number;
  readonly state: CellState;
  /** How many more cells it may bring about. */
  readonly budget: number;
  readonly functions: readonly FunctionName[];
  /** Attempts that cost budget and are neither born nor abandoned. */
  readonly attempts: readonly BirthId[];
  /** Whether the parent's imprint key is known to be removed. */
  readonly weaned: boolean;
  /** Its credentials, by their generation; left out while it has the ones of its birth and says nothing against them. */
  readonly endowment?: { readonly given: number; readonly taken: number; readonly lacks: string | null };
  readonly why: string;
}

/** What the verified feeds add up to. Made by decide/lineage.ts; the same feeds give the same lineage, in any order. */
export interface Lineage {
  readonly organism: string;
  readonly genome: string;
  /** Every token there is: budgets, open attempts and cells. Only a `grant` makes it more, and nothing makes it less. */
  readonly maxCells: number;
  /** Who may raise it: the first cell, or whoever stands for it; one at a time, whatever anybody has heard. */
  readonly mint: CellId;
  /** Keys that the genesis names, besides the seeder's, whose word raises it. */
  readonly authorities: readonly PublicKey[];
  readonly seeder: {
    readonly id: CellId;
    readonly key: PublicKey;
    readonly recipient: string;
    readonly budget: number;
  };
  /** Attempts of the seeder that are neither born nor abandoned. */
  readonly seederAttempts: readonly BirthId[];
  /** Every cell that was ever born, by id. */
  readonly cells: Readonly<Record<CellId, Cell>>;
  /** Where each function lives now. The seeder's id until the first cell is born. */
  readonly homes: Readonly<Record<FunctionName, readonly CellId[]>>;
  /** Who owns each stack. */
  readonly owners: Readonly<Record<string, CellId>>;
  readonly orders: Readonly<Record<CellId, { readonly wilt: true; readonly why: string; readonly at: number }>>;
  readonly frozen: Frozen | null;
  /** Feeds that said what they could not: why, and from which entry on they are not read. */
  readonly quarantined: Readonly<Record<CellId, { readonly seq: number; readonly why: string }>>;
  /** Entries that wait for another feed's news, by feed. */
  readonly waiting: Readonly<Record<CellId, number>>;
  /** How far each feed has been folded: the number of entries. */
  readonly folded: Readonly<Record<CellId, number>>;
  /** The newest votes of each cell and how genomes went with it, oldest first. */
  readonly said?: Readonly<Record<CellId, readonly Said[]>>;
  /** What only the fold itself reads, so that it can go on from here. */
  readonly ledger?: Ledger;
}

/** The fold's own bookkeeping. Plain JSON, so that a lineage can be kept and gone on with. */
export interface Ledger {
  /** Every attempt there ever was, by birth: who pays for it, and what became of it. */
  readonly births: Readonly<
    Record<
      BirthId,
      {
        readonly by: CellId;
        readonly stack: string;
        readonly state: 'open' | 'born' | 'abandoned';
        /** Of an attempt for no function, a stem cell: the slot it fills. */
        readonly slot?: number;
      }
    >
  >;
  /** Who may keep which stem cells (decide/slots.ts). */
  readonly slots: Readonly<Record<CellId, readonly number[]>>;
  /** Who said the birth of a cell; `parent` of a cell changes when its parent is fenced, this does not. */
  readonly bearers: Readonly<Record<CellId, CellId>>;
  /** Who took over from a cell that is gone. */
  readonly heirs: Readonly<Record<CellId, CellId>>;
  /** Functions that had more than one home at some time. */
  readonly replicated: readonly FunctionName[];
  /** Gifts to a cell that was a home already, and who gave a function away: together they may depend on their order. */
  readonly merges: Readonly<Record<FunctionName, readonly { readonly from: CellId; readonly to: CellId }[]>>;
  readonly givers: Readonly<Record<FunctionName, readonly CellId[]>>;
  /** The newest moves of each function by time: given to a child, or (`back`) returned to a parent. */
  readonly moves: Readonly<Record<FunctionName, readonly { readonly at: number; readonly back: boolean }[]>>;
  /** The newest freeze or thaw. */
  readonly lastSwitch: (Frozen & { readonly seq: number; readonly on: boolean }) | null;
  /** Entries that wait, and what the first of them waits for, by feed. */
  readonly pending: Readonly<Record<CellId, readonly Entry[]>>;
  readonly waitsFor: Readonly<Record<CellId, string>>;
  /** Seq of the newest entry known, by feed. */
  readonly newest: Readonly<Record<CellId, number>>;
  /** Feeds contradicted each other: which one counts depends on all of them, so this cannot be extended. */
  readonly contested: boolean;
}

export interface Frozen {
  readonly by: CellId;
  readonly at: number;
  readonly why: string;
}

/** How much of something there is, against its bounds, as a cell senses it. */
export type Level = 'none' | 'one' | 'two' | 'many';
export type Health = 'healthy' | 'starting' | 'unhealthy' | 'unknown';

/** A smoothed measure of one function. */
export interface Reading {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly level: Level;
}

/** What a cell says of itself. Soft state: the newest (`seq`) replaces the last. */
export interface Pulse {
  readonly v: 1;
  readonly organism: string;
  readonly cell: CellId;
  readonly seq: number;
  readonly at: number;
  readonly functions: Readonly<Record<FunctionName, PulseFunction>>;
  readonly budget: number;
  /** Peers it exchanged state with since its last pulse. */
  readonly links: readonly CellId[];
  /** Number of entries in its own feed. */
  readonly entries: number;
  readonly frozen: boolean;
  /** What it is doing or why it does nothing, one line for people. */
  readonly why: string;
  readonly sig: string;
}

export interface PulseFunction {
  readonly health: Health;
  readonly level: Level;
  readonly pressure: Readonly<Record<string, Reading>>;
  /** 0 (none) to 100. */
  readonly throttle: number;
  /** Where it answers on its cell: the ingress port of the function, if it has one. */
  readonly port: number | null;
}

/** What a tick remembers from the last: timers and throttle states. Kept on the cell only. */
export interface TickMemory {
  readonly v: 1;
  readonly functions: Readonly<Record<FunctionName, FunctionMemory>>;
  /** Since when every function has been under its low bounds. */
  readonly calmSince: number | null;
  /** No division before this time. */
  readonly restUntil: number;
  /** A division or merge that waits out its random delay. */
  readonly intent: {
    readonly kind: 'divide' | 'wilt';
    readonly function: FunctionName | null;
    readonly due: number;
  } | null;
  /** Failed births in a row, until when the breaker stays open, and what the last failure was. */
  readonly breaker: { readonly failures: number; readonly openUntil: number; readonly why?: string };
  /** Clouds that said no to a machine: how often in a row, until when they are not asked, and what they said. */
  readonly refused?: Readonly<
    Record<string, { readonly failures: number; readonly until: number; readonly why: string }>
  >;
  /** When this was written, to notice that the clock jumped or that ticks were missing. */
  readonly at?: number;
  /** The newest pulse of each cell, and when it arrived here by our own clock. */
  readonly heard?: Readonly<Record<CellId, { readonly seq: number; readonly at: number }>>;
}

export interface FunctionMemory {
  /** Since when the high bound has been breached without a pause. */
  readonly breachSince: number | null;
  /** 0 to 100. */
  readonly throttle: number;
  readonly throttleSince: number | null;
  /** When the throttle last changed. */
  readonly throttleAt?: number | null;
}

/** What a decision asks for. Performed by the tick in one exhaustive switch. */
export type Action =
  | { readonly kind: 'throttle'; readonly function: FunctionName; readonly level: number; readonly why: string }
  | { readonly kind: 'relax'; readonly function: FunctionName; readonly why: string }
  | {
      readonly kind: 'divide';
      readonly function: FunctionName;
      readonly mode: DivideMode;
      /** Functions that go along to a replica of their own. */
      readonly along: readonly FunctionName[];
      readonly cloud: string;
      /** How much of my budget the child gets. */
      readonly budget: number;
      /** The stem cell it is made of, which is paid for. */
      readonly stem?: BirthId;
      readonly why: string;
    }
  /** Make a stem cell. */
  | { readonly kind: 'stem'; readonly cloud: string; readonly why: string }
  /** Destroy a stem cell: what it cost comes back. */
  | { readonly kind: 'release'; readonly birth: BirthId; readonly why: string }
  /** Have a cloud keep the artefacts of a machine for new ones. */
  | { readonly kind: 'bake'; readonly cloud: string; readonly birth: BirthId; readonly why: string }
  | { readonly kind: 'wilt'; readonly why: string }
  | { readonly kind: 'absorb'; readonly child: CellId; readonly why: string }
  | { readonly kind: 'fence'; readonly child: CellId; readonly why: string }
  /** An attempt without a saga (its owner is dead, or lost its journal): destroy its machine, then abandon it. */
  | { readonly kind: 'reclaim'; readonly birth: BirthId; readonly why: string }
  | { readonly kind: 'resume'; readonly saga: string; readonly why: string };

export interface Decision {
  readonly actions: readonly Action[];
  /** Why each thing is, and is not, done: one line for people, by subject (a function, or `cell`). */
  readonly reasons: readonly { readonly subject: string; readonly why: string }[];
  readonly memory: TickMemory;
}

/** Randomness as an argument: uniform in [0, 1). */
export type Random = () => number;
