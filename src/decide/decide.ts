/**
 * What a cell does in a tick, and why it does and does not do each thing. Pure: the same view, time and randomness give
 * the same decision; the tick performs it, the simulator too.
 *
 * At most one thing that changes the organism is asked for at a time, in this order: fence a dead child, go on with what
 * was begun, take a wilting child in, clear up a lost attempt, look for what was given up, go when ordered, divide, merge
 * back, prepare for the next division.
 * Throttling goes beside any of these. Frozen, nothing is done at all.
 */
import type {
  Action,
  BirthId,
  Decision,
  FunctionMemory,
  FunctionName,
  Level,
  Random,
  TickMemory,
  View,
} from '../model.ts';
import { blockers, division } from './division.ts';
import { longestTtl } from './dns.ts';
import { heal } from './healing.ts';
import { listen } from './hearing.ts';
import { type Balance, balance, isBreach, relaxed, relief } from './homeostasis.ts';
import { CALM, recall } from './memory.ts';
import { childrenOf, merge } from './merging.ts';
import { isReady, underWay } from './ready.ts';
import { dueSeek, seekId } from './seeking.ts';
import { functionLevel } from './sense.ts';
import { bake, keepStems, releaseBefore } from './stems.ts';
import { span } from './words.ts';

/** Longer than any pause between two attempts at a step. */
const LONGEST_RETRY_MS = 600_000;

type Reason = Decision['reasons'][number];
/** A decision while it is being made. */
interface Course {
  readonly actions: Action[];
  readonly reasons: Reason[];
  memory: TickMemory;
}

export function decide(view: View, now: number, random: Random): Decision {
  const recalled = recall(view.memory, now, view.genome);
  const course: Course = {
    actions: [],
    reasons: [],
    memory: { ...recalled, heard: listen(view, recalled.heard ?? {}, now) },
  };
  const { self, lineage } = view;
  const explain = (why: string) => course.reasons.push({ subject: 'cell', why });

  if (self.state === 'gone' || self.state === 'parted') {
    explain(`nothing is decided: this cell is ${self.state}`);
    return course;
  }
  if (lineage.frozen !== null) {
    const { by, at, why } = lineage.frozen;
    const who = lineage.cells[by]?.name ?? (by === lineage.seeder.id ? 'the seeder' : by);
    explain(`nothing is decided: frozen by ${who} ${span(now - at)} ago (${why})`);
    // What was going on counts anew after the thaw.
    course.memory = { ...course.memory, calmSince: null, intent: null, functions: unhurried(course.memory.functions) };
    return course;
  }

  const wanting = homeostasis(view, course, now);
  const { breaker } = course.memory;
  if (breaker.failures > 0 && breaker.why !== undefined) {
    const wait = breaker.openUntil > now ? `, no other for ${span(breaker.openUntil - now)}` : '';
    explain(`the last birth failed (${breaker.why})${wait}`);
  }
  course.memory = rest(view, { ...course.memory, calmSince: calmSince(view, course.memory, now) }, now);
  const before = course.actions.length;
  upkeep(view, course, now);
  const busy = course.actions.length > before || underWay(view).length > 0;
  grow(view, course, wanting, busy, now, random);
  return course;
}

/** For `cell divide --now FUNCTION`: every check but pressure, timers and the random delay. */
export function decideNow(view: View, name: FunctionName, now: number): Decision {
  const memory = recall(view.memory, now, view.genome);
  const { frozen } = view.lineage;
  const found = blockers(view, name, memory, now).filter((blocker) => blocker.timer !== true);
  const obstacles = [...(frozen === null ? [] : [`frozen (${frozen.why})`]), ...found.map((blocker) => blocker.why)];
  if (obstacles.length > 0) {
    return { actions: [], reasons: [{ subject: name, why: `not dividing: ${obstacles.join('; ')}` }], memory };
  }
  const action = division(view, name, 'asked for by hand', memory, now);
  const reasons = [{ subject: name, why: `dividing (${action.mode}): asked for by hand` }];
  return { actions: [action], reasons, memory: divided(view, memory, now) };
}

function unhurried(functions: TickMemory['functions']): Record<FunctionName, FunctionMemory> {
  return Object.fromEntries(Object.entries(functions).map(([name, one]) => [name, { ...one, breachSince: null }]));
}

function divided(view: View, memory: TickMemory, now: number): TickMemory {
  return { ...memory, intent: null, restUntil: now + view.genome.rhythm.refractory };
}

/** The rest counts from the end of a division, so it is put off while one is under way. */
function rest(view: View, memory: TickMemory, now: number): TickMemory {
  if (!view.sagas.some((saga) => saga.kind === 'divide')) return memory;
  return { ...memory, restUntil: now + view.genome.rhythm.refractory };
}

/**
 * The level of a function, `none` where it has no measures. Null where it cannot be known: a measure is missing and the
 * others are no breach.
 */
function levelIn(view: View, name: FunctionName): Level | null {
  const measured = Object.keys(view.genome.functions[name]?.pressure ?? {}).length;
  const readings = Object.values(view.senses[name]?.readings ?? {});
  const level = functionLevel(readings);
  return readings.length < measured && !isBreach(level) ? null : level;
}

interface Wanting {
  readonly name: FunctionName;
  readonly level: Level | null;
  readonly since: number;
  readonly why: string;
}

/** Throttles and relieves; gives the functions for which only a division will do. */
function homeostasis(view: View, course: Course, now: number): Wanting[] {
  const { rhythm } = view.genome;
  const functions: Record<FunctionName, FunctionMemory> = {};
  const wanting: Wanting[] = [];
  for (const name of view.self.functions) {
    const gene = view.genome.functions[name];
    if (gene === undefined) continue;
    const level = levelIn(view, name);
    let found = balance({ name, gene, level }, course.memory.functions[name] ?? CALM, now, rhythm);
    if (found.wantsDivision !== null) {
      const why = found.wantsDivision;
      found = held(view, course.memory, name, found, now);
      if (found.wantsDivision !== null) {
        wanting.push({ name, level, since: found.memory.breachSince ?? found.memory.throttleSince ?? now, why });
      }
    }
    const dividing = view.sagas.some((saga) => saga.kind === 'divide') && found.memory.throttle > 0;
    functions[name] = dividing ? { ...found.memory, throttleSince: now } : found.memory;
    if (found.throttle === 0) course.actions.push({ kind: 'relax', function: name, why: found.why });
    else if (found.throttle !== null) {
      course.actions.push({ kind: 'throttle', function: name, level: found.throttle, why: found.why });
    }
    if (found.wantsDivision === null) course.reasons.push({ subject: name, why: found.why });
  }
  course.memory = { ...course.memory, functions };
  return wanting;
}

/**
 * A function is throttled for a bounded time. When that is over, the throttle is kept only for a division that is
 * coming; where none can come, it goes.
 */
function held(view: View, memory: TickMemory, name: FunctionName, found: Balance, now: number): Balance {
  const lasting = blockers(view, name, memory, now).filter((blocker) => !blocker.passes);
  if (lasting.length === 0) return found;
  const why = `not dividing: ${lasting.map((blocker) => blocker.why).join('; ')} (${found.wantsDivision})`;
  const without = { ...found, wantsDivision: null, why };
  if (found.memory.throttle === 0) return without;
  if (found.memory.breachSince !== null) return relaxed(found.memory, now, why);
  return relief(found.memory, now, view.genome.rhythm) ?? without;
}

/** Since when nothing here has had enough to do. A tick that could not sense changes nothing. */
function calmSince(view: View, memory: TickMemory, now: number): number | null {
  const names = view.self.functions;
  const measured = names.some((name) => Object.keys(view.genome.functions[name]?.pressure ?? {}).length > 0);
  // Without any measure there is no evidence of calm; without any function there is nothing but calm.
  if (names.length > 0 && !measured) return null;
  const levels = names.map((name) => levelIn(view, name));
  const throttled = names.some((name) => (memory.functions[name]?.throttle ?? 0) > 0);
  if (throttled || levels.some((level) => level !== null && level !== 'none')) return null;
  return levels.includes(null) ? memory.calmSince : (memory.calmSince ?? now);
}

/** What is owed to children, and to what was begun. */
function upkeep(view: View, course: Course, now: number): void {
  const explain = (why: string) => course.reasons.push({ subject: 'cell', why });
  const healing = heal(view, course.memory, now);
  for (const why of healing.reasons) explain(why);
  if (healing.fence !== null) {
    const { child, why } = healing.fence;
    course.actions.push({ kind: 'fence', child: child.id, why });
    return;
  }
  const [saga] = [...underWay(view)].sort((a, b) => a.due - b.due || (a.id < b.id ? -1 : 1));
  if (saga !== undefined) {
    const failed = saga.failure === undefined ? '' : `, which failed (${saga.failure})`;
    const what = `${saga.kind} at step ${saga.step}${failed}`;
    // A stem cell that is here no more is not waited for: what the journal holds of it is cleared away.
    const wait = isReady(saga) ? 0 : saga.due - now;
    // A saga waits for a TTL or a retry; longer than that, it is the clock that went back.
    if (wait > 0 && wait <= longestTtl(view.genome) + LONGEST_RETRY_MS) {
      explain(`${what} goes on in ${span(wait)}`);
      return;
    }
    course.actions.push({ kind: 'resume', saga: saga.id, why: what });
    explain(`going on: ${what}`);
    return;
  }
  const [leaving] = childrenOf(view, view.self.id)
    .filter((child) => child.state === 'wilting' || child.state === 'parted')
    .sort((a, b) => a.bornAt - b.bornAt || (a.id < b.id ? -1 : 1));
  if (leaving !== undefined) {
    const why = `${leaving.name} is ${leaving.state === 'parted' ? 'done and can be buried' : 'wilting'}`;
    course.actions.push({ kind: 'absorb', child: leaving.id, why });
    explain(`absorbing: ${why}`);
    return;
  }
  const pursued = (birth: BirthId) => view.sagas.some(({ id }) => id === birth || id === seekId(birth));
  const lost = view.self.attempts.find((birth) => !pursued(birth));
  if (lost !== undefined) {
    const why = `nothing goes on with the attempt ${lost}`;
    course.actions.push({ kind: 'reclaim', birth: lost, why });
    explain(`reclaiming: ${why}`);
    return;
  }
  seek(view, course, now);
}

/** Looks again for what was given up, and says while that is paid for. */
function seek(view: View, course: Course, now: number): void {
  const explain = (why: string) => course.reasons.push({ subject: 'cell', why });
  const due = dueSeek(view.sagas, now);
  if (due !== undefined) {
    const why = 'what was given up may have been made all the same';
    course.actions.push({ kind: 'resume', saga: due.id, why });
    explain(`looking again: ${why}`);
    return;
  }
  const failing = view.sagas.find(({ kind, failure }) => kind === 'seek' && failure !== undefined);
  if (failing !== undefined) {
    explain(`what was given up is looked for again in ${span(failing.due - now)}; it failed (${failing.failure})`);
    return;
  }
  const has = (wanted: string) => view.sagas.some(({ id }) => id === wanted);
  const held = view.self.attempts.find((birth) => has(seekId(birth)) && !has(birth));
  if (held !== undefined) explain(`the machine of ${held}, given up, may appear: it is paid for until it has not`);
}

/** Dividing and going; also says why not. */
function grow(view: View, course: Course, wanting: Wanting[], busy: boolean, now: number, random: Random): void {
  const explain = (subject: string, why: string) => course.reasons.push({ subject, why });
  if (view.self.state === 'wilting') {
    explain('cell', 'wilting: waiting for its parent to take its functions');
    course.memory = { ...course.memory, intent: null };
    return;
  }
  if (view.renewing !== undefined) {
    explain('cell', `neither dividing nor merging: ${view.renewing}`);
    course.memory = { ...course.memory, intent: null };
    return;
  }
  const ordered = view.lineage.orders[view.self.id] !== undefined;
  const chosen = wanting.length > 0 && !ordered ? choose(wanting, course.memory) : null;
  for (const other of wanting) {
    if (other.name !== chosen?.name) explain(other.name, `not dividing: one at a time (${other.why})`);
  }
  if (chosen !== null) {
    divide(view, course, chosen, busy, now, random);
    return;
  }
  const { action, why, intent } = merge(view, course.memory, now, random);
  explain('cell', why);
  course.memory = { ...course.memory, intent: busy ? null : intent };
  if (busy) return;
  // What it keeps for others to come goes before it does.
  const released = action === null ? null : releaseBefore(view);
  if (action !== null && released === null) {
    course.actions.push(action);
    return;
  }
  const stems = released ?? bake(view, course.memory) ?? keepStems(view, course.memory, now);
  if (stems.why !== null) explain('cell', stems.why);
  if (stems.action !== null) course.actions.push(stems.action);
}

/** The one that is waiting already, else the worst, else the longest in breach. */
function choose(wanting: readonly Wanting[], memory: TickMemory): Wanting {
  const rank = (one: Wanting) => (one.level === 'many' ? 0 : one.level === 'two' ? 1 : 2);
  const sorted = [...wanting].sort((a, b) => rank(a) - rank(b) || a.since - b.since || (a.name < b.name ? -1 : 1));
  const begun = memory.intent?.kind === 'divide' ? memory.intent.function : null;
  return sorted.find((one) => one.name === begun) ?? (sorted[0] as Wanting);
}

function divide(view: View, course: Course, chosen: Wanting, busy: boolean, now: number, random: Random): void {
  const explain = (why: string) => course.reasons.push({ subject: chosen.name, why });
  const { intent } = course.memory;
  const found = blockers(view, chosen.name, course.memory, now).map((blocker) => blocker.why);
  if (busy && found.length === 0) found.push('something else is done first');
  const ours = intent?.kind === 'divide' && intent.function === chosen.name ? intent : null;
  if (found.length > 0) {
    course.memory = { ...course.memory, intent: ours };
    explain(`not dividing: ${found.join('; ')} (${chosen.why})`);
    return;
  }
  const due = ours?.due ?? now + random() * view.genome.rhythm.jitter;
  if (due > now) {
    course.memory = { ...course.memory, intent: { kind: 'divide', function: chosen.name, due } };
    explain(`dividing in ${span(due - now)}: ${chosen.why}`);
    return;
  }
  const action = division(view, chosen.name, chosen.why, course.memory, now);
  course.actions.push(action);
  course.memory = divided(view, course.memory, now);
  explain(`dividing (${action.mode}): ${chosen.why}`);
}
