/**
 * What cannot be copied as files, such as a database's, by the function's own hooks. In a move:
 *
 *   1  requests wait at the old home, those under way are answered        (functions.hold)
 *   2  `handover.dump` writes to $CELL_DUMP, while the program still runs  (dump)
 *   3  the program stops; data and dump are copied                         (carry.ts)
 *   4  `handover.restore` reads $CELL_DUMP at the new home                 (restore)
 *   5  the program starts there
 *
 * A dump is whole or not there, and as old as the moment its program stopped: whatever starts the program forgets it.
 * Killed after 3, the next tick finds the program stopped and the dump made, and goes on. Either hook may run again for
 * one move, so `restore` has to replace what it finds.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Genome } from '../genome/schema.ts';
import { type HookName, runHook } from './effects/hooks.ts';
import { DUMP, must, ownSide, WRITING } from './effects/room.ts';
import { services } from './effects/services.ts';
import { CellError } from './errors.ts';
import { becomesHealthy, folderOf, geneOf, hold } from './functions.ts';
import type { Here } from './here.ts';
import { ALIVE_EVERY_MS } from './limits.ts';
import type { FunctionName } from './model.ts';

/** Told while something long is done that says nothing by itself. */
export type Alive = (what: string) => void;

/** Does it, and says every now and then that it goes on. */
export async function aliveDuring<T>(alive: Alive | undefined, what: string, work: Promise<T>): Promise<T> {
  const over = new AbortController();
  const done = work.finally(() => over.abort());
  // A lease that was lost ends the waiting at once, and the work's own failure is not lost on the way.
  const beat = async () => {
    for (;;) {
      await sleep(ALIVE_EVERY_MS, undefined, { signal: over.signal }).catch(() => {});
      if (over.signal.aborted) return done;
      alive?.(what);
    }
  };
  return Promise.race([done, beat()]);
}

/** Runs a hook of a move; what it said last is why it failed. */
export async function runMove(
  here: Pick<Here, 'layout'>,
  genome: Genome,
  name: FunctionName,
  hook: HookName & ('dump' | 'restore' | 'merge'),
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const { handover } = geneOf(genome, name);
  const run = handover[hook];
  if (run === undefined) return;
  const result = await runHook({ layout: here.layout, function: name, hook, run, env, timeoutMs: handover.within });
  if (!result.ok) throw new CellError('REMOTE_FAILED', `${name} could not be moved`, { why: result.why });
}

/** Requests wait, the dump is made, the program stops. True when requests waited before: somebody did not come to an end. */
export function holdWithDump(here: Here, genome: Genome, name: FunctionName, alive?: Alive): Promise<boolean> {
  return hold(here, name, () => aliveDuring(alive, `dumps ${name}`, dump(here, genome, name)));
}

/** Writes a new dump, unless the program has not run since the last one. Throws REMOTE_FAILED with the hook's words. */
export async function dump(here: Here, genome: Genome, name: FunctionName): Promise<void> {
  const gene = geneOf(genome, name);
  if (gene.handover.dump === undefined) return;
  const folder = folderOf(here, name);
  if (!(await services.isActive(name))) {
    if (existsSync(join(folder, DUMP))) return;
    await services.start(name);
  }
  // It may have been started just now, or again after a crash.
  await becomesHealthy(here, name, gene);
  const side = ownSide(here.layout, name);
  const fresh = `umask 077; rm -rf ${DUMP} ${WRITING} && mkdir -p ${WRITING}`;
  await must(side, 'The folder for the dump could not be made', fresh);
  await runMove(here, genome, name, 'dump', { CELL_DUMP: join(folder, WRITING) });
  // On the disk before it has its name: after a power cut there is a whole one or none.
  await must(side, 'The dump could not be kept', `sync -f ${WRITING} 2>/dev/null || sync; mv ${WRITING} ${DUMP}`);
}

/** What came along is put where the program finds it; the program does not run. */
export async function restore(here: Here, genome: Genome, name: FunctionName): Promise<void> {
  const { handover } = geneOf(genome, name);
  const at = join(folderOf(here, name), DUMP);
  if (handover.dump === undefined || handover.restore === undefined || !existsSync(at)) return;
  await hold(here, name);
  await runMove(here, genome, name, 'restore', { CELL_DUMP: at });
}
