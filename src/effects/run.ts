/**
 * Command lines of a genome, run by /bin/sh in a process group of their own, so that a time-out ends all of it.
 */
import { spawn } from 'node:child_process';
import { StringDecoder } from 'node:string_decoder';

export interface RunOptions {
  readonly cwd: string;
  /** The whole environment of the command. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs: number;
  /** What goes before the shell, such as a program that runs it as another user (users.ts). */
  readonly as?: readonly string[];
  /** What the line finds in $1, $2, … */
  readonly args?: readonly string[];
  /** Also ends what the command left running in its group. */
  readonly reap?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface RunResult {
  /** Null when it did not end by itself, or never began. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
  /** The last 16 KiB of each. */
  readonly stdout: string;
  readonly stderr: string;
  /** Why there is no exit code 0, one line; null when there is. */
  readonly why: string | null;
  /** ms. */
  readonly took: number;
}

const KEPT = 16 * 1024;
/** A group that was asked to end gets this long before it is made to. */
const GRACE_MS = 1_000;
/** Output that a process left behind still holds open is not waited for longer than this after the command's end. */
const DRAIN_MS = 100;

function tail(stream: NodeJS.ReadableStream): () => string {
  const decoder = new StringDecoder('utf8');
  let text = '';
  stream.on('data', (chunk: Buffer) => {
    text = (text + decoder.write(chunk)).slice(-KEPT);
  });
  // A pipe that breaks under a killed command is not news.
  stream.on('error', () => {});
  return () => text;
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody of the group is left.
  }
}

/** Runs it to its end. Never throws: what went wrong is in `why`. */
export function runCommand(line: string, options: RunOptions): Promise<RunResult> {
  const began = performance.now();
  return new Promise((resolve) => {
    const [program = '', ...words] = [...(options.as ?? []), '/bin/sh', '-c', line, 'sh', ...(options.args ?? [])];
    const child = spawn(program, words, {
      cwd: options.cwd,
      env: options.env as NodeJS.ProcessEnv,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const stdout = tail(child.stdout);
    const stderr = tail(child.stderr);
    let stopped: 'timeout' | 'abort' | null = null;
    let failure: string | null = null;
    let hardKill: NodeJS.Timeout | undefined;
    let drain: NodeJS.Timeout | undefined;

    const stop = (reason: 'timeout' | 'abort') => {
      if (stopped !== null || child.pid === undefined) return;
      stopped = reason;
      killGroup(child.pid, 'SIGTERM');
      hardKill = setTimeout(() => killGroup(child.pid as number, 'SIGKILL'), GRACE_MS);
    };
    const onAbort = () => stop('abort');
    const timer = setTimeout(() => stop('timeout'), options.timeoutMs);
    options.signal?.addEventListener('abort', onAbort, { once: true });
    if (options.signal?.aborted === true) onAbort();

    const finish = () => {
      for (const each of [timer, hardKill, drain]) clearTimeout(each);
      options.signal?.removeEventListener('abort', onAbort);
      const { exitCode: code, signalCode: signal } = child;
      resolve({
        code: failure === null ? code : null,
        signal,
        timedOut: stopped === 'timeout',
        stdout: stdout(),
        stderr: stderr(),
        why: failure ?? reason(stopped, code, signal, options.timeoutMs, stderr()),
        took: performance.now() - began,
      });
    };
    child.on('error', (error) => {
      failure = error.message;
      if (child.pid === undefined) finish();
    });
    child.on('exit', () => {
      if (child.pid !== undefined && (stopped !== null || options.reap === true)) killGroup(child.pid, 'SIGKILL');
      // One more round of the event loop after the delay: on a busy computer what was said may not be read yet.
      drain = setTimeout(() => {
        setImmediate(() => {
          child.stdout.destroy();
          child.stderr.destroy();
        });
      }, DRAIN_MS);
    });
    child.on('close', finish);
  });
}

function reason(
  stopped: 'timeout' | 'abort' | null,
  code: number | null,
  signal: string | null,
  timeoutMs: number,
  stderr: string,
): string | null {
  if (stopped === 'timeout') return `no end within ${timeoutMs} ms`;
  if (stopped === 'abort') return 'interrupted';
  if (code === 0) return null;
  const last = stderr.trim().split('\n').at(-1) ?? '';
  return `${signal === null ? `exit code ${code}` : `ended by ${signal}`}${last === '' ? '' : `: ${last.slice(0, 300)}`}`;
}
