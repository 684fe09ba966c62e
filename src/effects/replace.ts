/**
 * A small file replaced whole, without waiting: for the sync path, where one blocking write is cheaper than the start of
 * a thread pool. Everything else uses files.ts.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';

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
