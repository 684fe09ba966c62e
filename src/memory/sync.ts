/**
 * Syncing with a peer over the system's `ssh`: one process, no SSH library, and no configuration but what is said here.
 *
 * The peer's host key is pinned from its birth. Its sshd runs our forced command whatever we ask for; an operator's
 * session, which is not forced, asks for the same command by name.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Identity } from '../effects/keys.ts';
import { replaceFile } from '../effects/replace.ts';
import { CellError, messageOf } from '../errors.ts';
import { layout, peerUser } from '../layout.ts';
import type { CellId, PublicKey, Reach } from '../model.ts';
import type { Patience } from './frames.ts';
import { digestOf, firstLine, keepDigest, SAME } from './greeting.ts';
import { CONNECT_S } from './limits.ts';
import { openMemory } from './memory.ts';
import type { SessionResult } from './session.ts';
import { converse } from './session.ts';

export interface Peer {
  readonly id?: CellId;
  readonly reach: Reach;
  readonly hostKey: PublicKey;
}

export interface SyncOptions {
  readonly home: string;
  readonly identity: Identity;
  readonly patience?: Patience;
}

export interface SyncResult extends SessionResult {
  readonly ms: number;
}

export interface PeerResult {
  readonly id: CellId;
  readonly ok: boolean;
  /** Why it failed. */
  readonly why?: string;
  readonly result?: SyncResult;
}

/** Syncs with one peer. Throws MACHINE_UNREACHABLE, HOST_KEY_MISMATCH, SYNC_FAILED or TIMEOUT. */
export async function syncWith(peer: Peer, { home, identity, patience }: SyncOptions): Promise<SyncResult> {
  const started = performance.now();
  const memory = openMemory(home);
  const child = spawn(
    'ssh',
    ['-T', ...sshArguments(peer, home, peerUser(peer.reach)), serveCommand(peer.reach, identity.id)],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  );
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('utf8')).slice(-4000);
  });
  const closed = new Promise<void>((resolve) => {
    child.on('error', (error) => {
      stderr += `ssh did not start: ${error.message}`;
      resolve();
    });
    child.on('close', () => resolve());
  });
  try {
    // A peer that is gone closes the pipe; why is told by what ssh says, not by this stream.
    child.stdin.on('error', () => {});
    child.stdin.write(`${digestOf(memory)}\n`);
    const same = (await firstLine(child.stdout)) === SAME;
    if (same) child.stdin.end();
    const result = same
      ? nothingNew(peer.id)
      : await converse(child.stdout, child.stdin, {
          memory,
          self: identity.id,
          peer: peer.id,
          ...(patience && { patience }),
        });
    if (!same) keepDigest(memory);
    return { ...result, ms: performance.now() - started };
  } catch (error) {
    // ssh says why before it ends; it is ended if it does not within a moment
    const timer = setTimeout(() => child.kill('SIGKILL'), 500);
    await closed;
    clearTimeout(timer);
    throw explained(error, peer, stderr);
  } finally {
    setTimeout(() => child.kill(), 2_000).unref();
  }
}

/** Both know the same: nothing was sent. */
function nothingNew(peer: CellId | undefined): SessionResult {
  return { peer: peer ?? '', taken: 0, given: 0, pulses: 0, genome: false, refused: {}, refusedByPeer: {} };
}

/** Syncs with many peers, `limit` at a time; what fails says why, and nothing throws. */
export async function syncAll(
  peers: readonly (Peer & { readonly id: CellId })[],
  options: SyncOptions & { readonly limit?: number },
): Promise<readonly PeerResult[]> {
  const results: PeerResult[] = [];
  const queue = peers.entries();
  const worker = async (): Promise<void> => {
    for (const [index, peer] of queue) {
      try {
        results[index] = { id: peer.id, ok: true, result: await syncWith(peer, options) };
      } catch (error) {
        const why =
          error instanceof CellError && error.why !== undefined ? `${error.message}: ${error.why}` : messageOf(error);
        results[index] = { id: peer.id, ok: false, why };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.limit ?? 4, peers.length) }, worker));
  return results;
}

/** The arguments of `ssh` for a peer with its host key pinned, destination last; a command may follow. */
export function sshArguments(
  { reach, hostKey }: Pick<Peer, 'reach' | 'hostKey'>,
  home: string,
  user = reach.user,
): string[] {
  const alias = `cell-${createHash('sha256').update(hostKey).digest('hex').slice(0, 32)}`;
  const known = join(home, 'known', alias);
  const line = `${alias} ${hostKey}\n`;
  if (readOr(known) !== line) {
    mkdirSync(join(home, 'known'), { recursive: true });
    replaceFile(known, line);
  }
  const options = {
    BatchMode: 'yes',
    IdentitiesOnly: 'yes',
    IdentityAgent: 'none',
    PreferredAuthentications: 'publickey',
    HostKeyAlias: alias,
    HostKeyAlgorithms: 'ssh-ed25519',
    StrictHostKeyChecking: 'yes',
    UserKnownHostsFile: `"${known}"`,
    GlobalKnownHostsFile: '/dev/null',
    UpdateHostKeys: 'no',
    CheckHostIP: 'no',
    ClearAllForwardings: 'yes',
    ForwardAgent: 'no',
    ControlMaster: 'no',
    ControlPath: 'none',
    PermitLocalCommand: 'no',
    ConnectTimeout: CONNECT_S,
    ConnectionAttempts: 1,
    ServerAliveInterval: 5,
    ServerAliveCountMax: 3,
    LogLevel: 'ERROR',
  };
  const flags = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  return [
    '-F',
    'none',
    '-i',
    join(home, 'key'),
    '-p',
    String(reach.sshPort),
    '-l',
    user,
    ...flags,
    '--',
    reach.address,
  ];
}

/** What is asked for; a forced command there answers whatever is asked, and a door with a shell needs to be told. */
function serveCommand(reach: Reach, self: CellId): string {
  return `${layout(reach.root).cell} sync --serve --peer ${self}`;
}

function explained(error: unknown, { reach }: Peer, stderr: string): CellError {
  const where = `${reach.address}:${reach.sshPort}`;
  const said = stderr.trim().split('\n').at(-1) ?? '';
  if (/Host key verification failed|IDENTIFICATION HAS CHANGED|host key is known|No matching host key/i.test(stderr)) {
    return new CellError('HOST_KEY_MISMATCH', `The machine at ${where} is not the one that was born`, {
      why: 'it answered with another host key than the pinned one',
      suggestion: 'Somebody else answers at that address; `cell status` shows when the cell was last heard of.',
      cause: error,
    });
  }
  if (
    /refused|timed out|no route|unreachable|could not resolve|closed by|reset by|Permission denied|did not start/i.test(
      said,
    )
  ) {
    return new CellError('MACHINE_UNREACHABLE', `No sync with ${where}`, { why: said, cause: error });
  }
  const own = error instanceof CellError ? error : null;
  return new CellError(own?.code ?? 'SYNC_FAILED', `The sync with ${where} failed`, {
    why: [own?.why ?? messageOf(error), said].filter((part) => part !== '').join('; '),
    cause: error,
  });
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
