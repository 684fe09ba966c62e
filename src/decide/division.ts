/** Whether a cell may divide a function, what the child gets, and where it is made. */
import type { FunctionGene } from '../../genome/schema.ts';
import type { Action, FunctionName, TickMemory, View } from '../model.ts';
import { shareOf } from './budget.ts';
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
  if (self.budget < 1 && stem === undefined) found.push(lasting('no budget is left'));
  const { breaker } = memory;
  if (breaker.openUntil > now) {
    const failed = breaker.failures === 1 ? 'the last birth' : `the last ${breaker.failures} births`;
    found.push(lasting(`${failed} failed, waiting ${span(breaker.openUntil - now)} more`));
  }
  const cloud = stem === undefined ? cloudFor(view) : stem.ready;
  if (typeof cloud !== 'string') found.push(cloud);
  const [saga] = underWay(view);
  if (saga !== undefined) found.push(passing(`${SAGAS[saga.kind]} is under way (at ${saga.step})`));
  if (view.senses[name]?.health === 'starting') found.push(passing('it is still starting'));
  if (memory.restUntil > now) {
    found.push({ ...passing(`resting after the last division, ${span(memory.restUntil - now)} more`), timer: true });
  }
  return found;
}

const SAGAS = { divide: 'a division', absorb: 'taking a child back in', stem: 'making a stem cell' } as const;

/** The cloud for a child: the own one where the cost cap leaves room for it, else the first that fits. */
export function cloudFor(view: View): string | Blocker {
  const { genome, self, lineage, monthlyCents } = view;
  const names = Object.keys(genome.clouds);
  const known = names.filter((name) => monthlyCents[name] !== undefined);
  if (known.length === 0) return lasting('what a cell costs is not known');
  const cells = Object.values(lineage.cells).filter((cell) => cell.state !== 'gone');
  const attempts = cells.reduce((sum, cell) => sum + cell.attempts.length, lineage.seederAttempts.length);
  const spent = cells.reduce((sum, cell) => sum + (monthlyCents[cell.cloud] ?? 0), 0);
  const cap = genome.body.maxMonthlyCost.cents;
  // What an open attempt of another cell costs is not said in the lineage: it counts as much as ours would.
  const fits = (name: string) => spent + (attempts + 1) * (monthlyCents[name] ?? 0) <= cap;
  const choice = [self.cloud, ...known].find((name) => known.includes(name) && fits(name));
  if (choice !== undefined) return choice;
  return lasting(
    `another cell would pass the monthly cost cap (${(spent / 100).toFixed(2)} of ${(cap / 100).toFixed(2)})`,
  );
}

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

/** The action, for a function that nothing forbids dividing. */
export function division(view: View, name: FunctionName, why: string): Extract<Action, { kind: 'divide' }> {
  const mode = view.genome.functions[name]?.divide === 'replicate' ? 'replicate' : 'delegate';
  const taken = mode === 'replicate' ? along(view, name) : [];
  const stem = stemFor(view);
  const cloud = stem?.ready ?? cloudFor(view);
  const budget = view.self.budget + (stem === undefined ? 0 : 1);
  return {
    kind: 'divide',
    function: name,
    mode,
    along: taken,
    cloud: typeof cloud === 'string' ? cloud : view.self.cloud,
    budget: shareOf(budget, couldDivide(view.genome.functions, [name, ...taken])),
    ...(stem === undefined ? {} : { stem: stem.id }),
    why,
  };
}
