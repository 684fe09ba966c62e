/**
 * What is done ahead for divisions to come. Stem cells: blank machines kept ready for the next division, as many as the genome says (slots.ts says whose). Made
 * when nothing else is to be done, for making one takes a machine's boot, and never under pressure; looked at now and
 * then; taken back when the genome wants fewer and before their keeper goes. And baking: a cloud keeps the artefacts.
 */
import type { Action, BirthId, OpenSaga, TickMemory, View } from '../model.ts';
import { roomIn, tooMany } from './grant.ts';
import { isBreach } from './homeostasis.ts';
import { choose } from './placement.ts';
import { isReady, readyStems, slotOf } from './ready.ts';
import { functionLevel } from './sense.ts';
import { span } from './words.ts';

export interface Keeping {
  readonly action: Action | null;
  readonly why: string | null;
}

/** What to do about stem cells when nothing else is to be done. Says nothing where there are none and shall be none. */
export function keepStems(view: View, memory: TickMemory, now: number): Keeping {
  const wanted = view.genome.body.stemCells;
  const ready = readyStems(view);
  const surplus = ready.find((stem) => (slotOf(view, stem.id) ?? wanted) >= wanted || !known(view, stem));
  if (surplus !== undefined) return release(surplus.id, `the genome asks for ${wanted} stem cells`);
  const { maxCells } = view.genome.body;
  const [over] = roomIn(view.lineage, maxCells) < 0 ? ready : [];
  if (over !== undefined) return release(over.id, tooMany(maxCells));
  const have = `${ready.length} stem cell${ready.length === 1 ? '' : 's'} ready`;
  const slot = freeSlot(view);
  const missing = slot !== undefined && slot < wanted;
  const obstacle = missing ? hindrance(view, memory, now) : null;
  if (obstacle !== null && typeof obstacle === 'object') {
    const why = `${have} of the organism's ${wanted}, and nothing presses`;
    return { action: { kind: 'stem', cloud: obstacle.cloud, why }, why: `making a stem cell: ${why}` };
  }
  const why = obstacle !== null ? `${have}, none is made: ${obstacle}` : ready.length > 0 ? have : null;
  const [first] = [...ready].sort((a, b) => a.due - b.due || (a.id < b.id ? -1 : 1));
  if (first === undefined || first.due > now) return { action: null, why };
  return { action: { kind: 'resume', saga: first.id, why: 'a look at a stem cell' }, why };
}

/** One to give up before its keeper goes, or null. */
export function releaseBefore(view: View): Keeping | null {
  const [stem] = readyStems(view);
  return stem === undefined ? null : release(stem.id, 'its keeper is about to go');
}

function release(birth: BirthId, why: string): Keeping {
  return { action: { kind: 'release', birth, why }, why: `releasing a stem cell: ${why}` };
}

function known(view: View, stem: OpenSaga): boolean {
  return isReady(stem) && Object.hasOwn(view.genome.clouds, stem.ready);
}

function freeSlot({ lineage, self }: View): number | undefined {
  const filled = self.attempts.map((birth) => lineage.ledger?.births[birth]?.slot);
  return lineage.ledger?.slots[self.id]?.find((slot) => !filled.includes(slot));
}

/** What presses, so that nothing is done ahead for times to come; null: nothing. */
function pressing({ self, senses }: View, memory: TickMemory): string | null {
  for (const name of self.functions) {
    const { health, readings = {} } = senses[name] ?? {};
    if (health === 'starting') return `${name} is still starting`;
    if (isBreach(functionLevel(Object.values(readings)))) return `${name} is under pressure`;
    if ((memory.functions[name]?.throttle ?? 0) > 0) return `${name} is throttled`;
  }
  return null;
}

/** A cloud that shall keep the artefacts for new machines: stem cells and divisions have less to send then. */
export function bake(view: View, memory: TickMemory): Keeping | null {
  const [found] = view.bakeable ?? [];
  if (found === undefined || pressing(view, memory) !== null) return null;
  const why = `${found.cloud} does not keep the artefacts of now for new machines`;
  return { action: { kind: 'bake', ...found, why }, why: `baking: ${why}` };
}

/** Why no stem cell is made now, or the cloud for it. */
function hindrance(view: View, memory: TickMemory, now: number): string | { readonly cloud: string } {
  const { self, lineage, genome } = view;
  if (self.state !== 'living') return `this cell is ${self.state}`;
  if (lineage.orders[self.id] !== undefined) return 'this cell is ordered to wilt';
  // The first cell stays when all others go; any other that is calm may be about to.
  if (lineage.cells[self.parent] !== undefined && memory.calmSince !== null) return 'this cell is calm and may go';
  if (self.budget < 1) return 'no budget is left';
  if (roomIn(lineage, genome.body.maxCells) < 1) return tooMany(genome.body.maxCells);
  const pressure = pressing(view, memory);
  if (pressure !== null) return pressure;
  if (memory.breaker.openUntil > now) return `a birth failed, waiting ${span(memory.breaker.openUntil - now)} more`;
  const choice = choose(view, memory, now);
  return 'cloud' in choice ? { cloud: choice.cloud } : choice.why;
}
