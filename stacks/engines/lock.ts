/**
 * Leases: locks that expire. Nothing but node:fs is loaded here, for the tick takes one too.
 *
 * A lease is a file `FILE.N`. What it says (process, boot, token, time to live) never changes; when it runs out is its
 * modification time, so a renewal is one atomic call. A stale lease is one that ran out, or whose process is dead.
 *
 * 1. Look: any lease that is not stale means busy.
 * 2. Announce: link a finished file to the next number. Of those who saw the same numbers, one succeeds.
 * 3. Look again: with another live lease, or a higher number, step back. Whoever links after us sees ours, so two
 *    never pass this step together, however long either slept between the steps.
 * 4. Hold, and clear away what was stale. Only a holder removes files, and never its own: it marks that as run out when
 *    it is done. So the highest number stays, no number means two leases, and one small file remains beside FILE.
 *
 * A holder that ran out has lost it, even when nobody took it: somebody may be about to, having looked already.
 */
import {
  closeSync,
  fstatSync,
  futimesSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';

export interface LeaseOptions {
  /** How long it holds without a renewal, ms. Renew at a third of it. */
  readonly ttlMs: number;
  /** The clock, ms since the epoch. */
  readonly now?: () => number;
  /** Only processes of this operating system use the file: whoever held it in another boot ended with that boot. */
  readonly alone?: boolean;
}

export interface Lease {
  /** True while it is ours: not taken over, not run out. */
  held(): boolean;
  /** Another full time to live; false when it is lost, and then it stays lost. */
  renew(): boolean;
  /** Gives it back. Twice is fine. */
  release(): void;
}

/** Who holds a lease, as its file says. */
export interface Holder {
  readonly pid: number;
  /** Which boot of which computer, and which process namespace; a pid means something in there only. */
  readonly boot: string;
  /** When the process started, in the kernel's ticks since boot; null where that cannot be known. */
  readonly started: string | null;
  readonly token: string;
  readonly ttlMs: number;
}

interface Found {
  readonly number: number;
  readonly path: string;
  readonly live: boolean;
  readonly holder: Holder | null;
}

/** How often to try when several step back from each other. */
const ATTEMPTS = 12;

/** Takes the lease, or null when somebody else holds it. Throws only what the file system throws. */
export async function acquireLease(file: string, options: LeaseOptions): Promise<Lease | null> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const taken = tryOnce(file, options);
    if (taken !== 'again') return taken;
    await new Promise((resolve) => setTimeout(resolve, 2 + Math.random() * 10 * attempt));
  }
  return null;
}

/** Who holds it now, or null. For messages: it may have changed by the time it is read. */
export function leaseHolder(file: string, now: () => number = Date.now): Holder | null {
  return look(file, now()).find((found) => found.live)?.holder ?? null;
}

function tryOnce(file: string, { ttlMs, now = Date.now, alone = false }: LeaseOptions): Lease | null | 'again' {
  mkdirSync(dirname(file), { recursive: true });
  const before = look(file, now(), alone);
  if (before.some((found) => found.live)) return null;
  const number = 1 + Math.max(0, ...before.map((found) => found.number));
  const path = `${file}.${number}`;
  const token = `${process.pid}-${process.hrtime.bigint()}-${Math.random().toString(36).slice(2)}`;
  const draft = join(dirname(file), `.${basename(file)}.${token}`);
  let fd: number;
  try {
    fd = openSync(draft, 'wx', 0o600);
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return 'again'; // the folder went away with its stack
    throw thrown;
  }
  let holds = false;
  try {
    const holder: Holder = { pid: process.pid, boot: bootOf(), started: startOf(process.pid), token, ttlMs };
    writeSync(fd, `${JSON.stringify(holder)}\n`);
    const expires = now() + ttlMs;
    futimesSync(fd, expires / 1000, expires / 1000);
    linkSync(draft, path);
    const others = look(file, now(), alone).filter((found) => found.number !== number);
    if (others.some((found) => found.live || found.number > number)) return 'again';
    for (const stale of others) unlink(stale.path);
    clearDrafts(file, draft, now());
    holds = true;
    return lease(fd, expires, ttlMs, now);
  } catch (thrown) {
    const code = codeOf(thrown);
    if (code === 'EEXIST' || code === 'ENOENT') return 'again';
    throw thrown;
  } finally {
    unlink(draft);
    if (!holds) drop(fd);
  }
}

function lease(fd: number, expiry: number, ttlMs: number, now: () => number): Lease {
  let expires = expiry;
  let open = true;
  const release = (): void => {
    if (!open) return;
    open = false;
    drop(fd);
  };
  const held = (): boolean => {
    if (open && (now() >= expires || fstatSync(fd).nlink === 0)) release();
    return open;
  };
  const renew = (): boolean => {
    if (!held()) return false;
    expires = now() + ttlMs;
    futimesSync(fd, expires / 1000, expires / 1000);
    return held();
  };
  return { held, renew, release };
}

/** Marks our own file, whatever its name means by now, as run out. Removing it by name could hit somebody else's. */
function drop(fd: number): void {
  futimesSync(fd, 0, 0);
  closeSync(fd);
}

function look(file: string, now: number, alone = false): readonly Found[] {
  const prefix = `${basename(file)}.`;
  const found: Found[] = [];
  for (const name of namesIn(dirname(file))) {
    const number = name.startsWith(prefix) ? name.slice(prefix.length) : '';
    if (!/^\d{1,15}$/.test(number)) continue;
    const path = join(dirname(file), name);
    try {
      const expires = statSync(path).mtimeMs;
      const holder = parse(readFileSync(path, 'utf8'));
      found.push({ number: Number(number), path, holder, live: !isStale(holder, expires, now, alone) });
    } catch (thrown) {
      if (codeOf(thrown) !== 'ENOENT') throw thrown; // gone between listing and reading
    }
  }
  return found;
}

function isStale(holder: Holder | null, expires: number, now: number, alone: boolean): boolean {
  if (now >= expires) return true;
  if (holder === null) return false; // unreadable: wait until it runs out
  if (holder.boot === bootOf()) return !isAlive(holder.pid, holder.started);
  if (alone) return true;
  // Another boot or computer: only the clock tells. One that claims more than it asked for had a wrong clock.
  return expires > now + 2 * holder.ttlMs;
}

/** Whether a process still runs. `started` guards against another that got the same pid. */
export function isAlive(pid: number, started: string | null): boolean {
  try {
    process.kill(pid, 0);
  } catch (thrown) {
    if (codeOf(thrown) === 'ESRCH') return false;
  }
  const now = startOf(pid);
  return now !== 'dead' && (started === null || now === null || now === started);
}

/** The start time of a process: field 22 of /proc/PID/stat (proc(5)); 'dead' for a zombie; null where there is none. */
export function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the command in parentheses, which may hold spaces and parentheses itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? 'dead' : (fields[19] ?? null);
  } catch {
    return null;
  }
}

let boot: string | undefined;

function bootOf(): string {
  if (boot === undefined) {
    try {
      const id = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
      boot = `${id} ${readlinkSync('/proc/self/ns/pid')}`;
    } catch {
      boot = hostname();
    }
  }
  return boot;
}

function parse(text: string): Holder | null {
  try {
    const holder = JSON.parse(text) as Holder;
    return Number.isInteger(holder.pid) && typeof holder.boot === 'string' ? holder : null;
  } catch {
    return null;
  }
}

/** Drafts of processes that were killed before they could announce them. */
function clearDrafts(file: string, own: string, now: number): void {
  const prefix = `.${basename(file)}.`;
  for (const name of namesIn(dirname(file))) {
    const path = join(dirname(file), name);
    if (!name.startsWith(prefix) || path === own) continue;
    const made = statSync(path, { throwIfNoEntry: false })?.ctimeMs;
    if (made !== undefined && now - made > 60_000) unlink(path);
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

function unlink(path: string): void {
  try {
    unlinkSync(path);
  } catch (thrown) {
    if (codeOf(thrown) !== 'ENOENT') throw thrown;
  }
}

function codeOf(thrown: unknown): string | undefined {
  return (thrown as NodeJS.ErrnoException).code;
}
