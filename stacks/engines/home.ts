/**
 * The folder of a stack inside an engine's home, its passphrase, and the lease that every changing call holds.
 *
 * HOME/embedded/STACK/ and HOME/pulumi/STACK/. Each stack has a passphrase of its own, so that handing a stack to
 * another cell opens nothing but that stack.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { CellError } from '../../src/errors.ts';
import type { EngineName } from '../stack.ts';
import { locked } from './failures.ts';
import { acquireLease, type Lease, leaseHolder } from './lock.ts';

/** A holder renews at a third of this. After a power cut on the same boot id nobody waits longer. */
const LEASE_MS = 60_000;

export interface StackHome {
  readonly folder: string;
  readonly passphraseFile: string;
  readonly checkpointFile: string;
}

/** Where a stack is. Throws CellError USAGE for a name that is no file name. */
export function stackHome(home: string, engine: EngineName, stack: string): StackHome {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(stack)) {
    throw new CellError('USAGE', `${JSON.stringify(stack)} is no name for a stack`, {
      why: 'it may have letters, digits, dots, dashes and underscores, and begins with a letter or digit',
    });
  }
  const folder = join(home, engine, stack);
  return { folder, passphraseFile: join(folder, 'passphrase'), checkpointFile: join(folder, 'checkpoint.json') };
}

/**
 * Runs `work` while holding the stack's lease. The signal aborts when the lease is lost: nothing may be changed then.
 * Throws CellError STACK_LOCKED when somebody else holds it.
 */
export async function holding<T>(
  stack: string,
  { folder }: StackHome,
  work: (lease: Lease, lost: AbortSignal) => Promise<T>,
): Promise<T> {
  const file = join(folder, 'lock');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lease = await acquireLease(file, { ttlMs: LEASE_MS });
  if (lease === null) {
    const holder = leaseHolder(file);
    throw locked(stack, holder === null ? 'others are about to work on it' : `process ${holder.pid} holds its lock`);
  }
  const lost = new AbortController();
  const renewal = setInterval(() => {
    if (!lease.renew()) lost.abort(locked(stack, 'its lock ran out while this computer was busy or asleep'));
  }, LEASE_MS / 3);
  renewal.unref();
  try {
    return await work(lease, lost.signal);
  } finally {
    clearInterval(renewal);
    lease.release();
  }
}

/** The stack's passphrase, made at its first use (mode 0600). Call it with the lease. */
export function passphraseOf({ folder, passphraseFile }: StackHome): string {
  if (!existsSync(passphraseFile)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeDurably(passphraseFile, `${randomBytes(32).toString('base64url')}\n`);
  }
  return readFileSync(passphraseFile, 'utf8').trim();
}

/**
 * Writes a file so that after a crash it holds the old text or the new. With `backup`, the old text stays there; both
 * steps are renames, so there is a whole file at every moment.
 */
export function writeDurably(file: string, text: string, backup?: string): void {
  const draft = `${file}.${process.pid}.tmp`;
  const fd = openSync(draft, 'w', 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  if (backup !== undefined && existsSync(file)) {
    rmSync(`${backup}.tmp`, { force: true });
    linkSync(file, `${backup}.tmp`);
    renameSync(`${backup}.tmp`, backup);
  }
  renameSync(draft, file);
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
