/**
 * What a key can do at a door of a real machine, tried with OpenSSH's own programs.
 *
 * An attempt that comes to nothing counts only when the machine answered it: it let the key in and gave it no more, or it
 * refused the key. One that did not get so far proves nothing, and throws.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { shellQuote } from '../../../src/effects/quote.ts';
import { freePort } from '../../../src/effects/services.ts';
import { addressOf, type Door, optionsOf } from './door.ts';

/** Being let in. */
export const ENTRY = 'a log-in';

/** A log-in on a computer that does much else; and then, how long a door that lets in may take to give something. */
const [LOGIN_MS, GIVES_MS] = [30_000, 6_000];
const AT_ONCE = 5;
const [LET_IN, REFUSED] = [/^Authenticated to /m, /Permission denied/];

interface Attempt {
  readonly program?: string;
  readonly words: readonly string[];
  /** Typed at once; standard input stays open when it is there, and is at its end when not. */
  readonly typed?: string;
  /** What it says when it can, and when it is told that it cannot. */
  readonly yes?: RegExp;
  readonly no?: RegExp;
  /** Looked at when it has ended, and while it runs. */
  readonly got?: () => boolean | Promise<boolean>;
}

/** The names of what this key can do there, being let in among them. */
export async function powersOf(door: Door): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'cell-door-'));
  const agent = createServer().listen(join(folder, 'agent'));
  try {
    const left = Object.entries(await attempts(door, folder));
    const can = new Set<string>();
    const worker = async () => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const [name, attempt] = next;
        const { said, gave } = await tried(attempt, join(folder, 'agent'));
        if (gave) can.add(name);
        if (LET_IN.test(said)) can.add(ENTRY);
        else if (!REFUSED.test(said)) throw new Error(`${name}: the machine did not answer: ${said}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return [...can].sort();
  } finally {
    agent.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function attempts(door: Door, folder: string): Promise<Readonly<Record<string, Attempt>>> {
  const there = addressOf(door);
  const options = (...first: readonly string[]) => optionsOf(door, ['LogLevel=VERBOSE', ...first]);
  const forward = options('ClearAllForwardings=no', 'ExitOnForwardFailure=yes');
  const asked = (...command: readonly string[]): Attempt => ({
    words: [...options(), '-T', there, ...command],
    yes: /uid=/,
  });
  const file = (name: string) => join(folder, name);
  const copy = (program: string, to: string, ...words: readonly string[]): Attempt => ({
    program,
    words,
    got: () => existsSync(to),
  });
  const tunnel = async (flag: string, to: string, hello: readonly Buffer[], like: string): Promise<Attempt> => {
    const port = await freePort('127.0.0.1');
    return {
      words: [...forward, '-N', flag, `127.0.0.1:${port}${to}`, there],
      no: /open failed/,
      got: async () => (await greetingAt(port, hello, like)).includes(like),
    };
  };
  const remoteShell = ['ssh', ...options()].map(shellQuote).join(' ');
  writeFileSync(file('batch'), `get /etc/hostname ${file('sftp')}\n`);
  writeFileSync(file('mine'), 'mine');
  return {
    'a command': asked('id'),
    'a command that follows the forced one': asked('sync --serve; id'),
    'a shell': { words: [...options(), '-T', there], typed: 'id\n'.repeat(40), yes: /uid=/ },
    'a terminal': { words: [...options(), '-tt', there], typed: 'tty\nid\n'.repeat(20), yes: /\/dev\/pts|uid=/ },
    'a file by scp': copy('scp', file('scp'), ...options(), `${there}:/etc/hostname`, file('scp')),
    'a file by the old scp': copy('scp', file('old'), '-O', ...options(), `${there}:/etc/hostname`, file('old')),
    'a file by sftp': copy('sftp', file('sftp'), '-b', file('batch'), ...options(), there),
    'a file by rsync': copy('rsync', file('rsync'), '-e', remoteShell, `${there}:/etc/hostname`, file('rsync')),
    'a file put there': {
      ...{ program: 'scp', words: [...options(), file('mine'), `${there}:/var/tmp/put`] },
      yes: /^scp ended: 0$/m,
    },
    'forwarding of standard input': { words: [...forward, '-W', '127.0.0.1:22', there], typed: '', yes: /SSH-2/ },
    'forwarding -L': await tunnel('-L', ':127.0.0.1:22', [], 'SSH-2'),
    // The system's bus answers who asks to be let in.
    'forwarding to a socket': await tunnel(
      '-L',
      ':/run/dbus/system_bus_socket',
      [Buffer.from('\0AUTH\r\n')],
      'REJECTED',
    ),
    'forwarding -D': await tunnel(
      '-D',
      '',
      // SOCKS 5: no authentication; connect to 127.0.0.1, port 22.
      [Buffer.from([5, 1, 0]), Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, 0, 22])],
      'SSH-2',
    ),
    'forwarding -R': {
      words: [...forward, '-N', '-R', '0:127.0.0.1:9', there],
      yes: /Allocated port \d+/,
      no: /forwarding failed/,
    },
    'an agent': {
      words: [...options('ForwardAgent=yes'), '-T', there, 'echo "agent: $SSH_AUTH_SOCK"'],
      yes: /agent: \//,
    },
    'a variable': { words: [...options('SetEnv=LC_CELL=mine'), '-T', there, 'env'], yes: /LC_CELL=mine/ },
  };
}

/** Runs one until it was given something, was told no, has ended, or got nothing for long enough. */
async function tried(
  { program = 'ssh', words, typed, yes, no, got = () => false }: Attempt,
  agent: string,
): Promise<{ readonly said: string; readonly gave: boolean }> {
  const env = { ...process.env, SSH_AUTH_SOCK: agent };
  const child: ChildProcess = spawn(program, words, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  let ended = false;
  const closed = new Promise<void>((resolve) => {
    child.once('error', (error) => (said += error.message));
    child.once('close', (code) => {
      said += `\n${program} ended: ${code}\n`;
      ended = true;
      resolve();
    });
  });
  child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString('latin1')));
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk));
  child.stdin?.on('error', () => {});
  if (typed === undefined) child.stdin?.end();
  else child.stdin?.write(typed);
  const gave = async () => yes?.test(said) === true || (await got());
  const loginUntil = Date.now() + LOGIN_MS;
  let until = loginUntil;
  try {
    while (!ended && Date.now() < until) {
      if (await gave()) return { said, gave: true };
      if (no?.test(said)) break;
      if (until === loginUntil && LET_IN.test(said)) until = Date.now() + GIVES_MS;
      await sleep(50);
    }
    return { said, gave: await gave() };
  } finally {
    if (!ended) child.kill('SIGKILL');
    await closed;
  }
}

/** What answers at a port of this computer; nothing when nobody does. `hello`: what is said first, one an answer. */
function greetingAt(port: number, hello: readonly Buffer[], until: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const left = [...hello];
    let text = '';
    const timer = setTimeout(() => socket.destroy(), 1_000);
    socket.on('error', () => {});
    socket.on('connect', () => {
      const first = left.shift();
      if (first !== undefined) socket.write(first);
    });
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const more = left.shift();
      if (more !== undefined) socket.write(more);
      if (text.includes(until)) socket.destroy();
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
  });
}
