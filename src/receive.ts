/** The receiving side of a function that comes home from a child that goes. */
import { existsSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Genome } from '../genome/schema.ts';
import { pull } from './effects/copy.ts';
import { runHook } from './effects/hooks.ts';
import { CellError } from './errors.ts';
import * as functions from './functions.ts';
import { hand } from './hand.ts';
import { type Here, lineageOf } from './here.ts';
import type { Cell, FunctionName } from './model.ts';
import type { Recipient } from './saga.ts';
import { trafficOf } from './traffic.ts';

/** Where a child's data waits until its function has stopped there. */
const roomsOf = (here: Here, child: Cell) => join(here.home, 'incoming', child.birth);
const waitingRoom = (here: Here, child: Cell, name: FunctionName) => join(roomsOf(here, child), name);

export function receiver(here: Here, genome: Genome): Recipient {
  return {
    async bring(name, child, remote) {
      const { folder, files } = await hand(remote, 'data', { function: name });
      const paths = functions.geneOf(genome, name).data;
      return (await pull(remote, folder, waitingRoom(here, child, name), paths, files)).bytes;
    },
    async receive(name, child) {
      const homes = (await lineageOf(here)).homes[name] ?? [];
      const mine = homes.includes(here.identity.id);
      if (mine) await merge(here, genome, name, child);
      else await settle(here, name, child);
      await rm(waitingRoom(here, child, name), { recursive: true, force: true });
    },
    async release(name) {
      const homes = (await lineageOf(here)).homes[name] ?? [];
      if (!homes.includes(here.identity.id)) await functions.stop(here, name);
    },
  };
}

/** What was brought of a child's data before it died is better than nothing: its functions begin with that here. */
export async function salvage(here: Here, child: Cell): Promise<void> {
  const { running } = await trafficOf(here);
  const { homes } = await lineageOf(here);
  for (const name of child.functions) {
    const from = waitingRoom(here, child, name);
    const lost = homes[name]?.length === 1 && !running.includes(name);
    if (!lost || !existsSync(from)) continue;
    await functions.install(here, name);
    await cp(from, functions.folderOf(here, name), { recursive: true, preserveTimestamps: true });
  }
  await rm(roomsOf(here, child), { recursive: true, force: true });
}

/** It runs here too: what the child's copy gathered is merged by the function's own hook, if it has one. */
async function merge(here: Here, genome: Genome, name: FunctionName, child: Cell): Promise<void> {
  const command = functions.geneOf(genome, name).handover.merge;
  const from = waitingRoom(here, child, name);
  if (command === undefined || !existsSync(from)) return;
  const result = await runHook({
    layout: here.layout,
    function: name,
    hook: 'merge',
    run: command,
    env: { CELL_FROM: from },
  });
  if (!result.ok) {
    throw new CellError('REMOTE_FAILED', `Data of ${name} from ${child.name} could not be merged`, { why: result.why });
  }
}

/** Its only home was the child: it goes on here from what was brought. */
async function settle(here: Here, name: FunctionName, child: Cell): Promise<void> {
  // Brought and started before the process was killed: starting again is enough, its data has moved on since.
  const { running } = await trafficOf(here);
  if (!running.includes(name)) {
    await functions.install(here, name);
    const from = waitingRoom(here, child, name);
    if (existsSync(from)) await cp(from, functions.folderOf(here, name), { recursive: true, preserveTimestamps: true });
  }
  await functions.start(here, [name]);
}
