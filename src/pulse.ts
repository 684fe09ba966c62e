/** A cell's pulse: what it says of itself at the end of each tick. */
import type { Genome } from '../genome/schema.ts';
import { functionLevel } from './decide/sense.ts';
import { genomeOf, type Here, lineageOf } from './here.ts';
import { keepDigest } from './memory/greeting.ts';
import { MAX_WHY } from './memory/limits.ts';
import { publishPulse, readPulses } from './memory/pulses.ts';
import type { CellId, Decision, Pulse, PulseFunction, TickMemory } from './model.ts';
import type { Sensed } from './sense.ts';
import type { LinkResult } from './sync.ts';

export interface Told {
  readonly sensed: Sensed;
  readonly throttles: TickMemory['functions'];
  readonly why: string;
  readonly links: readonly LinkResult[];
  /** What was tried in this tick and failed, in words. */
  readonly troubles: readonly string[];
}

/** The reasons of a decision as one line. */
export function reasonsOf(decision: Decision): string {
  // Whole reasons only: a pulse is small, and half a sentence says nothing.
  let line = '';
  const cellFirst = decision.reasons.toSorted((a, b) => Number(b.subject === 'cell') - Number(a.subject === 'cell'));
  for (const { subject, why } of cellFirst) {
    const longer = `${line === '' ? '' : `${line}; `}${subject}: ${why}`;
    if (longer.length > MAX_WHY) break;
    line = longer;
  }
  return line;
}

/** What happened first: a program that keeps ending is news, whatever else is decided. Whole notes only, as above. */
function withNotes(notes: readonly string[], why: string): string {
  let line = why;
  for (const note of notes.toReversed()) {
    const longer = line === '' ? note : `${note}; ${line}`;
    if (longer.length <= MAX_WHY) line = longer;
  }
  return line;
}

/** The newest pulse of every cell that was heard of. */
export function pulsesOf(here: Pick<Here, 'home'>): Readonly<Record<CellId, Pulse>> {
  return readPulses(here.home);
}

/** Gives what it said; null where this is no cell. */
export async function publish(here: Here, { sensed, throttles, why, links, troubles }: Told): Promise<Pulse | null> {
  const [lineage, genome] = await Promise.all([lineageOf(here), genomeOf(here)]);
  const self = lineage.cells[here.identity.id];
  if (self === undefined) return null;
  const functions: Record<string, PulseFunction> = {};
  for (const name of self.functions) functions[name] = told(name, genome, sensed, throttles);
  const pulse = publishPulse(here.home, here.memory.organism, here.identity, {
    at: here.clock(),
    functions,
    budget: self.budget,
    links: links.filter((link) => link.ok).map((link) => link.cell),
    entries: lineage.folded[self.id] ?? 0,
    frozen: lineage.frozen !== null,
    why: withNotes([...troubles, ...sensed.notes], why),
  });
  keepDigest(here.memory);
  return pulse;
}

/** Between the steps of something long: still alive, and doing what. Keeps what was last sensed. */
export function repeat(here: Here, why: string): void {
  const last = readPulses(here.home)[here.identity.id];
  if (last === undefined) return;
  const { functions, budget, links, entries, frozen } = last;
  const told = { at: here.clock(), functions, budget, links, entries, frozen, why };
  publishPulse(here.home, here.memory.organism, here.identity, told);
  keepDigest(here.memory);
}

function told(name: string, genome: Genome, { senses }: Sensed, throttles: Told['throttles']): PulseFunction {
  const sense = senses[name];
  return {
    health: sense?.health ?? 'unknown',
    level: functionLevel(Object.values(sense?.readings ?? {})),
    pressure: sense?.readings ?? {},
    throttle: Math.round(throttles[name]?.throttle ?? 0),
    port: genome.functions[name]?.port ?? null,
  };
}
