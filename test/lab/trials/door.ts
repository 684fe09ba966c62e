/** What a key can do at the doors of a real machine, tried from this computer with OpenSSH's own programs. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../../src/effects/services.ts';
import { firstLine, MORE } from '../../../src/memory/greeting.ts';
import type { Memory } from '../../../src/memory/memory.ts';
import { converse, type SessionResult } from '../../../src/memory/session.ts';
import { sshArguments } from '../../../src/memory/sync.ts';
import type { Cell, CellId } from '../../../src/model.ts';
import { type Ran, run } from '../../courses/organism.ts';

/** A key, as the file `key` of a folder, at the door of a cell, for one of its users. */
export interface Door {
  readonly home: string;
  readonly cell: Pick<Cell, 'reach' | 'hostKey'>;
  readonly user: string;
}

/** How long an ssh that should end may take, ms. */
const WITHIN_MS = 20_000;
const TUNNEL_MS = 4_000;

/** ssh's options for a door, in a form that scp and sftp take too; `first` goes before ours, so it counts. */
function optionsOf({ home, cell, user }: Door, first: readonly string[] = []): readonly string[] {
  const words = sshArguments(cell, home, user);
  const options = words.slice(0, words.indexOf('--')).flatMap((word, index, all) => {
    if (word === '-p') return ['-o', `Port=${all[index + 1]}`];
    if (word === '-l') return ['-o', `User=${all[index + 1]}`];
    return all[index - 1] === '-p' || all[index - 1] === '-l' ? [] : [word];
  });
  return [...first.flatMap((option) => ['-o', option]), ...options];
}

const addressOf = ({ cell }: Door): string => cell.reach.address;

/** Runs a command line there, its stdin at an end. */
function ask(door: Door, command: readonly string[], flags: readonly string[] = ['-T']): Promise<Ran> {
  const words = [...optionsOf(door), ...flags, addressOf(door), ...command];
  return run('ssh', words, process.env, WITHIN_MS);
}

/** The names of what this key can do there beyond a sync; none where the door is as it should be. */
export async function powersOf(door: Door): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'cell-door-'));
  try {
    const tried = await Promise.all(
      Object.entries(powers(door, folder)).map(async ([name, can]) => [name, await can()]),
    );
    return tried.flatMap(([name, can]) => (can === true ? [String(name)] : []));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function powers(door: Door, folder: string): Readonly<Record<string, () => Promise<boolean>>> {
  const there = addressOf(door);
  const got = join(folder, 'got');
  const batch = join(folder, 'batch');
  const mine = join(folder, 'mine');
  writeFileSync(batch, `get /etc/hostname ${join(folder, 'sftp')}\n`);
  writeFileSync(mine, 'mine');
  const scp = async (flags: readonly string[], from: string, to: string) =>
    (await run('scp', [...flags, ...optionsOf(door), from, to], process.env, WITHIN_MS)).code === 0;
  return {
    'a command': async () => (await ask(door, ['id'])).stdout.includes('uid='),
    'a command that the forced one is followed by': async () =>
      (await ask(door, ['sync --serve; id'])).stdout.includes('uid='),
    'a shell': async () => said(door, ['-T'], 'id\nid\n'),
    'a terminal': async () => said(door, ['-tt'], 'tty\nid\ntty\nexit\n', /uid=|\/dev\/pts/),
    'a file by scp': async () => (await scp([], `${there}:/etc/hostname`, got)) || existsSync(got),
    'a file by the old scp': async () =>
      (await scp(['-O'], `${there}:/etc/hostname`, `${got}.old`)) || existsSync(`${got}.old`),
    'a file put there': async () => scp([], mine, `${there}:/var/tmp/put`),
    'a file by sftp': async () => {
      await run('sftp', ['-b', batch, ...optionsOf(door), there], process.env, WITHIN_MS);
      return existsSync(join(folder, 'sftp'));
    },
    'forwarding of standard input': async () => {
      const words = [...optionsOf(door, ['ClearAllForwardings=no']), '-W', '127.0.0.1:22', there];
      return (await run('ssh', words, process.env, TUNNEL_MS)).stdout.includes('SSH-2');
    },
    'forwarding -L': async () => tunnelled(door, (port) => ['-L', `127.0.0.1:${port}:127.0.0.1:22`], []),
    'forwarding -D': async () =>
      // SOCKS 5: no authentication; connect to 127.0.0.1, port 22.
      tunnelled(door, (port) => ['-D', `127.0.0.1:${port}`], [
        Buffer.from([5, 1, 0]),
        Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, 0, 22]),
      ]),
    'forwarding -R': async () => {
      const options = optionsOf(door, ['ClearAllForwardings=no', 'ExitOnForwardFailure=yes']);
      // It stays when it may, and is ended.
      return (await run('ssh', [...options, '-N', '-R', '0:127.0.0.1:9', there], process.env, TUNNEL_MS)).code === 137;
    },
    'an agent': async () => {
      const agent = join(folder, 'agent');
      const listening = createServer().listen(agent);
      const words = [
        ...optionsOf(door, ['ForwardAgent=yes', 'LogLevel=DEBUG1']),
        '-T',
        there,
        'echo "agent: $SSH_AUTH_SOCK"',
      ];
      const ran = await run('ssh', words, { ...process.env, SSH_AUTH_SOCK: agent }, WITHIN_MS);
      listening.close();
      return /agent: \//.test(ran.stdout);
    },
  };
}

/** Whether it answers like a shell to what is typed. */
async function said(door: Door, flags: readonly string[], typed: string, like = /uid=/): Promise<boolean> {
  const { stdout } = await talk(door, Buffer.from(typed), { flags });
  return like.test(stdout.toString('latin1'));
}

/** Whether sshd's greeting comes through a tunnel to its own port. */
async function tunnelled(
  door: Door,
  flags: (port: number) => readonly string[],
  hello: readonly Buffer[],
): Promise<boolean> {
  const port = await freePort('127.0.0.1');
  const options = optionsOf(door, ['ClearAllForwardings=no']);
  const ssh = spawn('ssh', [...options, '-N', ...flags(port), addressOf(door)], { stdio: 'ignore' });
  const until = Date.now() + TUNNEL_MS;
  try {
    while (Date.now() < until && ssh.exitCode === null) {
      if ((await heard(port, hello)).includes('SSH-2')) return true;
      await sleep(200);
    }
    return false;
  } finally {
    ssh.kill('SIGKILL');
  }
}

function heard(port: number, hello: readonly Buffer[]): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const left = [...hello];
    const socket = connect(port, '127.0.0.1', () => void socket.write(left.shift() ?? ''));
    const timer = setTimeout(() => socket.destroy(), 1_500);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const more = left.shift();
      if (more !== undefined) socket.write(more);
      if (text.includes('SSH-2')) socket.destroy();
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
  });
}

export interface Talk {
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly code: number | null;
  readonly ms: number;
}

/** Says bytes to the door, ends, and hears it out. A code of null: it did not end in time. */
export function talk(
  door: Door,
  bytes: Uint8Array,
  { flags = ['-T'] as readonly string[], withinMs = WITHIN_MS } = {},
): Promise<Talk> {
  const began = Date.now();
  const ssh = spawn('ssh', [...optionsOf(door), ...flags, addressOf(door)]);
  const timer = setTimeout(() => ssh.kill('SIGKILL'), withinMs);
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
  ssh.stderr.resume();
  ssh.stdin.on('error', () => {});
  const write = ssh.stdin.write.bind(ssh.stdin) as (chunk: Buffer, done: () => void) => boolean;
  try {
    ssh.stdin.write('nothing that it knows\n');
    const answer = await firstLine(ssh.stdout);
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
