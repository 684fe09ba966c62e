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
  readonly reasons: Decision['reasons'];
  readonly links: readonly LinkResult[];
  /** What was tried in this tick and failed, in words. */
  readonly troubles: readonly string[];
}

/** A note longer than this would leave no room for others. */
const LONG_NOTE = MAX_WHY / 2;

/**
 * What happened in a tick and why it decided what it did, on one line: what happened first, for a program that keeps
 * ending is news, whatever else is decided; then what concerns the cell; then its functions. Whole parts only, since a
 * pulse is small and half a sentence says nothing, but for one that is very long: some programs end with a page, and its
 * beginning is better than nothing.
 */
export function lineOf(notes: readonly string[], reasons: Decision['reasons']): string {
  const cellFirst = reasons.toSorted((a, b) => Number(b.subject === 'cell') - Number(a.subject === 'cell'));
  let line = '';
  for (const whole of [...notes, ...cellFirst.map(({ subject, why }) => `${subject}: ${why}`)]) {
    const part = whole.length > LONG_NOTE ? `${whole.slice(0, LONG_NOTE - 1)}…` : whole;
    const longer = line === '' ? part : `${line}; ${part}`;
    if (longer.length <= MAX_WHY) line = longer;
  }
  return line;
}

/** The newest pulse of every cell that was heard of. */
export function pulsesOf(here: Pick<Here, 'home'>): Readonly<Record<CellId, Pulse>> {
  return readPulses(here.home);
}

/** Gives what it said; null where this is no cell. */
export async function publish(
  here: Here,
  { sensed, throttles, reasons, links, troubles }: Told,
): Promise<Pulse | null> {
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
    why: lineOf([...troubles, ...sensed.notes], reasons),
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
