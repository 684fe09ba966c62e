/**
 * The receiving side of a function that comes home from a child that goes. What the child has comes straight to where it
 * will run, for a second copy here would make the pause longer; where the function runs here too, to a place of its own.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Genome } from '../genome/schema.ts';
import { carryIn } from './carry.ts';
import { type Alive, aliveDuring, restore, runMove } from './dumps.ts';
import { DUMP, FROM, must, ownSide } from './effects/room.ts';
import * as functions from './functions.ts';
import { type Here, lineageOf } from './here.ts';
import { unitOf } from './layout.ts';
import type { Cell, FunctionName } from './model.ts';
import type { Recipient } from './saga.ts';
import { secure } from './security.ts';
import { expected, trafficOf } from './traffic.ts';

/** Where a replica's data waits to be merged, below the function's folder. */
const waitingRoom = (child: Pick<Cell, 'birth'>): string => join(FROM, child.birth);

export function receiver(here: Here, genome: Genome, alive: Alive): Recipient {
  return {
    async bring(name, child, remote, last) {
      const mine = await livesHere(here, name);
      // Received before, and the process died: what it has here has moved on since.
      if (!mine && (await trafficOf(here)).running.includes(name)) return { bytes: 0, ms: 0 };
      // Its source first, which may bring the data that a new one begins with.
      const known = existsSync(join(here.layout.units, unitOf(name)));
      if (!mine && !(last && known)) await functions.install(here, name);
      const below = mine ? waitingRoom(child) : '';
      if (mine) await makeRoom(here, name, child);
      return carryIn({ here, genome, name, remote, last, below, onBytes: () => alive(`takes ${name} in`) });
    },
    async expect(names, certificates) {
      await secure(here, certificates);
      await expected(here, genome, names);
    },
    async receive(name, child) {
      const mine = await livesHere(here, name);
      const work = mine ? merge(here, genome, name, child) : settle(here, genome, name);
      await aliveDuring(alive, `takes ${name} in`, work);
      if (mine) await emptyRoom(here, name, child);
    },
    async release(name) {
      if (!(await livesHere(here, name))) await functions.stop(here, name);
    },
  };
}

async function livesHere(here: Here, name: FunctionName): Promise<boolean> {
  return (await lineageOf(here)).homes[name]?.includes(here.identity.id) === true;
}

async function makeRoom(here: Here, name: FunctionName, child: Cell): Promise<void> {
  await must(ownSide(here.layout, name), 'The folder for the data could not be made', `mkdir -p ${waitingRoom(child)}`);
}

async function emptyRoom(here: Here, name: FunctionName, child: Cell): Promise<void> {
  if (!existsSync(join(functions.folderOf(here, name), waitingRoom(child)))) return;
  await must(ownSide(here.layout, name), 'What was merged could not be removed', `rm -rf ${waitingRoom(child)}`);
}

/**
 * A child that died while it was taken in: what was brought of a function that it alone had is where the function begins
 * here, which is better than nothing; what waits to be merged is half of something, and goes.
 */
export async function salvage(here: Here, child: Cell): Promise<void> {
  for (const name of child.functions) await emptyRoom(here, name, child);
}

/** It runs here too: what the child's copy gathered is merged by the function's own hook, if it has one. */
async function merge(here: Here, genome: Genome, name: FunctionName, child: Cell): Promise<void> {
  const from = join(functions.folderOf(here, name), waitingRoom(child));
  if (!existsSync(from)) return;
  await runMove(here, genome, name, 'merge', { CELL_FROM: from, CELL_DUMP: join(from, DUMP) });
}

/** Its only home was the child: it goes on here from what was brought. */
async function settle(here: Here, genome: Genome, name: FunctionName): Promise<void> {
  const { running } = await trafficOf(here);
  if (!running.includes(name)) await restore(here, genome, name);
  await functions.start(here, [name]);
}
