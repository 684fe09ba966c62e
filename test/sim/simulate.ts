/**
 * A seeded run of a whole organism in virtual time: the real decisions over simulated machines and a bad network.
 *
 *   1 moving   the load rises, swings and falls; births fail, ticks crash, sessions get lost, cells die
 *   2 steady   the load stays and nothing fails: an organism in balance stops changing
 *   3 quiet    no load at all: it goes back to one cell and leaves nothing behind
 */
import type { Feeds } from '../../src/decide/lineage.ts';
import { pick } from './random.ts';
import { seed } from './sagas.ts';
import { type Scenario, START } from './scenario.ts';
import { beat } from './tick.ts';
import { SEEDER, Violation, World } from './world.ts';

const MINUTE = 60_000;
/** How long nothing may change at the end of a part. */
const STILL = 25 * MINUTE;

export interface Outcome {
  readonly cells: number;
  readonly most: number;
  readonly counts: Readonly<Record<string, number>>;
  /** Events of virtual time. */
  readonly events: number;
  /** All that was ever said. */
  readonly feeds: Feeds;
}

/** Runs a scenario; throws a Violation with the last of what happened. */
export function simulate(scenario: Scenario): Outcome {
  const world = new World(scenario);
  try {
    return run(world);
  } catch (error) {
    const last = world.log.slice(-25).join('\n');
    throw new Violation(`seed ${scenario.seed}: ${error instanceof Error ? error.message : String(error)}\n${last}`, {
      cause: error,
    });
  }
}

function run(world: World): Outcome {
  const { scenario } = world;
  const root = seed(world);
  beat(world, root);
  plan(world, root.id);
  let events = 0;
  let most = 1;
  const until = (elapsed: number, stop: () => boolean = () => false) => {
    while (!stop() && world.queue.step(START + elapsed)) {
      events += 1;
      most = Math.max(most, world.machines.size);
      const { born, genome } = scenario;
      const limit = world.now - START < born.until ? born.maxCells : genome.body.maxCells;
      if (world.machines.size > limit) throw new Violation('more machines than maxCells');
    }
  };

  until(scenario.moving);
  world.faulty = false;
  world.cutOff.clear();
  until(scenario.steady - STILL);
  const before = world.lastChange;
  until(scenario.steady);
  if (world.lastChange > before && !hopeless(world)) throw new Violation('it goes on changing under a steady load');

  until(scenario.quiet, () => alone(world) && world.now - world.lastChange > STILL);
  if (!alone(world)) throw new Violation(`it did not go back to one cell: ${describe(world)}`);
  if (world.now - world.lastChange <= STILL) throw new Violation('it goes on changing without any load');
  ended(world, root.id);
  return {
    cells: world.machines.size - world.stems(world.lineage),
    most,
    counts: world.counts,
    events,
    feeds: Object.fromEntries(world.truth),
  };
}

/** One cell, with the stem cells it is to keep, and no machine besides. */
function alone(world: World): boolean {
  const { maxCells, stemCells } = world.scenario.genome.body;
  const stems = Math.min(stemCells, maxCells - 1);
  return (
    world.stems(world.lineage) === stems &&
    world.machines.size === 1 + stems &&
    Object.values(world.lineage.cells).filter((cell) => cell.state !== 'gone').length === 1
  );
}

/** Some load cannot be brought into its bounds, with the budget there is: then it keeps trying. */
function hopeless(world: World): boolean {
  return [...world.nodes.values()].some((node) => {
    const functions = Object.values(node.pulses.get(node.id)?.functions ?? {});
    return (
      node.alive && functions.some((state) => state.level === 'two' || state.level === 'many' || state.throttle > 0)
    );
  });
}

function ended(world: World, root: string): void {
  const { genome } = world.scenario;
  const cell = world.lineage.cells[root];
  const { maxCells, stemCells } = genome.body;
  const stems = Math.min(stemCells, maxCells - 1);
  if (world.stems(world.lineage) !== stems)
    throw new Violation(`the last cell keeps ${cell?.attempts.length} stem cells`);
  if (cell?.budget !== maxCells - 1 - stems) throw new Violation(`the last cell has a budget of ${cell?.budget}`);
  for (const name of Object.keys(genome.functions)) {
    if (!cell.functions.includes(name)) throw new Violation(`${name} is not on the last cell`);
    if (world.running(name).length !== 1) throw new Violation(`${name} does not run on the last cell`);
  }
}

/** Deaths, cuts and freezes, at times of their own. */
function plan(world: World, root: string): void {
  const { faults, moving } = world.scenario;
  const random = world.stream('plan');
  const sometime = (run: () => void) =>
    world.queue.after(random() * moving * 0.8 + moving * 0.1, () => world.faulty && run());
  for (let count = 0; count < faults.deaths; count += 1) sometime(() => die(world, root));
  for (let count = 0; count < faults.cuts; count += 1) sometime(() => cut(world));
  for (let count = 0; count < faults.deaths; count += 1) sometime(() => powerOffStem(world));
  for (let count = 0; count < faults.freezes; count += 1) sometime(() => freeze(world));
}

/** One at a time: whoever sees many silent at once takes itself for cut off, and rightly does nothing. */
function die(world: World, root: string): void {
  const cells = Object.values(world.lineage.cells).filter((cell) => cell.state !== 'gone' && cell.state !== 'parted');
  const mourned = cells.every((cell) => world.nodes.get(cell.id)?.alive === true);
  const victim = pick(
    world.stream('deaths'),
    cells.filter((cell) => cell.id !== root),
  );
  if (!mourned || victim === undefined) return;
  world.note(`${victim.id} dies`);
  const node = world.nodes.get(victim.id);
  if (node !== undefined) world.kill(node);
}

function powerOffStem(world: World): void {
  const stems = [...world.machines.values()].filter(({ node, readyAt }) => node === null && readyAt <= world.now);
  const victim = pick(world.stream('stems'), stems);
  if (victim === undefined) return;
  world.note(`the stem cell ${victim.birth} dies`);
  victim.dead = true;
}

function cut(world: World): void {
  const random = world.stream('cuts');
  for (const id of world.nodes.keys()) if (random() < 0.5) world.cutOff.add(id);
  world.note(`the network is cut: ${[...world.cutOff].join(', ')}`);
  world.queue.after(random() * 12 * MINUTE, () => world.cutOff.clear());
}

function freeze(world: World): void {
  world.say(world.seeder, { kind: 'freeze', why: 'sim' });
  world.queue.after(8 * MINUTE, () => world.say(world.seeder, { kind: 'thaw', why: 'sim' }));
}

function describe(world: World): string {
  const cells = Object.values(world.lineage.cells).filter((cell) => cell.state !== 'gone');
  const lines = cells.map((cell) => {
    const node = world.nodes.get(cell.id);
    const parent = cell.parent === SEEDER ? SEEDER : cell.parent;
    const sagas = [...(node?.journal.values() ?? [])].map((saga) => `${saga.kind}@${saga.step}`);
    return `${cell.id} of ${parent} ${cell.state}${node?.alive === true ? '' : ' dead'} ${cell.functions.join(',')} ${sagas.join(' ')}`;
  });
  return `${lines.join('; ')}; machines ${[...world.machines.keys()].join(', ')}`;
}
