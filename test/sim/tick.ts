/** One tick of a simulated cell, in the order of the real one, with the real decision. */
import type { Genome } from '../../genome/schema.ts';
import { decide } from '../../src/decide/decide.ts';
import { grantDue } from '../../src/decide/grant.ts';
import { functionLevel, readingsOf, smoothing } from '../../src/decide/sense.ts';
import type { Action, Decision, FunctionName, OpenSaga, PulseFunction, View } from '../../src/model.ts';
import { allowing } from '../decide/feeds.ts';
import { Crash, type SimNode, type SimSaga } from './node.ts';
import { answers, fence, goOn, reclaim } from './sagas.ts';
import { START } from './scenario.ts';
import type { World } from './world.ts';

const PEERS = 3;

export function beat(world: World, node: SimNode): void {
  if (node.beating) return;
  node.beating = true;
  const next = () => {
    const { heartbeat } = world.scenario.genome.body;
    world.queue.after(heartbeat * (0.9 + 0.2 * world.stream('beat')()), () => {
      if (!node.alive) return;
      tick(world, node);
      next();
    });
  };
  next();
}

function tick(world: World, node: SimNode): void {
  const { faults } = world.scenario;
  node.crashes = () => world.faulty && world.chance('crash', faults.crash);
  try {
    whole(world, node);
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
    world.counts.crash = (world.counts.crash ?? 0) + 1;
    world.note(`${node.id} crashes`);
  }
  node.crashes = () => false;
  world.checkRunning();
  for (const born of world.nodes.values()) if (born.alive && world.truth.has(born.id)) beat(world, born);
}

function whole(world: World, node: SimNode): void {
  const self = node.lineage.cells[node.id];
  if (self === undefined || self.state === 'gone') {
    // Not (or no longer) of this organism: nothing runs here.
    node.running.clear();
    sync(world, node);
    return;
  }
  tend(node);
  sync(world, node);
  const genome = genomeAt(world, node);
  raise(world, node, genome);
  const now = world.now + node.skew;
  const senses = sense(world, node, now);
  const view: View = {
    genome,
    self: node.lineage.cells[node.id] ?? self,
    lineage: node.lineage,
    pulses: Object.fromEntries(node.pulses),
    senses,
    memory: node.memory,
    sagas: [...node.journal.values()].map((saga) => seen(saga, node.skew)),
    monthlyCents: { near: 0 },
  };
  const decision = decide(view, now, world.stream('jitter'));
  node.memory = decision.memory;
  if (view.lineage.frozen !== null && decision.actions.length > 0) throw new Error('it acts although frozen');
  if (world.log.length > 0) explain(world, node, decision);
  for (const action of decision.actions) perform(world, node, action);
  tend(node);
  pulse(node, now, senses, decision);
}

/** The genome that a cell runs: it comes to one cell after the other. */
function genomeAt(world: World, node: SimNode): Genome {
  const { genome, born } = world.scenario;
  const lag = (node.id.charCodeAt(node.id.length - 1) % 5) * 60_000;
  if (world.now - START >= born.until + lag) return genome;
  return { ...genome, body: { ...genome.body, maxCells: born.maxCells } };
}

/** As renew.ts does. */
function raise(world: World, node: SimNode, genome: Genome): void {
  const { lineage } = node;
  const { maxCells } = genome.body;
  const signed = { ...allowing(maxCells), organism: 'sim', author: lineage.seeder.key, id: 'p', commit: '' };
  const deed = lineage.frozen === null ? grantDue(lineage, node.id, [signed], maxCells) : null;
  if (deed === null) return;
  node.effect();
  world.say(node, deed);
}

function explain(world: World, node: SimNode, decision: Decision): void {
  for (const action of decision.actions) {
    world.counts[action.kind] = (world.counts[action.kind] ?? 0) + 1;
    if (action.kind !== 'throttle' && action.kind !== 'relax')
      world.note(`${node.id} does ${action.kind}: ${action.why}`);
  }
}

/** Starts what lives here and stops what does not, but for what a saga holds. */
function tend(node: SimNode): void {
  const self = node.lineage.cells[node.id];
  const mine = new Set(self?.state === 'gone' ? [] : (self?.functions ?? []));
  const held = new Set<FunctionName>();
  for (const saga of node.journal.values()) {
    // Also while it is taken back: until the child's machine is gone, the function may still run there.
    const moving = saga.step === 'handOver' || saga.step === 'takeBack';
    if (saga.mode === 'delegate' && moving) for (const name of saga.functions) held.add(name);
  }
  for (const name of mine) {
    node.prepared.delete(name);
    if (!held.has(name)) node.running.add(name);
  }
  for (const name of [...node.running]) if (!mine.has(name) && !node.prepared.has(name)) node.running.delete(name);
}

/** A few links at random and the parent: what news there is comes round in a few beats. */
function sync(world: World, node: SimNode): void {
  const living = [...world.nodes.values()].filter(
    (peer) => peer.id !== node.id && node.lineage.cells[peer.id] !== undefined,
  );
  const random = world.stream('peers');
  const chosen = new Set<SimNode>();
  const parent = world.nodes.get(node.lineage.cells[node.id]?.parent ?? '');
  if (parent !== undefined) chosen.add(parent);
  const known = living.filter((peer) => node.lineage.cells[peer.id]?.state !== 'gone');
  for (let count = 0; count < PEERS && known.length > 0; count += 1) {
    chosen.add(known[Math.floor(random() * known.length)] as SimNode);
  }
  if (world.chance('seeder-link', 0.05)) chosen.add(world.seeder);
  for (const peer of chosen) world.session(node, peer);
}

function sense(world: World, node: SimNode, now: number): View['senses'] {
  const { genome, load } = world.scenario;
  const elapsed = world.now - START;
  const rate = (name: FunctionName): number => {
    const share = load(name, elapsed) / Math.max(1, world.running(name).length);
    return node.running.has(name) ? (share * (100 - (node.throttles.get(name) ?? 0))) / 100 : 0;
  };
  // What shares a machine here can be seen: a load that no measure shows is for the tests of merging.ts.
  const rivals = [...node.running].filter((name) => genome.functions[name]?.pressure.busy !== undefined);
  const busy = rivals.reduce((sum, name) => sum + rate(name), 0);
  const tau = smoothing(genome);
  const senses: Record<FunctionName, View['senses'][string]> = {};
  for (const name of node.running) {
    const gene = genome.functions[name];
    if (gene === undefined) continue;
    const before = node.readings[name] ?? {};
    const readings = readingsOf(gene, { rate: rate(name), busy }, before, now - node.sensedAt, tau);
    node.readings[name] = readings;
    senses[name] = { health: 'healthy', readings };
  }
  node.sensedAt = now;
  return senses;
}

function pulse(node: SimNode, now: number, senses: View['senses'], decision: Decision): void {
  const self = node.lineage.cells[node.id];
  const functions: Record<FunctionName, PulseFunction> = {};
  for (const name of self?.functions ?? []) {
    const readings = senses[name]?.readings ?? {};
    const throttle = decision.memory.functions[name]?.throttle ?? 0;
    functions[name] = {
      health: 'healthy',
      level: functionLevel(Object.values(readings)),
      pressure: readings,
      throttle,
      port: null,
    };
  }
  node.pulseSeq += 1;
  node.pulses.set(node.id, {
    v: 1,
    organism: 'sim',
    cell: node.id,
    seq: node.pulseSeq,
    at: now,
    functions,
    budget: self?.budget ?? 0,
    links: [],
    entries: node.known.get(node.id) ?? 0,
    frozen: node.lineage.frozen !== null,
    why: '',
    sig: '',
  });
}

function perform(world: World, node: SimNode, action: Action): void {
  switch (action.kind) {
    case 'throttle':
      node.throttles.set(action.function, action.level);
      return;
    case 'relax':
      node.throttles.delete(action.function);
      return;
    case 'divide': {
      const { mode, budget, stem } = action;
      const plan = { mode, budget, functions: [action.function, ...action.along] };
      if (stem === undefined) begin(world, node, { ...fresh(world.nextBirth(), 'divide', 'reserve'), ...plan });
      else if (answers(world, stem)) {
        world.counts.differentiate = (world.counts.differentiate ?? 0) + 1;
        begin(world, node, { ...fresh(stem, 'divide', 'imprint'), ...plan });
      } else giveUp(world, node, stem);
      return;
    }
    case 'stem':
      begin(world, node, fresh(world.nextBirth(), 'stem', 'reserve'));
      return;
    case 'release':
      giveUp(world, node, action.birth);
      return;
    case 'absorb':
      begin(world, node, { ...fresh(`a-${action.child}`, 'absorb', 'enter'), child: action.child });
      return;
    case 'bake':
      throw new Error('no cloud here keeps artefacts');
    case 'wilt':
      world.say(node, { kind: 'wilt', why: action.why });
      return;
    case 'fence':
      fence(world, node, action.child);
      return;
    case 'reclaim':
      reclaim(world, node, action.birth);
      return;
    case 'resume': {
      const saga = node.journal.get(action.saga);
      if (saga !== undefined) goOn(world, node, saga);
      return;
    }
    default:
      action satisfies never;
  }
}

/** As look.ts shows it. */
function seen(saga: SimSaga, skew: number): OpenSaga {
  const { id, kind, step } = saga;
  const ready = kind === 'stem' && step === 'keep' && saga.failures === 0;
  return { id, kind, step, due: saga.due === 0 ? 0 : saga.due + skew, ...(ready ? { ready: 'near' } : {}) };
}

function giveUp(world: World, node: SimNode, birth: string): void {
  begin(world, node, { ...fresh(birth, 'stem', 'takeBack') });
}

function fresh(id: string, kind: SimSaga['kind'], step: string): SimSaga {
  return { id, kind, step, due: 0, failures: 0, birth: id, child: null, mode: 'delegate', functions: [], budget: 0 };
}

function begin(world: World, node: SimNode, saga: SimSaga): void {
  node.effect();
  node.journal.set(saga.id, saga);
  goOn(world, node, saga);
}
