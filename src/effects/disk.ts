/**
 * Bytes of a function's data. Counting again costs as much as there are files, so a count is kept for twenty times as
 * long as it took: at most a twentieth of the time goes into it.
 */
import { lstat, readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';

export interface DiskCount {
  readonly at: number;
  readonly bytes: number;
  /** Of the whole file system. */
  readonly total: number;
  /** ms that counting took. */
  readonly took: number;
}

/** A tick must not hang on a function with millions of files. */
const PATIENCE_MS = 1_000;
const KEEP_FOR = 20;

/** What is there now, or not long ago; or why it is not known. */
export async function diskOf(
  folder: string,
  paths: readonly string[],
  now: number,
  previous: DiskCount | null | undefined,
): Promise<DiskCount | { readonly why: string }> {
  if (previous != null && now >= previous.at && now - previous.at < KEEP_FOR * previous.took) return previous;
  const began = performance.now();
  let bytes = 0;
  const queue = paths.map((path) => join(folder, path));
  const seen = new Set<string>();
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (performance.now() - began > PATIENCE_MS) return { why: `too many files to count within ${PATIENCE_MS} ms` };
    try {
      const stat = await lstat(path);
      const identity = `${stat.dev}:${stat.ino}`;
      // A file with two names takes its room once.
      if (seen.has(identity)) continue;
      seen.add(identity);
      if (stat.isDirectory()) for (const name of await readdir(path)) queue.push(join(path, name));
      else bytes += stat.size;
    } catch (thrown) {
      const { code, message } = thrown as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR') return { why: message };
    }
  }
  try {
    const system = await statfs(folder);
    return { at: now, bytes, total: system.blocks * system.bsize, took: performance.now() - began };
  } catch (thrown) {
    return { why: (thrown as Error).message };
  }
}
