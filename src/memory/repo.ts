/**
 * The bare repository `memory.git`: its refs and objects, read and written as cheaply as git allows.
 *
 * Refs are read from their files (loose first, then packed, the order git itself uses), so that a tick with nothing new
 * starts no process. Refs are only ever changed by `git update-ref`, with the old value named.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { GitProcess } from '../effects/git.ts';
import { ownerOf, readPlain, runAsOwner } from '../effects/owner.ts';
import { CellError } from '../errors.ts';
import { LEFTOVER_MS, MANY_LOOSE, MANY_PACKS, MANY_REFS, MAX_OBJECT } from './limits.ts';
import type { GitObject, TreeFile } from './objects.ts';
import { parseTree } from './objects.ts';

export interface RefChange {
  readonly ref: string;
  /** null: the ref must not be there. undefined: whatever it is. */
  readonly old?: string | null;
  /** null: the ref goes. */
  readonly to: string | null;
}

/** Folders beside the repository with packs that are not judged yet. */
export const INCOMING = 'incoming-';

const ZERO = '0'.repeat(40);

/** Every ref below `refs/heads/`, without that prefix. An absent repository has none. */
export function readHeads(dir: string): Map<string, string> {
  const heads = new Map<string, string>();
  const walk = (folder: string, prefix: string): void => {
    let names: import('node:fs').Dirent[];
    try {
      names = readdirSync(folder, { withFileTypes: true });
    } catch {
      return;
    }
    for (const name of names) {
      if (name.isDirectory()) walk(join(folder, name.name), `${prefix}${name.name}/`);
      else if (!name.name.endsWith('.lock')) {
        const oid = readText(join(folder, name.name)).trim();
        if (/^[0-9a-f]{40}$/.test(oid)) heads.set(prefix + name.name, oid);
      }
    }
  };
  walk(join(dir, 'refs/heads'), '');
  for (const line of readText(join(dir, 'packed-refs')).split('\n')) {
    const [, oid, name] = /^([0-9a-f]{40}) refs\/heads\/(.+)$/.exec(line) ?? [];
    if (oid !== undefined && name !== undefined && !heads.has(name)) heads.set(name, oid);
  }
  return heads;
}

function readText(file: string): string {
  try {
    return readPlain(file);
  } catch {
    return '';
  }
}

/** Moves refs, all or none. Throws SYNC_FAILED when one has not the old value any more. */
export async function updateRefs(dir: string, changes: readonly RefChange[]): Promise<void> {
  if (changes.length === 0) return;
  const { git } = await import('../effects/git.ts');
  const lines = changes.map(({ ref, old, to }) => {
    const was = old === undefined ? '' : ` ${old ?? ZERO}`;
    return to === null ? `delete ${ref}${was}` : `update ${ref} ${to}${was}`;
  });
  await git(dir, ['update-ref', '--stdin'], { input: `${lines.join('\n')}\n` });
}

/** Writes objects as loose files: each whole or not at all, flushed before a ref can point at it. */
export async function writeObjects(dir: string, objects: readonly GitObject[]): Promise<void> {
  if (ownerOf(dir) !== null) return giveObjects(dir, objects);
  const { deflateSync } = await import('node:zlib');
  for (const { type, body, id } of objects) {
    const folder = join(dir, 'objects', id.slice(0, 2));
    const file = join(folder, id.slice(2));
    if (existsSync(file)) continue;
    mkdirSync(folder, { recursive: true });
    const beside = join(dir, 'objects', `tmp_obj_${randomBytes(8).toString('hex')}`); // git prunes files of this name
    const bytes = deflateSync(Buffer.concat([Buffer.from(`${type} ${body.length}\0`), body]));
    const descriptor = openSync(beside, 'wx', 0o444);
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(beside, file);
  }
}

/** The same by git, as the repository's owner: one pack that git takes apart. */
async function giveObjects(dir: string, objects: readonly GitObject[]): Promise<void> {
  const { git } = await import('../effects/git.ts');
  const { packOf } = await import('./pack.ts');
  await git(dir, ['unpack-objects', '-q', '--strict'], { input: packOf(objects) });
}

export interface Objects {
  /** An object's content, null when it is not there. Throws SYNC_FAILED for one beyond MAX_OBJECT. */
  get(id: string): Promise<{ readonly type: string; readonly body: Buffer } | null>;
  close(): void;
}

/** Reads objects through one `git cat-file --batch`; requests are pipelined, so many feeds are read at once. */
export async function openObjects(dir: string, env: Readonly<Record<string, string>> = {}): Promise<Objects> {
  const { spawnGit } = await import('../effects/git.ts');
  const child: GitProcess = spawnGit(dir, ['cat-file', '--batch'], env);
  type Answer = { readonly type: string; readonly body: Buffer } | null;
  const waiting: { resolve(answer: Answer): void; reject(error: Error): void }[] = [];
  let chunks: Buffer[] = [];
  let held = 0;
  let need = 1; // bytes below which looking again is of no use
  let broken: Error | null = null;

  const fail = (why: string): void => {
    broken ??= new CellError('SYNC_FAILED', 'Objects cannot be read', { why });
    for (const { reject } of waiting.splice(0)) reject(broken);
    child.kill('SIGKILL');
  };
  const read = (): void => {
    if (held < need) return;
    let buffer = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
    for (;;) {
      const end = buffer.indexOf(10);
      need = buffer.length + 1;
      if (end < 0) break;
      const [, type, size] = buffer.toString('latin1', 0, end).split(' ');
      if (size === undefined) {
        waiting.shift()?.resolve(null); // "<id> missing"
        buffer = buffer.subarray(end + 1);
        continue;
      }
      const length = Number(size);
      if (length > MAX_OBJECT) {
        fail(`an object has ${length} bytes; at most ${MAX_OBJECT} are read`);
        return;
      }
      need = end + 1 + length + 1;
      if (buffer.length < need) break;
      waiting.shift()?.resolve({ type: type ?? '', body: Buffer.from(buffer.subarray(end + 1, end + 1 + length)) });
      buffer = buffer.subarray(need);
    }
    chunks = [buffer];
    held = buffer.length;
  };
  child.stdout.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    held += chunk.length;
    read();
  });
  child.stdin.on('error', () => undefined);
  child.stderr.resume();
  child.on('error', (error) => fail(error.message));
  child.on('close', () => fail('git cat-file ended'));
  return {
    get: (id) =>
      new Promise((resolve, reject) => {
        if (broken !== null) return reject(broken);
        waiting.push({ resolve, reject });
        child.stdin.write(`${id}\n`);
      }),
    close: () => {
      child.stdin.end();
    },
  };
}

/** A tree's files as a flat list. Throws for more than `max` files, or for anything that is no plain file. */
export async function readTree(objects: Objects, tree: string, max: number): Promise<Map<string, TreeFile>> {
  const files = new Map<string, TreeFile>();
  const walk = async (id: string, prefix: string, depth: number): Promise<void> => {
    const object = id === EMPTY_TREE ? { type: 'tree', body: Buffer.alloc(0) } : await objects.get(id);
    if (object?.type !== 'tree' || depth > 32) throw new Error('a tree is missing or too deep');
    for (const row of parseTree(object.body)) {
      if (row.mode === '40000') await walk(row.id, `${prefix}${row.name}/`, depth + 1);
      else if (row.mode === '100644' || row.mode === '100755')
        files.set(prefix + row.name, { mode: row.mode, blob: row.id });
      else throw new Error(`${prefix}${row.name} is neither a file nor a folder`);
      if (files.size > max) throw new Error(`there are more than ${max} files`);
    }
  };
  await walk(tree, '', 0);
  return files;
}

export const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

/** Joins many small packs, objects and refs into few. Cheap to ask; safe beside readers, and when it is killed. */
export async function tidy(dir: string, door: string): Promise<boolean> {
  const size = (folder: string) => (existsSync(join(dir, folder)) ? readdirSync(join(dir, folder)).length : 0);
  const packs = size('objects/pack') / 2 > MANY_PACKS;
  const loose = size('objects/17') > MANY_LOOSE;
  const refs = size('refs/heads/cells') > MANY_REFS;
  if (!packs && !loose && !refs) return false;
  const { git } = await import('../effects/git.ts');
  if (packs || loose) await git(dir, ['repack', '-d', '--geometric=2', '-q']);
  if (refs) await git(dir, ['pack-refs', '--all']);
  const old: string[] = [];
  for (const [folder, prefix] of [
    [join(dir, 'objects'), 'tmp_obj_'],
    [door, INCOMING],
  ] as const) {
    for (const name of readdirSync(folder).filter((each) => each.startsWith(prefix))) {
      const path = join(folder, name);
      const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (age > LEFTOVER_MS) old.push(path);
    }
  }
  if (old.length > 0) await runAsOwner(dir, 'rm', ['-rf', '--', ...old]);
  return true;
}
