/** Pressure and health of every function that lives here, sensed at once and smoothed against the last tick. */
import type { Genome } from '../genome/schema.ts';
import type { Beat } from './beat.ts';
import { readingsOf, smoothing } from './decide/sense.ts';
import { type SensorMemory, sense } from './effects/sensors.ts';
import { folderOf } from './functions.ts';
import type { Here } from './here.ts';
import { unitOf } from './layout.ts';
import type { FunctionName, Lineage, Reading, View } from './model.ts';
import { hostOf, trafficOf } from './traffic.ts';

export interface Sensed {
  readonly senses: View['senses'];
  readonly readings: Readonly<Record<FunctionName, Readonly<Record<string, Reading>>>>;
  readonly memory: Readonly<Record<FunctionName, SensorMemory>>;
  /** What happened to a function that health alone does not say, in words. */
  readonly notes: readonly string[];
}

export async function senseAll(here: Here, genome: Genome, lineage: Lineage, beat: Beat): Promise<Sensed> {
  const traffic = await trafficOf(here);
  const host = hostOf(lineage, here.identity.id);
  const names = (lineage.cells[here.identity.id]?.functions ?? []).filter((name) => traffic.running.includes(name));
  const now = here.clock();
  const tau = smoothing(genome);
  const senses: Record<string, View['senses'][string]> = {};
  const readings: Record<string, Sensed['readings'][string]> = {};
  const memory: Record<string, SensorMemory> = {};
  const notes: string[] = [];
  await Promise.all(
    names.map(async (name) => {
      const gene = genome.functions[name];
      const port = traffic.ports[name];
      if (gene === undefined || port === undefined) return;
      const before = beat.sensors[name];
      const folder = folderOf(here, name);
      const where = { layout: here.layout, function: name, unit: unitOf(name), host, port, folder };
      const sensed = await sense(gene, { ...where, now, previous: before });
      const smoothed = readingsOf(gene, sensed.measures, beat.readings[name] ?? {}, now - beat.lastAt, tau);
      memory[name] = sensed.memory;
      if (sensed.restarted !== null) notes.push(`${name}: ${sensed.restarted}`);
      readings[name] = smoothed;
      senses[name] = { health: sensed.health, readings: smoothed };
    }),
  );
  return { senses, readings, memory, notes: notes.sort() };
}
