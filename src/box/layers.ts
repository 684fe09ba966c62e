/**
 * Layers: artefacts of an organism's own machines, kept on the box so that its next machines have them from their start.
 *
 *   DIR/layers/ORGANISM/HASH/opt/cell/store/HASH/   one artefact, laid between the image and a machine's own files
 *   DIR/layers/ORGANISM/current.json                which ones new machines get
 *
 * An artefact is known by the hash of the listing of its files (effects/artefacts.ts), so the box can tell by itself
 * whether what it copied is what it was called. Nothing else is taken: regular files below the store, owned by root, no
 * links, no special modes. One that no machine and no new machine needs is removed; all of them with the last machine.
 *
 * The machine is the organism's, and may be somebody else's by now: it can change its files while they are read. So each
 * step of a path is opened from the folder before it, and never through a link.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { CellError } from '../errors.ts';
import { locked, names, placesOf, readJson, readMachine, readMachines } from './files.ts';
import type { Box } from './machines.ts';
import { LAYER, machineId, tagOf } from './words.ts';

/** A Node is 120 MB, a folder of packages may be some hundreds; nobody's disk shall be filled by way of the box. */
const MOST_BYTES = 2 ** 30;
const MOST_FILES = 20_000;
const DEEPEST = 16;
const CHUNK = 1024 * 1024;
const STORE = ['opt', 'cell', 'store'] as const;
const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** A pipe in the place of a file must not keep the box waiting. */
const FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

const folderOf = (dir: string, organism: string) => join(dir, 'layers', organism);
const currentOf = (dir: string, organism: string) => join(folderOf(dir, organism), 'current.json');

/** A layer as a lower folder of an overlay. */
export const layerFolder = (dir: string, organism: string, hash: string) => join(folderOf(dir, organism), hash);

/** What a new machine of this organism starts with. Asked under the box's lock. */
export function layersFor(dir: string, organism: string): readonly string[] {
  const current = readJson<readonly string[]>(currentOf(dir, organism)) ?? [];
  return current.filter((hash) => LAYER.test(hash) && existsSync(layerFolder(dir, organism, hash)));
}

/**
 * Takes these artefacts from a machine that runs, unless they are there, and gives new machines these and no others.
 * Throws NOT_FOUND without the machine or the artefact, ARTEFACT_CORRUPT for content that is not what its name says.
 */
export async function bakeLayers(
  box: Box,
  organism: string,
  { birth, hashes }: { readonly birth: string; readonly hashes: readonly string[] },
): Promise<readonly string[]> {
  const { dir, host } = box;
  const folder = folderOf(dir, organism);
  const id = machineId(organism, birth);
  if (readMachine(dir, id)?.ready !== true || !host.alive(tagOf(dir, id))) {
    throw new CellError('NOT_FOUND', `The box has no machine ${id} that runs`);
  }
  // One organism's lock, as if it were a machine: a birth has no capital letter.
  await locked(dir, { tag: tagOf(dir, `${organism}-LAYERS`) }, async () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const name of names(folder).filter((one) => one.startsWith('.'))) await host.remove(join(folder, name));
    for (const hash of new Set(hashes)) {
      if (!existsSync(layerFolder(dir, organism, hash))) await take(box, organism, id, hash);
    }
    await locked(dir, 'box', async () => writeFileSync(currentOf(dir, organism), JSON.stringify(hashes)));
  });
  await dropUnused(box, organism);
  return hashes;
}

/** Removes what nothing needs any more; with the last machine, everything. */
export async function dropUnused({ dir, host }: Box, organism: string): Promise<void> {
  const folder = folderOf(dir, organism);
  if (!existsSync(folder)) return;
  const aside = await locked(dir, 'box', async () => {
    const machines = readMachines(dir).filter((machine) => machine.organism === organism);
    const gone = (path: string) => {
      const to = join(dir, 'layers', `.gone-${randomBytes(6).toString('hex')}`);
      renameSync(path, to);
      return to;
    };
    if (machines.length === 0) return [gone(folder)];
    const needed = new Set([...layersFor(dir, organism), ...machines.flatMap(({ layers = [] }) => layers)]);
    const unused = names(folder).filter((name) => LAYER.test(name) && !needed.has(name));
    return unused.map((name) => gone(join(folder, name)));
  });
  for (const path of aside) await host.remove(path);
}

/** Copies beside its place, and renames it into it once it is known to be whole. */
async function take({ dir, host }: Box, organism: string, id: string, hash: string): Promise<void> {
  const beside = join(folderOf(dir, organism), `.new-${hash}`);
  const to = join(beside, ...STORE, hash);
  mkdirSync(to, { recursive: true, mode: 0o755 });
  try {
    const found = copy(placesOf(dir, id).root, hash, to);
    if (found !== hash) {
      throw new CellError('ARTEFACT_CORRUPT', `${id} has something else by the name of ${hash.slice(0, 12)}…`, {
        why: `its content is ${found.slice(0, 12)}…`,
      });
    }
  } catch (error) {
    await host.remove(beside);
    throw error;
  }
  renameSync(beside, layerFolder(dir, organism, hash));
}

interface Copying {
  readonly lines: { readonly path: string; readonly line: string }[];
  bytes: number;
}

/** Gives the hash of what was copied. */
function copy(root: string, hash: string, to: string): string {
  const copying: Copying = { lines: [], bytes: 0 };
  let at = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    for (const name of [...STORE, hash]) {
      const next = within(at, name, FOLDER);
      closeSync(at);
      at = next;
    }
    copyFolder(at, '', to, copying, 0);
  } finally {
    closeSync(at);
  }
  const sorted = [...copying.lines].sort((a, b) => (a.path < b.path ? -1 : 1));
  return createHash('sha256')
    .update(sorted.map(({ line }) => line).join(''))
    .digest('hex');
}

/** Opens a name in an open folder, as openat(2) does. */
function within(folder: number, name: string, flags: number): number {
  try {
    return openSync(`/proc/self/fd/${folder}/${name}`, flags);
  } catch (cause) {
    const why = `${name}: ${(cause as NodeJS.ErrnoException).code ?? 'it cannot be opened'}`;
    throw new CellError('NOT_FOUND', 'The machine has no such artefact', { why, cause });
  }
}

function copyFolder(from: number, path: string, to: string, copying: Copying, depth: number): void {
  if (depth > DEEPEST) throw tooMuch('its folders are too deep');
  for (const entry of readdirSync(`/proc/self/fd/${from}`, { withFileTypes: true })) {
    const { name } = entry;
    // What a cell keeps beside its files for itself: code that its Node has compiled.
    if (path === '' && name.startsWith('.')) continue;
    if (/[\p{Cc}\\]/u.test(name)) throw tooMuch('a name in it has characters that a listing cannot hold');
    const its = path === '' ? name : `${path}/${name}`;
    // What the entry says of itself may be over; the flags hold.
    if (entry.isDirectory()) {
      mkdirSync(join(to, name), { mode: 0o755 });
      using(within(from, name, FOLDER), (next) => copyFolder(next, its, join(to, name), copying, depth + 1));
    } else if (entry.isFile()) {
      using(within(from, name, FILE), (file) => copyFile(file, its, join(to, name), copying));
    }
  }
}

function copyFile(from: number, path: string, to: string, copying: Copying): void {
  const stat = fstatSync(from);
  if (!stat.isFile()) throw tooMuch(`${path} is no file`);
  if (copying.lines.length >= MOST_FILES) throw tooMuch(`it has more than ${MOST_FILES} files`);
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(CHUNK);
  const mode = (stat.mode & 0o111) === 0 ? 0o644 : 0o755;
  using(openSync(to, 'wx', mode), (file) => {
    for (let size = readSync(from, buffer); size > 0; size = readSync(from, buffer)) {
      copying.bytes += size;
      if (copying.bytes > MOST_BYTES) throw tooMuch('it is larger than 1 GiB');
      hash.update(buffer.subarray(0, size));
      for (let written = 0; written < size; ) written += writeSync(file, buffer, written, size - written);
    }
  });
  copying.lines.push({ path, line: `${hash.digest('hex')}  ${path}\n` });
}

function using(descriptor: number, work: (descriptor: number) => void): void {
  try {
    work(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function tooMuch(why: string): CellError {
  return new CellError('NOT_ALLOWED', 'This is no artefact that the box would keep', { why });
}
