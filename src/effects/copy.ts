/**
 * A pass of a copy between two machines with what every system has, where rsync (pass.ts) is not on both. What differs is
 * told by kind, mode, size and mtime, and sent whole; tar keeps mtimes to the nanosecond.
 *
 * A pass goes in this order: 1. closed folders that something in them must change are opened; 2. what is gone or became
 * another kind of thing is removed, so that nothing is written through a link that was there; 3. the rest comes by tar,
 * with the modes of the folders, which closes them again.
 */
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { CellError } from '../errors.ts';
import { diffManifest, type Manifest, type ManifestEntry, manifest } from './files.ts';
import { shellQuote } from './quote.ts';
import type { Remote } from './ssh.ts';

export interface CopyResult {
  readonly files: number;
  readonly bytes: number;
  readonly removed: number;
}

/** Paths on standard input, each ended by a NUL; folders without what is in them, which has names of its own. */
const READ = 'tar --format=posix --no-recursion --null -T - -cf -';
/** Exact modes, whatever the umask. */
const WRITE = 'tar -xpf -';
/** Of what GNU tar says, in its own words: that a file went or changed while it was read. */
const PASSING =
  /Cannot (?:stat|open|readlink): (?:No such file|Not a dir)|: file changed as we read it|: File (?:shrank by|removed before)/;
const SUMMARY = /^tar: (?:Exiting with failure status due to previous errors|Error is not recoverable)/;

/**
 * Whether a tar that read has failed. A running function takes files away and changes them under it, which it ends with
 * 1 or 2 for: expected in the first pass, and the second mends it. Anything else that it could not read is a failure.
 */
function readFailed(code: number | null, said: string): boolean {
  if (code === 0) return false;
  const lines = said.split('\n').filter((line) => line.startsWith('tar: ') && !SUMMARY.test(line));
  return !(code === 1 || code === 2) || lines.length === 0 || !lines.every((line) => PASSING.test(line));
}

interface Work {
  /** What to send. */
  readonly changed: readonly string[];
  /** What to remove before, with all that is in it. */
  readonly removed: readonly string[];
  /** Folders to open for their owner before. */
  readonly closed: readonly string[];
  readonly result: CopyResult;
}

/** What gets one from `before` to `after`; pure. */
export function workOf(before: Manifest, after: Manifest): Work {
  const old = new Map(before.map((entry) => [entry.path, entry]));
  const now = new Map(after.map((entry) => [entry.path, entry]));
  const { changed, removed } = diffManifest(before, after);
  const other = changed.filter((path) => old.has(path) && kindOf(old.get(path)!) !== kindOf(now.get(path)!));
  const parents = new Set([...changed, ...removed].flatMap((path) => [path, ...foldersAbove(path)]));
  const closed = before.filter(({ path, folder, mode }) => folder && (mode & 0o700) !== 0o700 && parents.has(path));
  const again = closed.map(({ path }) => path).filter((path) => now.get(path)?.folder && !changed.includes(path));
  const files = changed.flatMap((path) => (now.get(path)?.folder ? [] : [now.get(path)!]));
  return {
    changed: [...again, ...changed].sort(),
    removed: [...removed, ...other],
    closed: closed.map(({ path }) => path),
    result: {
      files: files.length,
      bytes: files.reduce((sum, { size }) => sum + size, 0),
      removed: removed.filter((path) => !old.get(path)?.folder).length,
    },
  };
}

function kindOf({ folder, link }: ManifestEntry): string {
  return folder ? 'folder' : link === undefined ? 'file' : 'link';
}

function foldersAbove(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_part, index) => parts.slice(0, index + 1).join('/'));
}

const listed = (paths: readonly string[]): string => paths.map((path) => `${path}\0`).join('');

/** The lines for a shell in the folder that is to change, each with its standard input. */
function preparations({ closed, removed }: Work): readonly { readonly line: string; readonly stdin: string }[] {
  return [
    { line: 'xargs -0 chmod u+rwx --', stdin: listed(closed) },
    { line: 'xargs -0 rm -rf --', stdin: listed(removed) },
  ].filter(({ stdin }) => stdin !== '');
}

/** Sends what differs from `there` out of a folder here into a folder on the machine; reads as the user of `as`. */
export async function push(
  remote: Remote,
  folder: string,
  target: string,
  paths: readonly string[],
  there: Manifest,
  as: readonly string[] = [],
): Promise<CopyResult> {
  const work = workOf(there, await manifest(folder, paths));
  for (const { line, stdin } of preparations(work)) await remote.must(`cd ${shellQuote(target)} && ${line}`, { stdin });
  if (work.changed.length > 0) {
    const tar = shell(READ, folder, as);
    tar.stdin.end(listed(work.changed));
    const write = `mkdir -p ${shellQuote(target)} && cd ${shellQuote(target)} && ${WRITE}`;
    await remote.must(write, { stdin: tar.stdout }).catch((thrown: unknown) => {
      tar.stop();
      throw thrown;
    });
    const { code, said } = await tar.ended;
    if (readFailed(code, said)) {
      throw new CellError('REMOTE_FAILED', 'Data could not be read', { why: lastLine(said, code) });
    }
  }
  return work.result;
}

/** Brings what differs out of a folder on the machine (`there` is its manifest) into a folder here, as the user of `as`. */
export async function pull(
  remote: Remote,
  source: string,
  folder: string,
  paths: readonly string[],
  there: Manifest,
  as: readonly string[] = [],
): Promise<CopyResult> {
  await mkdir(folder, { recursive: true });
  const work = workOf(await manifest(folder, paths), there);
  const failed = (why: string) =>
    new CellError('REMOTE_FAILED', `Data could not be brought from ${remote.reach.address}`, { why });
  for (const { line, stdin } of preparations(work)) {
    const step = shell(line, folder, as);
    step.stdout.resume();
    step.stdin.end(stdin);
    const { code, said } = await step.ended;
    if (code !== 0) throw failed(lastLine(said, code));
  }
  if (work.changed.length > 0) {
    const tar = shell(WRITE, folder, as);
    tar.stdout.resume();
    const stdin = listed(work.changed);
    const read = `cd ${shellQuote(source)} && LC_ALL=C ${READ}`;
    const result = await remote.run(read, { stdin, stdout: tar.stdin }).catch((thrown: unknown) => {
      tar.stop();
      throw thrown;
    });
    const { code, said } = await tar.ended;
    if (readFailed(result.code, result.stderr)) throw failed(lastLine(result.stderr, result.code));
    if (code !== 0) throw failed(lastLine(said, code));
  }
  return work.result;
}

/** A command in a folder here. What it says on stderr is kept. */
function shell(line: string, cwd: string, as: readonly string[]) {
  const env = { ...process.env, LC_ALL: 'C' };
  const [program = '', ...words] = [...as, '/bin/sh', '-c', `exec ${line}`];
  const child = spawn(program, words, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  // It ended before it had read everything; its exit code says why.
  child.stdin.on('error', () => {});
  const ended = new Promise<{ code: number | null; said: string }>((resolve) => {
    child.once('error', (error) => resolve({ code: null, said: error.message }));
    child.once('close', (code) => resolve({ code, said }));
  });
  return { stdin: child.stdin, stdout: child.stdout, ended, stop: () => void child.kill('SIGKILL') };
}

function lastLine(said: string, code: number | null): string {
  const lines = said.trim().split('\n');
  return lines.findLast((line) => line !== '' && !SUMMARY.test(line)) ?? `tar ended with ${code}`;
}
