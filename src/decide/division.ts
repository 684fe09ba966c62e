/** Whether a cell may divide a function, what the child gets, and where it is made. */
import type { FunctionGene } from '../../genome/schema.ts';
import type { Action, FunctionName, TickMemory, View } from '../model.ts';
import { shareOf } from './budget.ts';
import { roomIn, tooMany } from './grant.ts';
import { choose } from './placement.ts';
import { stemFor, underWay } from './ready.ts';
import { span } from './words.ts';

/** What forbids a division. One that passes by itself is worth keeping a throttle for. */
export interface Blocker {
  readonly why: string;
  readonly passes: boolean;
  /** A timer, which a person who says `--now` does not wait for. */
  readonly timer?: true;
}

const lasting = (why: string): Blocker => ({ why, passes: false });
const passing = (why: string): Blocker => ({ why, passes: true });

/** Everything that forbids dividing a function now; none: it may be divided. */
export function blockers(view: View, name: FunctionName, memory: TickMemory, now: number): readonly Blocker[] {
  const { genome, self, lineage } = view;
  const gene = genome.functions[name];
  if (gene === undefined || !self.functions.includes(name)) return [lasting(`${name} is not performed here`)];
  const found: Blocker[] = [];
  if (gene.divide === 'never') found.push(lasting('its genome says divide: never'));
  if (gene.divide === 'delegate' && self.functions.length < 2) {
    found.push(lasting('it is the only function here, so moving it away would relieve nothing'));
  }
  if (self.state !== 'living' && self.state !== 'born') found.push(lasting(`this cell is ${self.state}`));
  if (lineage.orders[self.id] !== undefined) found.push(lasting('this cell is ordered to wilt'));
  // A stem cell is paid for.
  const stem = stemFor(view);
  const { maxCells } = genome.body;
  if (self.budget < 1 && stem === undefined) found.push(lasting('no budget is left'));
  // The budget bounds by itself; this holds where a genome allows less than there is budget for.
  else if (roomIn(lineage, maxCells) < (stem === undefined ? 1 : 0)) found.push(lasting(tooMany(maxCells)));
  const { breaker } = memory;
  if (breaker.openUntil > now) {
    const failed = breaker.failures === 1 ? 'the last birth' : `the last ${breaker.failures} births`;
    found.push(lasting(`${failed} failed, waiting ${span(breaker.openUntil - now)} more`));
  }
  const choice = stem === undefined ? choose(view, memory, now) : null;
  if (choice !== null && 'why' in choice) found.push(lasting(choice.why));
  const [saga] = underWay(view);
  if (saga !== undefined) found.push(passing(`${SAGAS[saga.kind]} is under way (at ${saga.step})`));
  if (view.senses[name]?.health === 'starting') found.push(passing('it is still starting'));
  if (memory.restUntil > now) {
    found.push({ ...passing(`resting after the last division, ${span(memory.restUntil - now)} more`), timer: true });
  }
  return found;
}

const SAGAS = {
  divide: 'a division',
  absorb: 'taking a child back in',
  stem: 'making a stem cell',
  seek: 'looking for what was given up',
} as const;

/** Functions that a replica takes along: what it needs of its own, and what those need, as far as they are here. */
function along(view: View, name: FunctionName): readonly FunctionName[] {
  const found = new Set<FunctionName>([name]);
  const queue = [name];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    for (const [needed, whose] of Object.entries(view.genome.functions[next]?.needs ?? {})) {
      if (whose !== 'own' || found.has(needed) || !view.self.functions.includes(needed)) continue;
      found.add(needed);
      queue.push(needed);
    }
  }
  found.delete(name);
  return [...found].sort();
}

/** Whether a cell with just these functions could ever divide one of them. */
function couldDivide(genes: Readonly<Record<FunctionName, FunctionGene>>, names: readonly FunctionName[]): boolean {
  return names.some((name) => {
    const mode = genes[name]?.divide ?? 'never';
    return mode === 'replicate' || (mode === 'delegate' && names.length > 1);
  });
}

/** The action, for a function that nothing forbids dividing. What another cloud refused is said with why. */
export function division(
  view: View,
  name: FunctionName,
  why: string,
  memory: TickMemory,
  now: number,
): Extract<Action, { kind: 'divide' }> {
  const mode = view.genome.functions[name]?.divide === 'replicate' ? 'replicate' : 'delegate';
  const taken = mode === 'replicate' ? along(view, name) : [];
  const stem = stemFor(view);
  const choice = stem === undefined ? choose(view, memory, now) : { cloud: stem.ready, passed: null };
  const { cloud, passed } = 'cloud' in choice ? choice : { cloud: view.self.cloud, passed: null };
  const budget = view.self.budget + (stem === undefined ? 0 : 1);
  return {
    kind: 'divide',
    function: name,
    mode,
    along: taken,
    cloud,
    budget: shareOf(budget, couldDivide(view.genome.functions, [name, ...taken])),
    ...(stem === undefined ? {} : { stem: stem.id }),
    why: passed === null ? why : `${why}; in ${cloud}, for ${passed}`,
  };
}
