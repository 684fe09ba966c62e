/**
 * What a move of data needs in a function's own folder while it lasts: closed to all but the function, on the same disk,
 * and gone with the folder. None of it is the function's data.
 *
 *   .handover/dump      what `handover.dump` wrote, whole, since the program last ran
 *   .handover/writing   what it writes now
 *   .handover/copy      where files arrive, and since when what is here is a copy
 *   .handover/from/B    the data of the replica born as B, which came home to be merged
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CellError } from '../errors.ts';
import type { Layout } from '../layout.ts';
import type { FunctionName } from '../model.ts';
import { folderOf } from './services.ts';
import { lastLine, type Side, sideHere } from './side.ts';
import { asFunction } from './users.ts';

export const DUMP = '.handover/dump';
export const WRITING = '.handover/writing';
export const COPY = '.handover/copy';
export const FROM = '.handover/from';

/** A function's folder on this machine, or one below it, entered as its user. */
export function ownSide(layout: Layout, name: FunctionName, below = ''): Side {
  return sideHere(join(folderOf(layout, name), below), asFunction(layout, name));
}

/** Runs a line in a folder and gives what it said. Throws REMOTE_FAILED when it fails. */
export async function must(side: Side, what: string, line: string): Promise<string> {
  const said = await side.sh(line);
  if (said.code === 0) return said.stdout;
  throw new CellError('REMOTE_FAILED', what, { why: lastLine(said), fields: { folder: side.folder } });
}

/** A dump is as old as the moment the program stopped: before it runs again, what was dumped and copied is forgotten. */
export async function forgetMove(side: Side): Promise<void> {
  if (![DUMP, WRITING, COPY].some((path) => existsSync(join(side.folder, path)))) return;
  await must(side, 'What is left of a move could not be removed', `rm -rf ${DUMP} ${WRITING} ${COPY}`);
}
