/** How the data of a database is carried from one cell to another: as its files, or as a dump by its own hooks. */
import { cp, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kind } from './servers.ts';
import type { Program, Stage } from './stage.ts';
import { giveTo } from './unprivileged.ts';

const HOOK = 'lib/handover.postgres.js';

/** Ends a database; gives the folder that its parent would get of it. */
export async function takeAway(stage: Stage, { suffix }: Kind, program: Program): Promise<string> {
  const folder = await mkdtemp(join(stage.root, 'carried-'));
  giveTo(program.user, folder);
  // A dump is made while the program runs, and its files are taken when it does not.
  if (suffix !== '') await stage.hook(program, [HOOK, 'dump'], { CELL_DUMP: folder });
  await stage.remove(program);
  if (suffix === '') await cp(join(program.folder, 'data'), join(folder, 'data'), { recursive: true });
  return folder;
}

/** Puts it in the place of what a database had that has ended. */
export async function putInPlace(stage: Stage, { suffix }: Kind, folder: string, ended: Program): Promise<void> {
  if (suffix !== '') await stage.hook(ended, [HOOK, 'restore'], { CELL_DUMP: folder });
  else await cp(join(folder, 'data'), join(ended.folder, 'data'), { recursive: true });
}
