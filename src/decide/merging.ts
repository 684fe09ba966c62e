/** Whether a cell goes: it was ordered to, or has been calm for so long that its parent can do its work as well. */
import type { Action, Cell, CellId, FunctionName, Pulse, PulseFunction, Random, TickMemory, View } from '../model.ts';
import { silence } from './hearing.ts';
import { isBreach } from './homeostasis.ts';
import { readyStems, underWay } from './ready.ts';
import { span } from './words.ts';

export interface Merge {
  readonly action: Action | null;
  readonly why: string;
  readonly intent: TickMemory['intent'];
}

/** Of the high bound, so much may be filled by both together: a merge that leaves no room would be undone at once. */
const ROOM = 0.9;

/** A return that is followed by a division within so many times `calm` was a mistake, remembered for so many. */
const REGROWN_WITHIN = 4;
const REMEMBERED = 24;
const MOST_DOUBLINGS = 4;

/**
 * How often a function of this cell was returned only to be given away again soon. Each time doubles how long this cell
 * must be calm, as routers damp a route that flaps (RFC 2439): the load may be one that no measure shows beforehand.
 */
function flaps(view: View, now: number): number {
  const { calm } = view.genome.rhythm;
  const counts = view.self.functions.map((name) => {
    const moves = view.lineage.ledger?.moves[name] ?? [];
    const recent = moves.filter((move) => move.back && now - move.at <= REMEMBERED * calm);
    return recent.filter(({ at }) =>
      moves.some((move) => !move.back && move.at > at && move.at - at <= REGROWN_WITHIN * calm),
    ).length;
  });
  return Math.max(0, ...counts);
}

const stay = (why: string): Merge => ({ action: null, why, intent: null });

export function childrenOf(view: View, id: CellId): readonly Cell[] {
  return Object.values(view.lineage.cells).filter((cell) => cell.parent === id && cell.state !== 'gone');
}

export function merge(view: View, memory: TickMemory, now: number, random: Random): Merge {
  const ordered = view.lineage.orders[view.self.id];
  if (ordered !== undefined) return orderedAway(view, ordered.why);
  const { rhythm } = view.genome;
  const needed = rhythm.calm * 2 ** Math.min(MOST_DOUBLINGS, flaps(view, now));
  const parent = view.lineage.cells[view.self.parent];
  if (parent === undefined) return stay('not wilting: the first cell stays');
  if (memory.calmSince === null) return stay('not wilting: there is work here');
  const calm = now - memory.calmSince;
  if (calm < needed) return stay(`not wilting: calm for ${span(calm)}, waiting ${span(needed - calm)} more`);
  const obstacle = hindrance(view) ?? parentsRefusal(view, parent, memory, now);
  if (obstacle !== null) return stay(`not wilting although calm for ${span(calm)}: ${obstacle}`);
  const why = `calm for ${span(calm)}, and ${parent.name} has room`;
  const due = memory.intent?.kind === 'wilt' ? memory.intent.due : now + random() * rhythm.jitter;
  if (due > now) {
    const intent = { kind: 'wilt', function: null, due } as const;
    return { action: null, why: `wilting in ${span(due - now)}: ${why}`, intent };
  }
  return { action: { kind: 'wilt', why }, why: `wilting: ${why}`, intent: null };
}

function orderedAway(view: View, why: string): Merge {
  const obstacle = hindrance(view);
  if (obstacle !== null) return stay(`not wilting yet although ordered to (${why}): ${obstacle}`);
  return { action: { kind: 'wilt', why: `ordered: ${why}` }, why: `wilting: ordered (${why})`, intent: null };
}

/** What a cell must have ended before it may go. */
function hindrance(view: View): string | null {
  const children = childrenOf(view, view.self.id);
  if (children.length > 0) return `waiting for ${children.map((child) => child.name).join(', ')} to go first`;
  // Stem cells are released first, once nothing else hinders.
  const ready = readyStems(view).map((stem) => stem.id);
  const open = view.self.attempts.filter((birth) => !ready.includes(birth));
  if (open.length > 0) return 'an attempt to make a machine is still open';
  const [saga] = underWay(view);
  return saga === undefined ? null : `a saga is under way (${saga.kind}, at ${saga.step})`;
}

function parentsRefusal(view: View, parent: Cell, memory: TickMemory, now: number): string | null {
  if (parent.state !== 'living' && parent.state !== 'born') return `its parent ${parent.name} is ${parent.state}`;
  const pulse = view.pulses[parent.id];
  const quiet = silence(memory.heard ?? {}, parent.id, now);
  if (pulse === undefined) return `its parent ${parent.name} was never heard`;
  if (quiet >= view.genome.healing.suspectAfter) {
    return `its parent ${parent.name} was not heard for ${span(quiet)}`;
  }
  for (const [name, state] of Object.entries(pulse.functions)) {
    if (isBreach(state.level)) return `${name} on ${parent.name} is at ${state.level}`;
    if (state.throttle > 0) return `${name} on ${parent.name} is throttled`;
  }
  for (const name of view.self.functions) {
    const tight = tightMeasure(view, name, pulse);
    if (tight !== null) return tight;
  }
  return null;
}

/**
 * A measure that both together would fill. A replica's load goes to the parent's own replica; of a function that moved,
 * the parent's other functions with the same measure are taken as its neighbours, for it may be the machine they share.
 */
function tightMeasure(view: View, name: FunctionName, pulse: Pulse): string | null {
  const theirs: readonly [FunctionName, PulseFunction][] = Object.entries(pulse.functions);
  const replica = pulse.functions[name];
  const rivals = replica === undefined ? theirs : [[name, replica] as const];
  for (const [measure, reading] of Object.entries(view.senses[name]?.readings ?? {})) {
    for (const [other, state] of rivals) {
      const there = state.pressure[measure];
      if (there === undefined) continue;
      const room = ROOM * Math.min(reading.high, there.high);
      if (reading.value + there.value > room)
        return `${measure} of ${name} would not fit beside ${other} of its parent`;
    }
  }
  return null;
}
