/**
 * The system's git on one bare repository, with nothing of the user's or the machine's configuration in it: no hooks,
 * no replace objects, no prompts, no translations, no automatic gc. It runs as whoever owns the repository.
 */
import type { ChildProcessByStdio } from 'node:child_process';
import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { CellError } from '../errors.ts';
import { ownerOf } from './owner.ts';

export type GitProcess = ChildProcessByStdio<Writable, Readable, Readable>;

export interface GitOptions {
  readonly input?: string | Uint8Array;
  /** More variables, such as GIT_OBJECT_DIRECTORY. */
  readonly env?: Readonly<Record<string, string>>;
  /** ms; default 60 s, for nothing here should take that long. */
  readonly timeoutMs?: number;
  /** Bytes of output; more is an error. */
  readonly maxOutput?: number;
}

const CONFIG = [
  'core.hooksPath=/dev/null',
  'gc.auto=0',
  'core.fsync=committed,loose-object,reference',
  'core.bigFileThreshold=8m',
];

/** Starts git on a repository; the caller reads, writes and ends it. */
export function spawnGit(dir: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): GitProcess {
  const config = CONFIG.flatMap((setting) => ['-c', setting]);
  return spawn('git', [...config, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...ownerOf(dir),
    env: {
      PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
      GIT_DIR: dir,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_NO_REPLACE_OBJECTS: '1',
      GIT_TERMINAL_PROMPT: '0',
      LC_ALL: 'C',
      ...env,
    },
  });
}

/** Runs git to its end and gives its output. Throws SYNC_FAILED with git's last line, or TIMEOUT. */
export async function git(dir: string, args: readonly string[], options: GitOptions = {}): Promise<Buffer> {
  const child = spawnGit(dir, args, options.env);
  child.stdin.end(options.input ?? '');
  const chunks: Buffer[] = [];
  let size = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > (options.maxOutput ?? 64 << 20)) child.kill('SIGKILL');
    else chunks.push(chunk);
  });
  await ended(child, args, options.timeoutMs);
  return Buffer.concat(chunks);
}

/** Waits for a git process. Throws like `git`. Its standard output must be read by somebody. */
export function ended(child: GitProcess, args: readonly string[], timeoutMs = 60_000): Promise<void> {
  const what = `git ${args[0] ?? ''}`;
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('utf8')).slice(-4000);
  });
  child.stdin.on('error', () => undefined); // a git that ended early says why by its exit code
  return new Promise((resolve, reject) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
      child.stdout.destroy(); // a process that git started may hold it open
      child.stderr.destroy();
    }, timeoutMs);
    child.on('error', (cause) => {
      clearTimeout(timer);
      const suggestion = 'Install git, version 2.39 or later.';
      reject(new CellError('SYNC_FAILED', `${what} did not start`, { why: cause.message, suggestion, cause }));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else if (late) reject(new CellError('TIMEOUT', `${what} took over ${timeoutMs} ms`));
      else {
        const why = stderr.trim().split('\n').at(-1) || `it ended with ${signal ?? code}`;
        reject(new CellError('SYNC_FAILED', `${what} failed`, { why, fields: { exitCode: code } }));
      }
    });
  });
}

/** Makes an empty bare repository; one that is there stays as it is. */
export async function initBare(dir: string): Promise<void> {
  await git(dir, ['init', '--quiet', '--bare', '--template=', '--initial-branch=genome', dir]);
}
