/**
 * The sagas of a simulated cell, step by step, with the deeds that the real ones write in the order they write them.
 * A step may be done twice (the tick crashed before the journal was written), so each asks first what is there.
 */
import { noteBirth } from '../../src/decide/breaker.ts';
import { freshMemory } from '../../src/decide/memory.ts';
import type { Birth, BirthId, CellId } from '../../src/model.ts';
import type { SimNode, SimSaga } from './node.ts';
import { SEEDER, type World } from './world.ts';

type Outcome = 'next' | 'fail' | 'over' | { readonly waitMs: number };
type Step = (world: World, node: SimNode, saga: SimSaga) => Outcome;

const RETRY_MS = 2_000;
const LOOK_MS = 600_000;
const ATTEMPTS = 3;

function childOf(world: World, saga: SimSaga): SimNode | null {
  if (saga.child !== null) return world.nodes.get(saga.child) ?? null;
  return world.machines.get(saga.birth)?.node ?? null;
}

function birthOf(child: SimNode): Birth {
  const reach = { address: '127.0.0.1', sshPort: 22, user: 'root', root: '', httpPort: 80 };
  return {
    birth: child.birth,
    id: child.id,
    name: child.id,
    key: `key-${child.id}`,
    hostKey: '',
    recipient: '',
    reach,
    cloud: 'near',
  };
}

/** Said already, as the own feed has it. */
function announced(node: SimNode, birth: BirthId): boolean {
  return node.lineage.ledger?.births[birth]?.state === 'born';
}

const reserve: Step = (world, node, { birth, functions, mode }) => {
  if (node.lineage.ledger?.births[birth] === undefined) {
    world.say(node, {
      kind: 'reserve',
      birth,
      stack: `${birth}.body`,
      function: functions[0] ?? null,
      mode,
      why: 'sim',
    });
  }
  return 'next';
};

const body: Step = (world, node, { birth }) => {
  node.effect();
  const { faults } = world.scenario;
  const machine = world.machines.get(birth);
  if (machine === undefined) {
    const slow = world.faulty ? world.stream('slow')() * faults.slowBirth : 0;
    const broken = world.faulty && world.chance('birth', faults.failedBirth);
    world.machines.set(birth, { birth, parent: node.id, readyAt: world.now + slow, broken, dead: false, node: null });
    return slow > 1000 ? { waitMs: slow } : broken ? 'fail' : 'next';
  }
  if (machine.broken) return 'fail';
  return machine.readyAt > world.now ? { waitMs: machine.readyAt - world.now } : 'next';
};

const imprint: Step = (world, node, { birth }) => {
  node.effect();
  const machine = world.machines.get(birth);
  if (
    machine === undefined ||
    machine.dead ||
    (world.faulty && world.chance('imprint', world.scenario.faults.failedBirth / 3))
  )
    return 'fail';
  if (machine.node === null) world.conceive(machine);
  return 'next';
};

const birth: Step = (world, node, saga) => {
  const child = childOf(world, saga);
  if (child === null) return 'fail';
  if (!announced(node, saga.birth)) {
    world.say(node, { kind: 'birth', child: birthOf(child), budget: saga.budget, why: 'sim' });
  }
  node.effect();
  if (!world.reach(node, child)) return 'fail';
  if ((world.truth.get(child.id)?.length ?? 0) === 0) {
    child.memory = freshMemory(world.now + world.scenario.genome.rhythm.refractory);
    world.say(child, { kind: 'born', birth: child.birth, parent: node.id, key: `key-${child.id}` });
  }
  world.exchange(node, child);
  return 'next';
};

const handOver: Step = (world, node, saga) => {
  const child = childOf(world, saga);
  if (child === null || !world.reach(node, child)) return 'fail';
  for (const name of saga.functions) {
    if (node.lineage.homes[name]?.includes(child.id) === true) continue;
    if (saga.mode === 'delegate') {
      node.effect();
      node.running.delete(name);
    }
    node.effect();
    child.prepared.add(name);
    child.running.add(name);
    world.say(node, { kind: 'give', function: name, to: child.id, mode: saga.mode });
  }
  world.exchange(node, child);
  return 'next';
};

const close: Step = (world, node, saga) => {
  const child = childOf(world, saga);
  if (child === null || !world.reach(node, child)) return 'fail';
  if (node.lineage.cells[child.id]?.weaned !== true) world.say(node, { kind: 'weaned', child: child.id });
  return { waitMs: 6_000 };
};

const settle: Step = () => 'next';

/** The machine goes first, so that nothing runs twice; then the functions here, then the budget. */
const takeBack: Step = (world, node, saga) => {
  const child = childOf(world, saga);
  node.effect();
  world.destroy(saga.birth);
  if (announced(node, saga.birth)) {
    if (child !== null && node.lineage.cells[child.id]?.state !== 'gone') {
      world.say(node, {
        kind: 'fence',
        child: child.id,
        entries: node.lineage.folded[child.id] ?? 0,
        why: 'taken back',
      });
    }
  } else if (isOpen(node, saga.birth)) {
    world.say(node, { kind: 'abandon', birth: saga.birth, why: 'taken back' });
  }
  return 'over';
};

function isOpen(node: SimNode, birth: BirthId): boolean {
  return node.lineage.ledger?.births[birth]?.state === 'open' && node.lineage.ledger.births[birth]?.by === node.id;
}

const enter: Step = (world, node, saga) => {
  const child = childOf(world, saga);
  if (node.lineage.cells[saga.child ?? '']?.state === 'parted') return 'next';
  return child !== null && world.reach(node, child) ? 'next' : 'fail';
};

const bring: Step = (world, node, saga) => {
  const child = childOf(world, saga);
  if (child === null) return 'fail';
  if (node.lineage.cells[child.id]?.state === 'parted') return 'next';
  if (!world.reach(node, child)) return 'fail';
  for (const name of child.lineage.cells[child.id]?.functions ?? []) {
    node.effect();
    child.running.delete(name);
    child.prepared.delete(name);
    node.effect();
    world.say(child, { kind: 'give', function: name, to: node.id, mode: 'return' });
  }
  world.exchange(node, child);
  return 'next';
};

const farewell: Step = (world, node, saga) => {
  const child = childOf(world, saga);
  if (child === null) return 'fail';
  if (node.lineage.cells[child.id]?.state === 'parted') return 'next';
  if (!world.reach(node, child)) return 'fail';
  if (child.lineage.cells[child.id]?.state !== 'parted') world.say(child, { kind: 'farewell' });
  world.exchange(node, child);
  return 'next';
};

const bury: Step = (world, node, saga) => {
  const cell = node.lineage.cells[saga.child ?? ''];
  if (cell === undefined || cell.state === 'gone') return 'next';
  node.effect();
  world.destroy(cell.birth);
  world.say(node, { kind: 'bury', child: cell.id });
  return 'next';
};

/** A look at a stem cell, now and then; it needs no child, for nobody was born there. */
const furnish: Step = (world, node, { birth }) => {
  node.effect();
  return answers(world, birth) ? { waitMs: LOOK_MS } : 'fail';
};

export function answers(world: World, birth: BirthId): boolean {
  const machine = world.machines.get(birth);
  return machine !== undefined && !machine.broken && !machine.dead;
}

const STEPS: Record<SimSaga['kind'], readonly (readonly [string, Step])[]> = {
  stem: Object.entries({ reserve, body, furnish, keep: furnish }),
  divide: Object.entries({ reserve, body, imprint, birth, handOver, close, settle }),
  absorb: Object.entries({ enter, bring, farewell, bury }),
  // Its clouds show what they made at once.
  seek: [],
};

/** Takes a saga as far as it goes now. */
export function goOn(world: World, node: SimNode, opened: SimSaga): void {
  const saga = { ...opened };
  for (;;) {
    const child = childOf(world, saga);
    const dead = child !== null && node.lineage.cells[child.id]?.state === 'gone';
    // Fenced by this cell meanwhile: nothing of the saga is left to do.
    if (dead && saga.step !== 'bury') {
      finish(world, node, saga, false);
      return;
    }
    const steps = STEPS[saga.kind];
    const index = steps.findIndex(([name]) => name === saga.step);
    const step = saga.step === 'takeBack' ? takeBack : steps[index]?.[1];
    if (step === undefined) throw new Error(`no step ${saga.step}`);
    const outcome = step(world, node, saga);
    if (outcome === 'over') {
      finish(world, node, saga, false);
      return;
    }
    if (outcome === 'fail') {
      failed(world, node, saga);
      return;
    }
    const next = steps[index + 1]?.[0];
    // A body that is slow to come is waited for at its own step; a TTL is waited for after it.
    const waits = typeof outcome === 'object';
    if (waits && (saga.step === 'body' || saga.step === 'keep')) {
      save(node, { ...saga, failures: 0, due: world.now + outcome.waitMs });
      return;
    }
    if (next === undefined) {
      finish(world, node, saga, true);
      return;
    }
    Object.assign(saga, { step: next, failures: 0, due: waits ? world.now + outcome.waitMs : 0 });
    save(node, saga);
    if (waits) return;
  }
}

function save(node: SimNode, saga: SimSaga): void {
  node.effect();
  node.journal.set(saga.id, { ...saga });
}

function finish(world: World, node: SimNode, saga: SimSaga, ok: boolean): void {
  node.effect();
  node.journal.delete(saga.id);
  if (saga.kind === 'divide' || saga.failed === true) {
    node.memory = noteBirth(node.memory, ok, world.now + node.skew, world.scenario.genome.rhythm.settle);
  }
}

function failed(world: World, node: SimNode, saga: SimSaga): void {
  saga.failures += 1;
  saga.due = world.now + RETRY_MS * 2 ** saga.failures;
  if (saga.failures >= ATTEMPTS) {
    const child = childOf(world, saga);
    const given = child !== null && Object.values(node.lineage.homes).some((homes) => homes.includes(child.id));
    if (saga.kind !== 'absorb' && !given) {
      const back = { ...saga, step: 'takeBack', due: 0, failures: 0, failed: saga.step !== 'keep' };
      save(node, back);
      goOn(world, node, back);
      return;
    }
    if (saga.kind === 'absorb') {
      // Nobody is left there to hand anything back, or the network is cut: the parent may try again, or fence.
      node.effect();
      node.journal.delete(saga.id);
      return;
    }
  }
  save(node, saga);
}

/**
 * A dead child is fenced: its machine, and every machine it had begun that no lineage here knows of, are destroyed
 * before it is said, so that nothing of it can be alive.
 */
export function fence(world: World, node: SimNode, child: CellId): void {
  const cell = node.lineage.cells[child];
  if (cell === undefined) return;
  const ended = new Set<CellId>([child]);
  for (let found = true; found; ) {
    found = false;
    for (const machine of [...world.machines.values()]) {
      if (!ended.has(machine.parent) || node.lineage.ledger?.births[machine.birth] !== undefined) continue;
      if (machine.node !== null) ended.add(machine.node.id);
      node.effect();
      world.destroy(machine.birth);
      found = true;
    }
  }
  node.effect();
  world.destroy(cell.birth);
  world.say(node, { kind: 'fence', child, entries: node.lineage.folded[child] ?? 0, why: 'silent' });
}

export function reclaim(world: World, node: SimNode, birth: BirthId): void {
  node.effect();
  world.destroy(birth);
  if (isOpen(node, birth)) world.say(node, { kind: 'abandon', birth, why: 'lost' });
}

/** The seeder makes the first cell; nothing goes wrong here, for it is the divisions that are looked at. */
export function seed(world: World): SimNode {
  const { genome, born } = world.scenario;
  const functions = Object.keys(genome.functions);
  const { seeder } = world;
  const key = `key-${SEEDER}`;
  const { maxCells } = born;
  world.say(seeder, { kind: 'genesis', organism: 'sim', genome: '', maxCells, functions, key, recipient: '' });
  const saga: SimSaga = {
    id: 'seed',
    kind: 'divide',
    step: 'reserve',
    due: 0,
    failures: 0,
    birth: world.nextBirth(),
    child: null,
    mode: 'delegate',
    functions,
    budget: maxCells - 1,
  };
  const faulty = world.faulty;
  world.faulty = false;
  goOn(world, seeder, saga);
  for (const open of seeder.journal.values()) goOn(world, seeder, open);
  world.faulty = faulty;
  const [root] = world.nodes.values();
  if (root === undefined) throw new Error('no first cell');
  world.say(seeder, { kind: 'entrust', stack: `${root.birth}.body`, to: root.id });
  world.exchange(seeder, root);
  return root;
}
