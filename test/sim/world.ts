/** Everything that is there in a run: time, machines, cells, the network; and what must hold after each event. */
import { extend, fold } from '../../src/decide/lineage.ts';
import type { BirthId, CellId, Deed, Entry, FunctionName, Lineage, Random } from '../../src/model.ts';
import { checkInvariants } from '../decide/invariants.ts';
import { SimNode, type Truth } from './node.ts';
import { Queue } from './queue.ts';
import { between, streams } from './random.ts';
import { type Scenario, START } from './scenario.ts';

export const SEEDER = 'seeder';

/** As a cloud sees it: a machine with tags, whoever may know of it. */
export interface Machine {
  readonly birth: BirthId;
  readonly parent: CellId;
  readonly readyAt: number;
  /** It never comes up. */
  readonly broken: boolean;
  /** It came up and has lost its power since. */
  dead: boolean;
  node: SimNode | null;
}

export class Violation extends Error {}

export class World {
  readonly scenario: Scenario;
  readonly queue = new Queue(START);
  readonly stream: (name: string) => Random;
  readonly truth: Truth = new Map();
  readonly nodes = new Map<CellId, SimNode>();
  readonly machines = new Map<BirthId, Machine>();
  readonly seeder: SimNode;
  /** What somebody who hears everything at once would know. */
  lineage: Lineage;
  faulty = true;
  /** Cells on one side of a cut network; empty: it is whole. */
  readonly cutOff = new Set<CellId>();
  readonly log: string[] = [];
  readonly counts: Record<string, number> = {};
  lastChange = START;
  #births = 0;
  readonly #seen = new Map<CellId, number>();

  constructor(scenario: Scenario) {
    this.scenario = scenario;
    this.stream = streams(scenario.seed);
    this.lineage = fold({}, SEEDER);
    this.seeder = new SimNode(SEEDER, 'seeder', this.truth, SEEDER, 0);
  }

  get now(): number {
    return this.queue.now;
  }

  chance(name: string, probability: number): boolean {
    return this.stream(name)() < probability;
  }

  note(line: string): void {
    this.log.push(`${String(Math.round((this.now - START) / 1000)).padStart(6)}s ${line}`);
  }

  say(node: SimNode, deed: Deed): void {
    node.say(deed, this.now + node.skew);
    this.counts[deed.kind] = (this.counts[deed.kind] ?? 0) + 1;
    this.lastChange = this.now;
    this.note(
      `${node.id} says ${JSON.stringify(deed, (key, value) => (key === 'child' && typeof value === 'object' ? value.id : value))}`,
    );
    this.observe();
    this.check(node.lineage, node.id);
  }

  nextBirth(): BirthId {
    this.#births += 1;
    return `b${String(this.#births).padStart(3, '0')}`;
  }

  /** A new cell's identity: its id does not follow its age. */
  conceive(machine: Machine): SimNode {
    const id = `${between(this.stream('ids'), 0x1000, 0xffff).toString(16)}-${machine.birth}`;
    const { skew } = this.scenario.faults;
    const node = new SimNode(id, machine.birth, this.truth, SEEDER, Math.round((this.stream('skew')() * 2 - 1) * skew));
    machine.node = node;
    this.nodes.set(id, node);
    return node;
  }

  /** The provider takes a machine away; what ran on it is over. */
  destroy(birth: BirthId): void {
    const machine = this.machines.get(birth);
    if (machine === undefined) return;
    this.machines.delete(birth);
    this.note(`machine ${birth} destroyed`);
    if (machine.node !== null) this.kill(machine.node);
  }

  kill(node: SimNode): void {
    node.alive = false;
    node.running.clear();
  }

  connected(a: SimNode, b: SimNode): boolean {
    return a.alive && b.alive && this.cutOff.has(a.id) === this.cutOff.has(b.id);
  }

  /** A session that must be answered now, as a saga's SSH connection. */
  reach(a: SimNode, b: SimNode): boolean {
    if (!this.connected(a, b) || (this.faulty && this.chance('reach', this.scenario.faults.lostSession / 2)))
      return false;
    this.exchange(a, b);
    return true;
  }

  exchange(a: SimNode, b: SimNode): void {
    this.deliver(b, a.known, a.pulses);
    this.deliver(a, b.known, b.pulses);
  }

  /** A sync session of a tick: may be lost, and what it brings may come late and out of order. */
  session(a: SimNode, b: SimNode): void {
    if (!this.connected(a, b)) return;
    const { lostSession, latency } = this.scenario.faults;
    if (this.faulty && this.chance('session', lostSession)) return;
    const late = this.faulty ? this.stream('latency')() ** 3 * latency : 0;
    if (late < 100) {
      this.exchange(a, b);
      return;
    }
    const [fromA, fromB] = [new Map(a.known), new Map(b.known)];
    const [pulsesA, pulsesB] = [new Map(a.pulses), new Map(b.pulses)];
    this.queue.after(late, () => {
      if (b.alive) this.deliver(b, fromA, pulsesA);
      if (a.alive) this.deliver(a, fromB, pulsesB);
    });
  }

  deliver(to: SimNode, lengths: ReadonlyMap<CellId, number>, pulses: SimNode['pulses']): void {
    const before = to.lineage;
    to.hear(lengths);
    for (const [id, pulse] of pulses) {
      if (id !== to.id && pulse.seq > (to.pulses.get(id)?.seq ?? -1)) to.pulses.set(id, pulse);
    }
    if (to.lineage !== before) this.check(to.lineage, to.id);
  }

  observe(): void {
    const newer: Record<CellId, readonly Entry[]> = {};
    for (const [id, feed] of this.truth) {
      const seen = this.#seen.get(id) ?? 0;
      if (feed.length < seen) throw new Violation(`the feed of ${id} got shorter`);
      if (feed.length > seen) newer[id] = feed.slice(seen);
      this.#seen.set(id, feed.length);
    }
    this.lineage = extend(this.lineage, newer) ?? fold(Object.fromEntries(this.truth), SEEDER);
    this.check(this.lineage, 'everybody');
  }

  /** Stem cells that were reserved and are neither born nor abandoned. */
  stems(lineage: Lineage): number {
    return Object.values(lineage.ledger?.births ?? {}).filter(
      ({ state, slot }) => state === 'open' && slot !== undefined,
    ).length;
  }

  check(lineage: Lineage, who: string): void {
    const violations = lineage.organism === '' ? [] : checkInvariants(lineage);
    for (const [id, { seq, why }] of Object.entries(lineage.quarantined)) {
      if (lineage.cells[id]?.state !== 'gone') violations.push(`${id} is quarantined from entry ${seq} on: ${why}`);
    }
    const { stemCells } = this.scenario.genome.body;
    if (this.stems(lineage) > stemCells) violations.push(`${this.stems(lineage)} stem cells, not ${stemCells}`);
    if (violations.length > 0) throw new Violation(`as ${who} knows it: ${violations.join('; ')}`);
  }

  /** Never two of what should be one, on machines rather than on paper. */
  checkRunning(): void {
    for (const name of Object.keys(this.scenario.genome.functions)) {
      const where = this.running(name);
      const once = this.lineage.ledger?.replicated.includes(name) !== true && !this.mayReplicate(name);
      if (once && where.length > 1)
        throw new Violation(`${name} runs twice: on ${where.map((node) => node.id).join(', ')}`);
    }
  }

  mayReplicate(name: FunctionName): boolean {
    const { functions } = this.scenario.genome;
    return (
      functions[name]?.divide === 'replicate' || Object.values(functions).some((gene) => gene.needs[name] === 'own')
    );
  }

  running(name: FunctionName): SimNode[] {
    return [...this.nodes.values()].filter((node) => node.alive && node.running.has(name));
  }
}
