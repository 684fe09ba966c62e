/**
 * What a box asks of its operating system, as a port: the tests of everything above have one that only takes notes.
 * Programs are started with lists of arguments; no shell reads anything that came from outside.
 */
import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { promisify } from 'node:util';
import { CellError } from '../errors.ts';

/** What is needed to start a machine. */
export interface Boot {
  readonly tag: string;
  readonly id: string;
  readonly root: string;
  readonly bridge: string;
  readonly containers: string;
  readonly log: string;
  readonly cpus: number | null;
  readonly memory: number | null;
}

export interface Host {
  /** Lays `upper` over the lower folders, the topmost first, at `root`, unless it lies there. */
  overlay(lower: readonly string[], upper: string, work: string, root: string): Promise<void>;
  /** Unmounts all there is at and below a folder. Nothing there is fine. */
  unmount(folder: string): Promise<void>;
  /** Removes a folder, but never through a mount. */
  remove(folder: string): Promise<void>;
  /** Starts a machine; returns when its network is there. Throws PROVIDER_REFUSED with the end of its console. */
  boot(boot: Boot): Promise<void>;
  alive(tag: string): boolean;
  /** Other limits for a machine that runs. */
  limit(tag: string, limits: Pick<Boot, 'cpus' | 'memory'>): Promise<void>;
  /** Ends all processes of a machine at once, as a power cut would, and waits until they are gone. None is fine. */
  cut(tag: string): Promise<void>;
  /** What limits on a machine come to here. */
  limits(): { readonly cpus: string; readonly memory: string };
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** For children: a forced command of sshd has no sbin on its PATH. */
export const environment = (more: Readonly<Record<string, string>> = {}) => ({
  PATH,
  LC_ALL: 'C',
  HOME: '/root',
  ...more,
});

/** Runs a program to its end; gives stdout. Throws REMOTE_FAILED with the end of stderr. `timeoutMs`: then it is killed. */
export async function run(file: string, args: readonly string[], timeoutMs = 30_000): Promise<string> {
  try {
    const options = { env: environment(), timeout: timeoutMs, maxBuffer: 16 * 1024 * 1024 };
    return (await promisify(execFile)(file, [...args], options)).stdout;
  } catch (cause) {
    const { code, stderr = '' } = cause as { code?: number | string; stderr?: string };
    if (code === 'ENOENT') {
      throw new CellError('NOT_FOUND', `This box has no ${file}`, {
        suggestion: 'apt-get install systemd-container debootstrap iproute2 nftables',
      });
    }
    const last = stderr.trim().split('\n').slice(-3).join(' | ');
    throw new CellError('REMOTE_FAILED', `${file} failed`, {
      why: last === '' ? `it ended with ${code}` : last,
      cause,
    });
  }
}

/** Where something is mounted at or below a folder, the innermost first. */
export function mountsBelow(
  folder: string,
  mountinfo = readFileSync('/proc/self/mountinfo', 'utf8'),
): readonly string[] {
  const points = mountinfo
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .map((point) => point.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))))
    .filter((point) => point === folder || point.startsWith(`${folder}/`));
  return points.reverse();
}

export async function mountOverlay(lower: readonly string[], upper: string, work: string, root: string): Promise<void> {
  if (mountsBelow(root).includes(root)) return;
  const options = `lowerdir=${lower.join(':')},upperdir=${upper},workdir=${work}`;
  await run('mount', ['-t', 'overlay', 'overlay', '-o', options, root]);
}

export async function unmountBelow(folder: string): Promise<void> {
  for (const point of mountsBelow(folder)) {
    try {
      await run('umount', [point]);
    } catch {
      // Busy: some look at it goes on. Detached, it ends when they do.
      await run('umount', ['--lazy', point]);
    }
  }
}

export async function removeTree(folder: string): Promise<void> {
  await unmountBelow(folder);
  if (mountsBelow(folder).length > 0)
    throw new CellError('PROVIDER_REFUSED', `${folder} is mounted and cannot be removed`);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}
