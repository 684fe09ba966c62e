/**
 * A machine reached over SSH, with its host key pinned: no connection is ever made on first trust.
 *
 * Made for imprints and hand-overs, through node-ssh, which is loaded when first needed. Syncs use the system's `ssh`
 * instead (memory/sync.ts), so that a tick loads no SSH library.
 */
import { connect, type Socket } from 'node:net';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { CellError, messageOf } from '../errors.ts';
import { DIAL_TIMEOUT_MS } from '../limits.ts';
import type { PublicKey, Reach } from '../model.ts';
import { shellQuote } from './quote.ts';

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string | Buffer | Readable;
  /** Where standard output goes instead of into the result. */
  readonly stdout?: Writable;
  /** ms; the command's channel is closed after it. */
  readonly timeoutMs?: number;
}

export interface Remote {
  readonly reach: Reach;
  /** Runs a command line in the machine's shell, as root whoever logged in. Throws MACHINE_UNREACHABLE or TIMEOUT, never for an exit code. */
  run(command: string, options?: RunOptions): Promise<RunResult>;
  /** Like `run`, but an exit code other than 0 throws REMOTE_FAILED with the end of stderr; gives stdout. */
  must(command: string, options?: RunOptions): Promise<string>;
  close(): void;
}

export interface Door {
  /** OpenSSH private key (PEM). */
  readonly privateKey: string;
  /** The host keys that may answer: more than one only while a machine changes its own. */
  readonly hostKeys: readonly PublicKey[];
}

/**
 * A socket without Nagle's delay: a command is a few small packets each way, and each would wait for the other side's
 * delayed acknowledgement (40 ms on Linux).
 */
function quickSocket({ address, sshPort }: Reach): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port: sshPort, noDelay: true, timeout: DIAL_TIMEOUT_MS });
    socket.once('error', reject);
    socket.once('timeout', () => socket.destroy(new Error(`no connection within ${DIAL_TIMEOUT_MS} ms`)));
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

/**
 * A command line as root. Who logs in as somebody else may `sudo` without a password (-n: it never asks, for nobody is
 * there to answer); standard input goes through to the command.
 */
export function asRoot(user: string, command: string): string {
  return user === 'root' ? command : `sudo -n -- /bin/sh -c ${shellQuote(command)}`;
}

/** Opens a connection. Throws HOST_KEY_MISMATCH, NOT_ALLOWED (the key does not open it), MACHINE_UNREACHABLE. */
export async function dial(reach: Reach, door: Door): Promise<Remote> {
  const { NodeSSH } = await import('node-ssh');
  const ssh = new NodeSSH();
  const pinned = new Set(door.hostKeys.map((key) => key.split(' ')[1]));
  let stranger = false;
  try {
    await ssh.connect({
      sock: await quickSocket(reach),
      username: reach.user,
      privateKey: door.privateKey,
      readyTimeout: DIAL_TIMEOUT_MS,
      keepaliveInterval: 5_000,
      algorithms: { serverHostKey: ['ssh-ed25519'] },
      hostVerifier: (key: Buffer) => {
        stranger = !pinned.has(key.toString('base64'));
        return !stranger;
      },
    });
  } catch (cause) {
    ssh.dispose();
    const where = `${reach.address}:${reach.sshPort}`;
    if (stranger) {
      throw new CellError('HOST_KEY_MISMATCH', `The machine at ${where} is not the one that was made`, {
        why: 'it answered with another host key than the pinned one',
        suggestion: 'Do not go on: somebody else answers at that address. `cell sweep` lists what is ours.',
        cause,
      });
    }
    if ((cause as { level?: string }).level === 'client-authentication') {
      throw new CellError('NOT_ALLOWED', `${where} does not let this key in`, { why: messageOf(cause), cause });
    }
    throw new CellError('MACHINE_UNREACHABLE', `No SSH log-in at ${where}`, { why: messageOf(cause), cause });
  }

  // A connection that breaks while nothing runs on it is noticed by the next command; without a listener it would end us.
  ssh.connection?.on('error', () => {});

  async function run(command: string, options: RunOptions = {}): Promise<RunResult> {
    const client = ssh.connection;
    if (client === null) throw new CellError('MACHINE_UNREACHABLE', `The connection to ${reach.address} is closed`);
    const { stdin } = options;
    // Taken up at once: Node throws away what a child process wrote when it ends before anybody reads.
    const source =
      stdin === undefined || typeof stdin === 'string' || Buffer.isBuffer(stdin) ? null : new PassThrough();
    if (source !== null) {
      (stdin as Readable).on('error', (error) => source.destroy(error));
      (stdin as Readable).pipe(source);
    }
    return new Promise<RunResult>((resolve, reject) => {
      client.exec(asRoot(reach.user, command), (error, channel) => {
        if (error !== undefined) {
          reject(
            new CellError('MACHINE_UNREACHABLE', `${reach.address} took no command`, {
              cause: error,
              why: error.message,
            }),
          );
          return;
        }
        const stdout: Buffer[] = [];
        const stderr: Buffer[] = [];
        let code: number | null = null;
        let late = false;
        const timer =
          options.timeoutMs === undefined
            ? undefined
            : setTimeout(() => {
                late = true;
                channel.close();
              }, options.timeoutMs);
        const sink = options.stdout;
        if (sink === undefined) channel.on('data', (chunk: Buffer) => stdout.push(chunk));
        else {
          channel.pipe(sink);
          // A program that ends before it has read everything (tar leaves the padding) must not hold the channel open.
          sink.on('error', () => {});
          sink.on('close', () => {
            channel.unpipe(sink);
            channel.resume();
          });
        }
        channel.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
        channel.on('exit', (value: number | null) => {
          code = value;
        });
        channel.on('close', () => {
          clearTimeout(timer);
          const result = {
            stdout: Buffer.concat(stdout).toString('utf8'),
            stderr: Buffer.concat(stderr).toString('utf8'),
          };
          if (late) reject(new CellError('TIMEOUT', `A command on ${reach.address} took over ${options.timeoutMs} ms`));
          else if (code === null)
            reject(new CellError('MACHINE_UNREACHABLE', `The connection to ${reach.address} broke`));
          else if (sink === undefined) resolve({ code, ...result });
          else {
            // How the sink fared is for whoever gave it to say: the exit code of its program.
            const end = () => resolve({ code: code ?? 1, ...result });
            finished(sink).then(end, end);
          }
        });
        if (source === null) channel.end(stdin);
        else {
          source.on('error', () => channel.close());
          source.pipe(channel);
        }
      });
    });
  }

  return {
    reach,
    run,
    async must(command, options) {
      const result = await run(command, options);
      if (result.code === 0) return result.stdout;
      throw remoteFailure(reach, command, result);
    },
    close: () => ssh.dispose(),
  };
}

/** The error of a command that failed on a machine. A `cell hand` there answers with its own error as JSON. */
export function remoteFailure(reach: Reach, command: string, result: RunResult): CellError {
  const tail = result.stderr.trim().split('\n').slice(-3).join(' | ');
  return new CellError('REMOTE_FAILED', `A step on ${reach.address} failed`, {
    why: tail === '' ? `exit code ${result.code}` : tail,
    fields: { command: command.slice(0, 120), exitCode: result.code },
  });
}
