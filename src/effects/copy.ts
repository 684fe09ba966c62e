/**
 * Data on its way between two machines, in two passes: everything while the function runs, then, with the function
 * stopped, only what differs. What differs is told by size and mtime; tar keeps mtimes to the nanosecond.
 */
import { spawn } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CellError } from '../errors.ts';
import { diffManifest, type Manifest, manifest } from './files.ts';
import type { Remote } from './ssh.ts';

export interface CopyResult {
  readonly files: number;
  readonly bytes: number;
  readonly removed: number;
}

/** A path in single quotes for the machine's shell. */
export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** GNU tar ends with 1 when a file changed while it was read: expected in the first pass, the second mends it. */
function tarFailed(code: number | null): boolean {
  return code !== 0 && code !== 1;
}

function bytesOf(files: Manifest, paths: readonly string[]): number {
  const wanted = new Set(paths);
  return files.reduce((sum, file) => sum + (wanted.has(file.path) ? file.size : 0), 0);
}

/** Sends what differs from `there` out of a folder here into a folder on the machine. */
export async function push(
  remote: Remote,
  folder: string,
  target: string,
  paths: readonly string[],
  there: Manifest,
): Promise<CopyResult> {
  const here = await manifest(folder, paths);
  const { changed, removed } = diffManifest(there, here);
  if (changed.length > 0) {
    const tar = spawn('tar', ['--format=posix', '-C', folder, '--null', '-T', '-', '-cf', '-'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    tar.stdin.end(`${changed.join('\0')}\0`);
    const ended = new Promise<number | null>((resolve) => tar.on('close', resolve));
    await remote.must(`mkdir -p ${quoted(target)} && tar -C ${quoted(target)} -xf -`, { stdin: tar.stdout });
    const code = await ended;
    if (tarFailed(code)) throw new CellError('REMOTE_FAILED', 'Data could not be read', { why: `tar ended with ${code}` });
  }
  if (removed.length > 0) {
    await remote.must(`cd ${quoted(target)} && xargs -0 rm -f --`, { stdin: `${removed.join('\0')}\0` });
  }
  return { files: changed.length, bytes: bytesOf(here, changed), removed: removed.length };
}

/** Brings what differs out of a folder on the machine (`there` is its manifest) into a folder here. */
export async function pull(
  remote: Remote,
  source: string,
  folder: string,
  paths: readonly string[],
  there: Manifest,
): Promise<CopyResult> {
  await mkdir(folder, { recursive: true });
  const here = await manifest(folder, paths);
  const { changed, removed } = diffManifest(here, there);
  if (changed.length > 0) {
    const tar = spawn('tar', ['-C', folder, '-xf', '-'], { stdio: ['pipe', 'ignore', 'ignore'] });
    const ended = new Promise<number | null>((resolve) => tar.on('close', resolve));
    const result = await remote.run(`tar --format=posix -C ${quoted(source)} --null -T - -cf -`, {
      stdin: `${changed.join('\0')}\0`,
      stdout: tar.stdin,
    });
    if (tarFailed(result.code) || (await ended) !== 0) {
      throw new CellError('REMOTE_FAILED', `Data could not be brought from ${remote.reach.address}`, {
        why: result.stderr.trim().split('\n').at(-1) ?? `tar ended with ${result.code}`,
      });
    }
  }
  for (const path of removed) await rm(join(folder, path), { force: true });
  return { files: changed.length, bytes: bytesOf(there, changed), removed: removed.length };
}
