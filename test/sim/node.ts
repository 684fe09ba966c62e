/** One simulated cell: what it has on disk, what runs on it, what it knows. */
import { extend, fold } from '../../src/decide/lineage.ts';
import { freshMemory } from '../../src/decide/memory.ts';
import type {
  BirthId,
  CellId,
  Deed,
  Entry,
  FunctionName,
  Lineage,
  OpenSaga,
  Pulse,
  Reading,
  TickMemory,
} from '../../src/model.ts';

/** All feeds as their owners wrote them. A feed never forks here, so what a cell knows of it is a length. */
export type Truth = Map<CellId, Entry[]>;

export interface SimSaga extends OpenSaga {
  step: string;
  due: number;
  failures: number;
  readonly kind: OpenSaga['kind'];
  readonly birth: BirthId;
  readonly child: CellId | null;
  readonly mode: 'delegate' | 'replicate';
  readonly functions: readonly FunctionName[];
  readonly budget: number;
  /** Of a stem cell that is taken back: it never came up. */
  readonly failed?: boolean;
}

export class Crash extends Error {}

export class SimNode {
  readonly id: CellId;
  readonly birth: BirthId;
  readonly skew: number;
  alive = true;
  beating = false;
  /** Entries known of each feed. */
  readonly known = new Map<CellId, number>();
  lineage: Lineage;
  readonly pulses = new Map<CellId, Pulse>();
  memory: TickMemory;
  readonly journal = new Map<string, SimSaga>();
  readonly running = new Set<FunctionName>();
  /** Started here by a parent that has not given them yet. */
  readonly prepared = new Set<FunctionName>();
  readonly throttles = new Map<FunctionName, number>();
  readings: Record<FunctionName, Record<string, Reading>> = {};
  sensedAt = 0;
  pulseSeq = 0;
  /** Asked before each effect of a tick. */
  crashes: () => boolean = () => false;
  readonly #truth: Truth;
  readonly #seeder: CellId;

  constructor(id: CellId, birth: BirthId, truth: Truth, seeder: CellId, skew: number) {
    this.id = id;
    this.birth = birth;
    this.skew = skew;
    this.#truth = truth;
    this.#seeder = seeder;
    this.lineage = fold({}, seeder);
    this.memory = freshMemory();
  }

  /** Each effect comes through here; a crash comes before it. */
  effect(): void {
    if (this.crashes()) throw new Crash();
  }

  /** Hears of feeds up to these lengths. Lengths only grow, whatever order news arrives in. */
  hear(lengths: ReadonlyMap<CellId, number>): void {
    const newer: Record<CellId, readonly Entry[]> = {};
    let any = false;
    for (const [id, length] of lengths) {
      const before = this.known.get(id) ?? 0;
      if (length <= before) continue;
      this.known.set(id, length);
      newer[id] = (this.#truth.get(id) ?? []).slice(before, length);
      any = true;
    }
    if (any) this.lineage = extend(this.lineage, newer) ?? this.refold();
  }

  refold(): Lineage {
    const feeds: Record<CellId, readonly Entry[]> = {};
    for (const [id, length] of this.known) feeds[id] = (this.#truth.get(id) ?? []).slice(0, length);
    return fold(feeds, this.#seeder);
  }

  /** Writes to its own feed. */
  say(deed: Deed, at: number): void {
    this.effect();
    const feed = this.#truth.get(this.id) ?? [];
    this.#truth.set(this.id, feed);
    // A crash may have come between writing and knowing; the own feed is always known whole.
    feed.push({ v: 1, organism: 'sim', cell: this.id, seq: feed.length, prev: null, at, deed, files: {}, sig: '' });
    this.hear(new Map([[this.id, feed.length]]));
  }
}
