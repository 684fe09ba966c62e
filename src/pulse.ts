/** A cell's pulse: what it says of itself at the end of each tick. */
import type { Genome } from '../genome/schema.ts';
import { functionLevel } from './decide/sense.ts';
import { publishPulse, readPulses } from './memory/pulses.ts';
import { genomeOf, type Here, lineageOf } from './here.ts';
import type { CellId, Decision, Pulse, PulseFunction } from './model.ts';
import type { Sensed } from './sense.ts';
import type { LinkResult } from './sync.ts';

export interface Told {
  readonly sensed: Sensed;
  readonly decision: Decision;
  readonly links: readonly LinkResult[];
}

/** The newest pulse of every cell that was heard of. */
export function pulsesOf(here: Pick<Here, 'home'>): Readonly<Record<CellId, Pulse>> {
  return readPulses(here.home);
}

export async function publish(here: Here, { sensed, decision, links }: Told): Promise<void> {
  const [lineage, genome] = await Promise.all([lineageOf(here), genomeOf(here)]);
  const self = lineage.cells[here.identity.id];
  if (self === undefined) return;
  const functions: Record<string, PulseFunction> = {};
  for (const name of self.functions) functions[name] = told(name, genome, sensed, decision);
  publishPulse(here.home, here.memory.organism, here.identity, {
    at: here.clock(),
    functions,
    budget: self.budget,
    links: links.filter((link) => link.ok).map((link) => link.cell),
    entries: lineage.folded[self.id] ?? 0,
    frozen: lineage.frozen !== null,
    why: decision.reasons.map(({ subject, why }) => `${subject}: ${why}`).join('; ').slice(0, 500),
  });
}

/** Between the steps of something long: still alive, and doing what. Keeps what was last sensed. */
export function repeat(here: Here, why: string): void {
  const last = readPulses(here.home)[here.identity.id];
  if (last === undefined) return;
  const { functions, budget, links, entries, frozen } = last;
  const told = { at: here.clock(), functions, budget, links, entries, frozen, why };
  publishPulse(here.home, here.memory.organism, here.identity, told);
}

function told(name: string, genome: Genome, { senses }: Sensed, decision: Decision): PulseFunction {
  const sense = senses[name];
  return {
    health: sense?.health ?? 'unknown',
    level: functionLevel(Object.values(sense?.readings ?? {})),
    pressure: sense?.readings ?? {},
    throttle: Math.round(decision.memory.functions[name]?.throttle ?? 0),
    port: genome.functions[name]?.port ?? null,
  };
}
