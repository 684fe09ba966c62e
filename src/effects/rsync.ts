/**
 * rsync between a folder here and one on a machine, over a connection that is open already: no second log-in, no key in
 * a file, and when either end dies, in whatever way, the other one's rsync reads the end of its input and ends, too.
 *
 *   1  rsync starts what it takes for a remote shell: three lines of sh, which hold a socket to this process
 *   2  they say the command line that rsync wants on the other end, and then carry its bytes
 *   3  this process runs that line on the machine and joins the two
 */
import { spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { PassThrough, Writable } from 'node:stream';
import { CellError } from '../errors.ts';
import { lastLine, type Said, type Side } from './side.ts';
import type { Remote } from './ssh.ts';

/** Tools of the kind the copy needs, on one end. */
export interface Tools {
  readonly xattrs: boolean;
}

/** What `toolsIn` reads. */
export const ASK_FOR_TOOLS =
  'rsync --version; find --version | head -n 1; stat --version | head -n 1; timeout --version | head -n 1';

/**
 * Whether an end has what is needed, from what its tools say of themselves; pure. rsync from 3.1.3 compares times to the
 * nanosecond, without which two changes in one second look like one; macOS has another program of that name.
 */
export function toolsIn(said: string): Tools | null {
  const [, major, minor, patch] = /^rsync +version (\d+)\.(\d+)\.(\d+)/m.exec(said)?.map(Number) ?? [];
  if (major === undefined || minor === undefined || patch === undefined) return null;
  const newEnough = major > 3 || (major === 3 && (minor > 1 || (minor === 1 && patch >= 3)));
  const gnu = /^find \(GNU/m.test(said) && /^stat \(GNU/m.test(said) && /^timeout \(GNU/m.test(said);
  if (!newEnough || !gnu) return null;
  return { xattrs: /(?<!no )\bxattrs\b/.test(said) };
}

/** What a connection is silent for until rsync gives it up, s. It says something itself while it only reads. */
const SILENCE_S = 60;

/**
 * Options of every run. Links, modes, times, hard links, holes; no owners (they are mapped by who receives), no devices,
 * sockets or pipes. Names go over the connection, never through a shell.
 */
const ALWAYS = [
  '-rlptHsS',
  '--modify-window=-1',
  '--force',
  '--files-from=-',
  '--from0',
  '--blocking-io',
  `--timeout=${SILENCE_S}`,
];

/**
 * $1 is the host, the rest rsync's line for the other end. `cat` twice, for nothing else is on every machine;
 * it takes a full pipe for an error, unless writing waits (--blocking-io).
 */
const SHELL = `sh -c 'shift; printf "%s\\0" "$*" >&3; exec 4<&0; cat <&4 >&3 & exec cat <&3' sh`;

export interface RsyncRun {
  readonly from: Side;
  readonly to: Side;
  /** What to copy, below the folders. */
  readonly names: readonly string[];
  readonly options: readonly string[];
  /** Called as bytes go by; the run ends when it throws. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

export interface RsyncResult {
  /** Bytes over the connection, from the end that has the data. */
  readonly bytes: number;
  /** Something went while it was read (24). */
  readonly vanished: boolean;
  /** Something could not be read or written (23): what. */
  readonly partial: string | null;
}

/** One run. Throws REMOTE_FAILED for anything but files that could not be copied, and what the connection throws. */
export async function rsync({ from, to, names, options, onBytes }: RsyncRun): Promise<RsyncResult> {
  const here = from.remote === null ? from : to;
  const there = from.remote ?? to.remote;
  if (there === null || here.remote !== null) throw new Error('one end of a copy is here, the other on a machine');
  const path = (side: Side) => `${side.remote === null ? '' : 'cell:'}${side.folder}/`;
  // Who may give files to others keeps owners; on a machine with users, the folder's own gets all.
  const owners = here.as.length === 0 ? ['-og'] : [];
  const args = [...ALWAYS, ...owners, ...options, path(from), path(to)];
  const [program = '', ...words] = [...here.as, 'rsync', ...args];
  const child = spawn(program, words, {
    cwd: here.folder,
    // Nothing that a person set up for own use changes what is copied.
    env: { PATH: process.env.PATH, HOME: '/', LC_ALL: 'C', RSYNC_RSH: SHELL },
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
  });
  const [stdin, , stderr, wire] = child.stdio as unknown as [Writable, null, NodeJS.ReadableStream, Duplex];
  const said = { stdout: '', stderr: '' };
  stderr.setEncoding('utf8');
  stderr.on('data', (text: string) => {
    said.stderr = (said.stderr + text).slice(-16_384);
  });
  // Either may end before it has read everything; the exit code says what that means.
  for (const stream of [stdin, wire]) stream.on('error', () => {});
  stdin.end(names.map((name) => `${name}\0`).join(''));
  const ended = new Promise<Said>((resolve) => {
    child.once('error', (error) => resolve({ code: null, ...said, stderr: error.message }));
    child.once('close', (code) => resolve({ code, ...said }));
  });
  const count = { out: 0, in: 0 };
  const stopped: { error: unknown }[] = [];
  const stop = (error: unknown) => {
    stopped.push({ error });
    child.kill('SIGTERM');
    // What it started holds the other end of this, and ends when it is closed.
    wire.destroy();
  };
  const other = joined(there, wire, (direction, bytes) => {
    count[direction] += bytes;
    if (stopped.length > 0) return;
    try {
      onBytes?.(bytes);
    } catch (error) {
      stop(error);
    }
  });
  // Without the other end rsync would wait for it.
  other.result.catch(stop);
  const mine = await ended;
  other.end();
  const theirs = await other.result.catch(() => null);
  if (stopped[0] !== undefined) throw stopped[0].error;
  const bytes = from.remote === null ? count.out : count.in;
  if (mine.code === 0 || mine.code === 24) return { bytes, vanished: mine.code === 24, partial: null };
  if (mine.code === 23) return { bytes, vanished: false, partial: complaint(mine) };
  const why = theirs !== null && theirs.code !== 0 && theirs.stderr.trim() !== '' ? complaint(theirs) : complaint(mine);
  throw new CellError('REMOTE_FAILED', 'Data could not be copied', {
    why,
    fields: { at: there.reach.address, code: mine.code },
  });
}

/** The first thing rsync complained of; the last lines only say that it did. */
function complaint(said: Pick<Said, 'code' | 'stderr'>): string {
  const lines = said.stderr
    .split('\n')
    .filter((line) => line !== '' && !/^rsync (?:error|warning): some files/.test(line));
  return lines[0] ?? lastLine(said);
}

/** Runs what the shell asks for on the machine, and carries the bytes. */
function joined(there: Remote, wire: Duplex, onBytes: (direction: 'in' | 'out', bytes: number) => void) {
  const input = new PassThrough();
  // What comes when the wire is closed goes nowhere: how the other end's rsync ends tells the rest.
  let waiting = () => {};
  const once = (done: () => void) => {
    waiting = () => {
      waiting = () => {};
      done();
    };
    return () => waiting();
  };
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      onBytes('in', chunk.length);
      if (wire.destroyed) done();
      else wire.write(chunk, once(done));
    },
    final(done) {
      if (wire.destroyed) done();
      else wire.end(once(done));
    },
  });
  let head: Buffer | null = Buffer.alloc(0);
  const result = new Promise<Said | null>((resolve, reject) => {
    wire.on('data', (chunk: Buffer) => {
      if (head !== null) {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf(0);
        if (end < 0) return;
        const [line, rest] = [head.subarray(0, end).toString('utf8'), head.subarray(end + 1)];
        head = null;
        there.run(line, { stdin: input, stdout: output }).then(resolve, reject);
        if (rest.length > 0) forward(rest);
      } else forward(chunk);
    });
    wire.once('close', () => {
      waiting();
      input.end();
      // It never came to asking for anything.
      if (head !== null) resolve(null);
    });
  });
  function forward(chunk: Buffer): void {
    onBytes('out', chunk.length);
    if (input.write(chunk)) return;
    wire.pause();
    input.once('drain', () => wire.resume());
  }
  return {
    result,
    end() {
      wire.destroy();
      input.end();
    },
  };
}
