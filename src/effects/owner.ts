/**
 * Work done as whoever owns a folder. On a machine the repository belongs to the user of the door (users.ts), and the
 * tick, which is root, must not run git on what that user can configure, nor write into folders that it can turn into
 * links. For any other process, and where one user owns everything, nothing is done differently.
 */
import { spawn } from 'node:child_process';
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { CellError } from '../errors.ts';
import { ended } from './ended.ts';

/** For `spawn`: the owner of a folder when we are root and it is not root's; else nothing. */
export function ownerOf(folder: string): { readonly uid: number; readonly gid: number; readonly cwd: string } | null {
  if (process.getuid?.() !== 0) return null;
  const found = statSync(folder, { throwIfNoEntry: false });
  return found === undefined || found.uid === 0 ? null : { uid: found.uid, gid: found.gid, cwd: '/' };
}

/** Runs a program as the owner of a folder, to its end. Throws SYNC_FAILED with its last line. */
export async function runAsOwner(folder: string, program: string, args: readonly string[]): Promise<void> {
  const why = await ended(spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], ...ownerOf(folder) }));
  if (why !== null) throw new CellError('SYNC_FAILED', `${program} failed in ${folder}`, { why });
}

/**
 * The text of a plain file in a folder that another user may write: no link is followed, and nothing that is no file is
 * waited for. Throws as `readFileSync` does.
 */
export function readPlain(file: string): string {
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!fstatSync(descriptor).isFile()) throw new Error(`${file} is no plain file`);
    return readFileSync(descriptor, 'utf8');
  } finally {
    closeSync(descriptor);
  }
}
