/**
 * A small file replaced whole, without waiting: for the sync path, where one blocking write is cheaper than the start of
 * a thread pool. Everything else uses files.ts.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fchmodSync, fsyncSync, ftruncateSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';

/** Replaces a file. Killed at any point, a reader finds the old content or the new. `durable`: flushed to disk first. */
export function replaceFile(file: string, content: string | Uint8Array, mode = 0o644, durable = true): void {
  // A name that nobody can guess, and only if it is new: another user who may write here could have put a link there.
  const beside = `${file}.${randomBytes(8).toString('hex')}.tmp`;
  const descriptor = openSync(beside, 'wx', mode);
  try {
    fchmodSync(descriptor, mode);
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
    if (durable) fsyncSync(descriptor);
  } catch (error) {
    closeSync(descriptor);
    rmSync(beside, { force: true });
    throw error;
  }
  closeSync(descriptor);
  renameSync(beside, file);
}

/**
 * Replaces a file also where the disk is full: over the old bytes then, whose room is there. A reader may find half of
 * it, so it is for what can be done without and is checked by whoever reads it.
 */
export function replaceInAnyCase(file: string, content: string, mode = 0o644): void {
  try {
    replaceFile(file, content, mode, false);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    const descriptor = openSync(file, 'r+');
    try {
      const bytes = Buffer.from(content);
      for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done, bytes.length - done, done);
      ftruncateSync(descriptor, bytes.length);
    } finally {
      closeSync(descriptor);
    }
  }
}
