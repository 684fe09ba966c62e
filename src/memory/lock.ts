/**
 * A short lock between this home's processes: whoever takes in entries or evidence holds it, so that two sessions do not
 * overwrite each other's notes. Reading needs none. A lock whose holder is gone, or that is too old, is taken over.
 */
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { CellError } from '../errors.ts';
import { LOCK_STALE_MS } from './limits.ts';

/** Runs `work` under the lock file. Throws TIMEOUT when others hold it for longer than a hang would. */
export async function withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  const mine = `${process.pid} ${crypto.randomUUID()}`;
  const until = Date.now() + LOCK_STALE_MS * 2;
  while (!take(file, mine)) {
    if (Date.now() > until) throw new CellError('TIMEOUT', `The lock ${file} stays taken`);
    await delay(5 + Math.random() * 20);
  }
  try {
    return await work();
  } finally {
    if (read(file) === mine) rmSync(file, { force: true });
  }
}

function take(file: string, mine: string): boolean {
  try {
    writeFileSync(file, mine, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const holder = read(file);
  const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
  const stale = age > LOCK_STALE_MS || (holder === '' ? age > 1000 : !alive(Number(holder.split(' ')[0])));
  if (stale && read(file) === holder) {
    // Moved aside first: of two that see the same stale lock, only one moves it, and what was moved is looked at again.
    const aside = `${file}.${mine.split(' ')[1]}`;
    try {
      renameSync(file, aside);
      if (read(aside) !== holder) renameSync(aside, file);
      else rmSync(aside, { force: true });
    } catch {
      // the other one was quicker
    }
  }
  return false;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function alive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
