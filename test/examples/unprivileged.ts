/** Programs as a user without rights, as the functions of a cell run: what a test that is root needs for that. */
import { chmodSync, chownSync, existsSync, linkSync, readdirSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface User {
  readonly uid: number;
  readonly gid: number;
}

const NOBODY: User = { uid: 65_534, gid: 65_534 };

/** nobody, when this process may choose; else nothing: then it has no rights to lose. */
export function unprivileged(): Partial<User> {
  return process.getuid?.() === 0 ? NOBODY : {};
}

/** Hands a folder over with all that is in it. */
export function giveTo({ uid, gid }: Partial<User>, folder: string): void {
  if (uid === undefined || gid === undefined) return;
  chownSync(folder, uid, gid);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) giveTo({ uid, gid }, path);
    else if (entry.isFile()) chownSync(path, uid, gid);
  }
}

/** A Node that the user can run: this one may lie where only root comes, so it gets a second name in `folder`. */
export async function nodeFor({ uid }: Partial<User>, folder: string): Promise<string> {
  if (uid === undefined) return process.execPath;
  const node = join(folder, 'node');
  if (existsSync(node)) return node;
  try {
    linkSync(process.execPath, node);
  } catch {
    // Another file system.
    await copyFile(process.execPath, node);
    chmodSync(node, 0o755);
  }
  return node;
}
