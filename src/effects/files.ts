/**
 * Files that survive a power cut, and lists of files that tell what changed between two looks.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, mkdir, open, readdir, readFile, readlink, rename, rm } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CellError, messageOf } from '../errors.ts';

export function codeOf(thrown: unknown): string | undefined {
  return (thrown as NodeJS.ErrnoException | null)?.code;
}

/**
 * Replaces a file as a whole: a reader sees the old bytes or the new ones, also after a crash. Makes the folder when
 * it is missing. The temporary file beside it begins and ends with what cron.d and systemd do not read.
 */
export async function writeAtomic(path: string, data: string | Uint8Array, mode = 0o644): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  const temporary = join(folder, `.${randomBytes(8).toString('hex')}.tmp`);
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      // The mode given to open is cut by the umask; a secret's must be exact.
      await file.chmod(mode);
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw thrown;
  }
  // The rename itself is only on the disk when the folder is.
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A text file, or null when there is none. */
export async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return null;
    throw thrown;
  }
}

/** writeAtomic, unless the file is already so. True when it was written. */
export async function writeIfChanged(path: string, data: string, mode = 0o644): Promise<boolean> {
  if ((await readIfThere(path)) === data) {
    const now = await lstat(path);
    if (now.isFile() && (now.mode & 0o777) === mode) return false;
  }
  await writeAtomic(path, data, mode);
  return true;
}

/**
 * A JSON file, or `fallback` when there is none. Throws CHECKPOINT_CORRUPT for anything that is not JSON, unless
 * `onCorrupt` says that what it held can be done without.
 */
export async function readJson<T>(path: string, fallback: T, onCorrupt: 'throw' | 'fallback' = 'throw'): Promise<T> {
  const text = await readIfThere(path);
  if (text === null) return fallback;
  try {
    return JSON.parse(text) as T;
  } catch (thrown) {
    if (onCorrupt === 'fallback') return fallback;
    throw new CellError('CHECKPOINT_CORRUPT', `${path} is not JSON`, {
      why: messageOf(thrown),
      suggestion: 'Put back a copy of the file, or move it away to start without what it held.',
      fields: { path },
      cause: thrown,
    });
  }
}

export interface ManifestEntry {
  /** Below the folder, with `/`, normalised. */
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
  /** Permission bits. */
  readonly mode: number;
  /** A folder: its size and time are 0, for they say nothing of what is in it. */
  readonly folder?: true;
  /** Where a symbolic link points. */
  readonly link?: string;
  readonly sha256?: string;
}

/** Folders, files and symbolic links, by path in the order of their code units: a folder before what is in it. */
export type Manifest = readonly ManifestEntry[];

export interface ManifestOptions {
  /** Read every file for its hash. */
  readonly hash?: boolean;
}

function inside(path: string): string {
  const plain = normalize(path).replace(/(?<=.)[\\/]+$/, '');
  if (isAbsolute(plain) || plain === '..' || plain.startsWith(`..${sep}`)) {
    throw new CellError('NOT_ALLOWED', `${path} is outside of its folder`, {
      suggestion: 'Name data by paths below the function’s own folder.',
    });
  }
  return plain;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/**
 * What is below these paths of a folder now. Paths that are not there, and files that vanish while it looks, are left
 * out, as are sockets and pipes: nothing of them could be copied. Throws NOT_ALLOWED for a path out of the folder.
 */
export async function manifest(
  folder: string,
  paths: readonly string[],
  options: ManifestOptions = {},
): Promise<Manifest> {
  const found = new Map<string, ManifestEntry>();

  async function walk(path: string): Promise<void> {
    const full = join(folder, path);
    try {
      const stat = await lstat(full);
      const mode = stat.mode & 0o7777;
      const base = { path, size: stat.size, mtimeMs: stat.mtimeMs, mode };
      if (stat.isDirectory()) {
        // Programs keep empty folders that they need, and close folders that others must not look into.
        if (path !== '.') found.set(path, { path, size: 0, mtimeMs: 0, mode, folder: true });
        for (const name of await readdir(full)) await walk(path === '.' ? name : `${path}/${name}`);
      } else if (stat.isSymbolicLink()) {
        found.set(path, { ...base, link: await readlink(full) });
      } else if (stat.isFile()) {
        found.set(path, options.hash === true ? { ...base, sha256: await hashOf(full) } : base);
      }
    } catch (thrown) {
      if (codeOf(thrown) !== 'ENOENT' && codeOf(thrown) !== 'ENOTDIR') throw thrown;
    }
  }

  for (const path of paths.map(inside)) await walk(path);
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

function differs(a: ManifestEntry, b: ManifestEntry): boolean {
  if (a.size !== b.size || a.mode !== b.mode || a.link !== b.link || a.folder !== b.folder) return true;
  if (a.sha256 !== undefined && b.sha256 !== undefined) return a.sha256 !== b.sha256;
  return a.mtimeMs !== b.mtimeMs;
}

/** What to copy and what to remove to get from `before` to `after`. Paths in the order of the manifests. */
export function diffManifest(
  before: Manifest,
  after: Manifest,
): { readonly changed: readonly string[]; readonly removed: readonly string[] } {
  const old = new Map(before.map((entry) => [entry.path, entry]));
  const now = new Set(after.map((entry) => entry.path));
  const changed = after.filter((entry) => {
    const was = old.get(entry.path);
    return was === undefined || differs(was, entry);
  });
  return {
    changed: changed.map((entry) => entry.path),
    removed: before.filter((entry) => !now.has(entry.path)).map((entry) => entry.path),
  };
}
