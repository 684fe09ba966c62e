/**
 * One command over one SSH channel: streams with back-pressure, exit code or signal, and its end when the client goes.
 */
import { existsSync } from 'node:fs';
import type { PseudoTtyInfo, ServerChannel } from 'ssh2';
import { shellQuote } from '../effects/quote.ts';
import { endGroup, type GroupSpawner } from './groups.ts';

export interface CommandRequest {
  /** A line for /bin/sh; null is an interactive shell. */
  readonly command: string | null;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly pty: PseudoTtyInfo | null;
}

export interface Running {
  /** Sends a signal to the command's process group. */
  signal(name: NodeJS.Signals): void;
  /** The client reads no more: a command that writes on gets SIGPIPE. */
  notRead(): void;
  /** The client is gone: SIGHUP now, SIGKILL after a grace. */
  hangUp(): void;
}

/** How long a command may take to end after its client has gone, in ms. */
const HANG_UP_GRACE = 2_000;
/** From util-linux: the only thing at hand, without a native module, that makes a real terminal. */
const SCRIPT = '/usr/bin/script';

export function runOnChannel(channel: ServerChannel, request: CommandRequest, spawn: GroupSpawner): Running {
  const [program, args] = commandLine(request);
  const env = request.pty === null ? request.env : { ...request.env, TERM: termOf(request.pty) };
  const child = spawn(program, args, { cwd: request.cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
  const { stdin, stdout, stderr } = child;
  let over = false;
  const finish = (say: () => void) => {
    if (over) return;
    over = true;
    // stderr is a stream of its own in front of the same channel: closing it first keeps its last bytes.
    channel.stderr.end(() => {
      say();
      channel.end();
    });
  };
  child.on('error', (error) => {
    channel.stderr.write(`cannot start ${program}: ${error.message}\n`);
    finish(() => channel.exit(255));
  });
  if (stdin === null || stdout === null || stderr === null)
    return { signal: () => {}, notRead: () => {}, hangUp: () => {} };
  stdout.pipe(channel, { end: false });
  stderr.pipe(channel.stderr, { end: false });
  stdin.on('error', () => {
    // The command no longer reads. What the client still sends is dropped, or its window would never open again.
    channel.unpipe(stdin);
    channel.resume();
  });
  channel.pipe(stdin);
  // 'close' and not 'exit': everything the command wrote is on the channel by then.
  child.on('close', (code, signal) => {
    finish(() => {
      if (signal === null) channel.exit(code ?? 255);
      else sendSignal(channel, signal);
    });
  });
  return {
    signal: (name) => {
      if (child.pid !== undefined && !over) endOrSignal(child.pid, name);
    },
    notRead: () => {
      stdout.destroy();
    },
    hangUp: () => {
      if (over) return;
      over = true;
      stdin.destroy();
      stdout.destroy();
      stderr.destroy();
      if (child.pid !== undefined) endGroup(child.pid, 'SIGHUP', HANG_UP_GRACE);
    },
  };
}

function commandLine({ command, pty, env }: CommandRequest): [string, string[]] {
  if (pty !== null && existsSync(SCRIPT)) {
    const size = `stty rows ${Number(pty.rows) || 24} cols ${Number(pty.cols) || 80} 2>/dev/null; `;
    const line = command === null ? `exec ${env.SHELL ?? '/bin/sh'} -i` : `exec /bin/sh -c ${shellQuote(command)}`;
    return [SCRIPT, ['-qefc', size + line, '/dev/null']];
  }
  return ['/bin/sh', command === null ? ['-i'] : ['-c', command]];
}

function termOf(pty: PseudoTtyInfo): string {
  const { term } = pty as PseudoTtyInfo & { term?: string };
  return typeof term === 'string' && /^[\w.+-]{1,64}$/.test(term) ? term : 'dumb';
}

function endOrSignal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch {
    // It ended meanwhile.
  }
}

function sendSignal(channel: ServerChannel, signal: NodeJS.Signals): void {
  try {
    channel.exit(signal, false, '');
  } catch {
    channel.exit(255); // A signal that the protocol has no name for.
  }
}
