/** The doors of a real machine, come to with OpenSSH's own programs: bytes said to one, and a session that may lie. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { firstLine, MORE } from '../../../src/memory/greeting.ts';
import type { Memory } from '../../../src/memory/memory.ts';
import { converse, type SessionResult } from '../../../src/memory/session.ts';
import { sshArguments } from '../../../src/memory/sync.ts';
import type { Cell, CellId } from '../../../src/model.ts';

/** A key, as the file `key` of a folder, at the door of a cell, for one of its users. */
export interface Door {
  readonly home: string;
  readonly cell: Pick<Cell, 'reach' | 'hostKey'>;
  readonly user: string;
}

/** How long an ssh that should end may take, ms. */
const WITHIN_MS = 30_000;

/** A line as long as a digest, which no cell has. */
export const GREETING = `${'0'.repeat(64)}\n`;

/** ssh's options for a door, in a form that scp and sftp take too; `first` goes before ours, so it counts. */
export function optionsOf({ home, cell, user }: Door, first: readonly string[] = []): readonly string[] {
  const words = sshArguments(cell, home, user);
  const options = words.slice(0, words.indexOf('--')).flatMap((word, index, all) => {
    if (word === '-p') return ['-o', `Port=${all[index + 1]}`];
    if (word === '-l') return ['-o', `User=${all[index + 1]}`];
    return all[index - 1] === '-p' || all[index - 1] === '-l' ? [] : [word];
  });
  return [...first.flatMap((option) => ['-o', option]), ...options];
}

export const addressOf = ({ cell }: Door): string => cell.reach.address;

export interface Talk {
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly code: number | null;
  readonly ms: number;
}

/** Says bytes to the door, ends, and hears it out. A code of null: it did not end in time. */
export function talk(door: Door, bytes: Uint8Array): Promise<Talk> {
  const began = Date.now();
  const ssh = spawn('ssh', [...optionsOf(door), '-T', addressOf(door)]);
  const timer = setTimeout(() => ssh.kill('SIGKILL'), WITHIN_MS);
  const chunks: Buffer[] = [];
  let stderr = '';
  ssh.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  ssh.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  ssh.stdin.on('error', () => {});
  ssh.stdin.end(bytes);
  return new Promise((resolve) => {
    ssh.once('close', (code) => {
      clearTimeout(timer);
      resolve({ stdout: Buffer.concat(chunks), stderr, code, ms: Date.now() - began });
    });
  });
}

/** A session over the real door with a memory that may lie. `taped` gets what we send after the greeting. */
export async function sessionAt(
  door: Door,
  memory: Memory,
  self: CellId,
  taped: Buffer[] = [],
): Promise<SessionResult> {
  const ssh: ChildProcessWithoutNullStreams = spawn('ssh', [...optionsOf(door), '-T', addressOf(door)]);
  const closed = new Promise((resolve) => ssh.once('close', resolve));
  let stderr = '';
  ssh.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  ssh.stdin.on('error', () => {});
  const write = ssh.stdin.write.bind(ssh.stdin) as (chunk: Buffer, done: () => void) => boolean;
  try {
    ssh.stdin.write(GREETING);
    const answer = await firstLine(ssh.stdout).catch((error: Error) => `${error.message}: ${stderr}`);
    if (answer !== MORE) throw new Error(`the door said ${answer}`);
    ssh.stdin.write = ((chunk: Buffer, done: () => void) => {
      taped.push(Buffer.from(chunk));
      return write(chunk, done);
    }) as typeof ssh.stdin.write;
    return await converse(ssh.stdout, ssh.stdin, { memory, self });
  } finally {
    const timer = setTimeout(() => ssh.kill('SIGKILL'), 2_000);
    await closed;
    clearTimeout(timer);
  }
}

/** Comes to the door and does nothing more; gives how long it was let, in ms, once the machine has ended it. */
export function hangingAt(door: Door, flags: readonly string[]): { readonly ended: Promise<number>; stop(): void } {
  const began = Date.now();
  const ssh = spawn('ssh', [...optionsOf(door), ...flags, addressOf(door)], { stdio: ['pipe', 'ignore', 'ignore'] });
  return {
    ended: new Promise((resolve) => ssh.once('close', () => resolve(Date.now() - began))),
    stop: () => void ssh.kill('SIGKILL'),
  };
}
