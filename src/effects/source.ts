/**
 * A function's source, from the genome's folder into the function's own. Written as the function's user: it may have put
 * links in its folder, and root must not be led by them. What is there besides the source is left alone.
 */
import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { CellError } from '../errors.ts';
import type { Layout } from '../layout.ts';
import type { FunctionName } from '../model.ts';
import { ended } from './ended.ts';
import { folderOf } from './services.ts';
import { asFunction } from './users.ts';

/** Copies what is in `from`, with modes and times. Throws REMOTE_FAILED when it cannot be read or written. */
export async function placeSource(
  layout: Pick<Layout, 'functions' | 'system'>,
  functionName: FunctionName,
  from: string,
): Promise<void> {
  const folder = folderOf(layout, functionName);
  // By name and not as `.`, which would give the folder the mode of the source's.
  const names = (await readdir(from)).sort();
  if (names.length === 0) return;
  const env = { ...process.env, LC_ALL: 'C' };
  const [program = '', ...words] = [...asFunction(layout, functionName), 'tar', '-C', folder, '-xpf', '-'];
  const write = spawn(program, words, { env, cwd: '/', stdio: ['pipe', 'ignore', 'pipe'] });
  const read = spawn('tar', ['-C', from, '-cf', '-', '--', ...names], {
    env,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // One that ends early says why by its exit code.
  write.stdin.on('error', () => {});
  read.stdout.pipe(write.stdin);
  const why = (await Promise.all([ended(read), ended(write)])).find((said) => said !== null);
  if (why !== undefined) {
    throw new CellError('REMOTE_FAILED', `The source of ${functionName} could not be put in its place`, {
      why,
      fields: { from, folder },
    });
  }
}
