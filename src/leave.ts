/**
 * What a tick leaves for Prometheus. Written whole, beside and renamed, but not forced to the disk: after a power cut
 * a counter begins anew, as Prometheus expects of one, and no tick waits for a disk because of it.
 */
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Genome } from '../genome/schema.ts';
import { type Counters, metrics, NO_COUNTS } from './decide/metrics.ts';
import { openMetrics } from './decide/openmetrics.ts';
import { readJson } from './effects/files.ts';
import { explain } from './errors.ts';
import { type Here, lineageOf } from './here.ts';
import type { Decision, Pulse, View } from './model.ts';
import type { TickEvent } from './outcome.ts';
import type { Sensed } from './sense.ts';
import type { LinkResult } from './sync.ts';

/** What happened in one tick. */
export interface Ticked {
  readonly pulse: Pulse | null;
  readonly decision: Decision;
  readonly sensed: Sensed;
  readonly sagas: View['sagas'];
  readonly links: readonly LinkResult[];
  readonly events: readonly TickEvent[];
  readonly tookMs: number;
}

const COUNTED: Readonly<Record<TickEvent, 'divisions' | 'failedBirths' | 'merges' | 'fences'>> = {
  division: 'divisions',
  failedBirth: 'failedBirths',
  merge: 'merges',
  fence: 'fences',
};

/** The counters after a tick; pure. */
export function counted(before: Counters, { sensed, links, events, tookMs }: Ticked): Counters {
  const restarts = { ...before.restarts };
  for (const [name, { at, restarts: seen }] of Object.entries(sensed.memory)) {
    const now = seen?.seen.filter((one) => one.at === at).reduce((sum, { count }) => sum + count, 0) ?? 0;
    restarts[name] = (restarts[name] ?? 0) + now;
  }
  const after = {
    ...before,
    ticks: before.ticks + 1,
    tickMs: before.tickMs + Math.round(tookMs),
    syncs: before.syncs + links.length,
    failedSyncs: before.failedSyncs + links.filter(({ ok }) => !ok).length,
    restarts,
  };
  for (const event of events) after[COUNTED[event]] += 1;
  return after;
}

/** Never throws: a tick that could not say what it measured has done its work all the same. */
export async function leaveMetrics(here: Here, genome: Genome, ticked: Ticked): Promise<void> {
  const { pulse } = ticked;
  try {
    const file = join(here.home, 'counters.json');
    const [before, lineage] = await Promise.all([readJson<Partial<Counters>>(file, {}, 'fallback'), lineageOf(here)]);
    const counters = counted({ ...NO_COUNTS, ...before }, ticked);
    if (pulse === null) return;
    const families = metrics({
      genome,
      lineage,
      pulse,
      memory: ticked.decision.memory,
      sagas: ticked.sagas,
      tookMs: ticked.tookMs,
      counters,
      now: here.clock(),
    });
    await Promise.all([
      replace(file, JSON.stringify(counters), 0o600),
      replace(here.layout.metricsFile, openMetrics(families), 0o644),
    ]);
  } catch (error) {
    here.log(`metrics not written: ${explain(error)}`, 'warning');
  }
}

/** The collector reads what ends in .prom at any moment; the name beside it does not. */
async function replace(path: string, text: string, mode: number): Promise<void> {
  const beside = `${path}.new`;
  try {
    await writeFile(beside, text, { mode });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
    await mkdir(dirname(path), { recursive: true });
    await chmod(dirname(path), 0o755);
    await writeFile(beside, text, { mode });
  }
  // Whatever the umask.
  await chmod(beside, mode);
  await rename(beside, path).catch(async (thrown: unknown) => {
    await rm(beside, { force: true });
    throw thrown;
  });
}
