/** The beat of a cell: how it begins, and what it remembers from one to the next. */
import { join } from 'node:path';
import type { Genome } from '../genome/schema.ts';
import { freshMemory } from './decide/memory.ts';
import { readJson, writeAtomic } from './effects/files.ts';
import { install as schedule } from './effects/schedule.ts';
import type { SensorMemory } from './effects/sensors.ts';
import type { Here } from './here.ts';
import type { FunctionName, Reading, TickMemory } from './model.ts';

export interface Beat {
  readonly v: 1;
  readonly tick: TickMemory;
  readonly sensors: Readonly<Record<FunctionName, SensorMemory>>;
  /** Smoothed readings of the last tick. */
  readonly readings: Readonly<Record<FunctionName, Readonly<Record<string, Reading>>>>;
  readonly lastAt: number;
}

const fileOf = (here: Pick<Here, 'home'>) => join(here.home, 'beat.json');

/** A lost or damaged memory of the last tick costs its timers, nothing else. */
export async function beatOf(here: Pick<Here, 'home'>): Promise<Beat> {
  return readJson<Beat>(fileOf(here), { v: 1, tick: freshMemory(), sensors: {}, readings: {}, lastAt: 0 }, 'fallback');
}

export async function keepBeat(here: Pick<Here, 'home'>, beat: Beat): Promise<void> {
  await writeAtomic(fileOf(here), JSON.stringify(beat));
}

/** A newborn rests for a refractory time, then ticks by cron or timer. */
export async function begin(here: Here, genome: Genome, bornAt: number): Promise<void> {
  const beat = await beatOf(here);
  const restUntil = Math.max(beat.tick.restUntil, bornAt + genome.rhythm.refractory);
  await keepBeat(here, { ...beat, tick: { ...beat.tick, restUntil } });
  const { heartbeat: heartbeatMs, schedule: kind } = genome.body;
  await schedule({ layout: here.layout, heartbeatMs, organism: genome.organism, schedule: kind });
}
