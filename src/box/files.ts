/** Where a box keeps what, and its own small files. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquireLease } from '../../stacks/engines/lock.ts';
import { replaceFile } from '../effects/replace.ts';
import { CellError } from '../errors.ts';
import { type BoxFile, DIR_NAME, type MachineFile, organismOf } from './words.ts';

/** Longer than anything that is done under a lock takes; who was killed is noticed by the process, not by this. */
const LEASE_MS = 120_000;
const LOCKS = 64;

export interface MachinePlaces {
  readonly folder: string;
  readonly file: string;
  readonly upper: string;
  readonly work: string;
  readonly root: string;
  /** Beside the overlay, for podman cannot lay one overlay over another. */
  readonly containers: string;
  readonly log: string;
}

export function placesOf(dir: string, id: string): MachinePlaces {
  if (organismOf(id) === null) throw new CellError('USAGE', 'That is no id of a machine');
  const folder = join(dir, 'machines', id);
  const at = (name: string) => join(folder, name);
  return {
    folder,
    file: at('machine.json'),
    upper: at('upper'),
    work: at('work'),
    root: at('root'),
    containers: at('containers'),
    log: at('console.log'),
  };
}

export const imageFolder = (dir: string, image: string) => join(dir, 'images', image);

/** Throws USAGE for a folder that could not be named in a mount or in authorized_keys. */
export function checkedDir(dir: string): string {
  if (DIR_NAME.test(dir) && !dir.split('/').includes('..')) return dir.replace(/\/+$/, '');
  throw new CellError('USAGE', `${dir} cannot be the folder of a box`, {
    why: 'expected an absolute path of letters, digits, dots, dashes and underscores',
  });
}

/** Throws NOT_FOUND where there is no box. */
export function readBox(dir: string): BoxFile {
  const box = readJson<BoxFile>(join(dir, 'box.json'));
  if (box !== null) return box;
  throw new CellError('NOT_FOUND', `There is no box at ${dir}`, { suggestion: 'Make it: `cell box init`.' });
}

export function writeBox(dir: string, box: BoxFile): void {
  replaceFile(join(dir, 'box.json'), `${JSON.stringify(box, null, 2)}\n`);
}

export function readMachine(dir: string, id: string): MachineFile | null {
  return readJson<MachineFile>(placesOf(dir, id).file);
}

export function writeMachine(dir: string, machine: MachineFile): void {
  replaceFile(placesOf(dir, machine.id).file, `${JSON.stringify(machine, null, 2)}\n`, 0o600);
}

/** Every machine, in the order of ids. */
export function readMachines(dir: string): readonly MachineFile[] {
  return names(join(dir, 'machines')).flatMap((id) => {
    const machine = organismOf(id) === null ? null : readMachine(dir, id);
    return machine === null ? [] : [machine];
  });
}

/** Images that are whole. */
export function imagesOf(dir: string): readonly string[] {
  return names(join(dir, 'images')).filter((name) => !name.startsWith('.'));
}

export function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** A machine's folder comes and goes whole: it is made under another name, and renamed away before it is emptied. */
export function appear(dir: string, machine: MachineFile): void {
  const places = placesOf(dir, machine.id);
  const beside = join(dir, 'machines', `.new-${machine.id}`);
  rmSync(beside, { recursive: true, force: true });
  mkdirSync(beside, { recursive: true, mode: 0o700 });
  replaceFile(join(beside, 'machine.json'), `${JSON.stringify(machine, null, 2)}\n`, 0o600);
  renameSync(beside, places.folder);
}

/**
 * Runs `work` under a lease of the box. Those of machines are few for all ids, so that no machine leaves a file behind;
 * two that share one wait for each other. Throws TIMEOUT.
 */
export async function locked<T>(
  dir: string,
  what: 'box' | { readonly tag: string },
  work: () => Promise<T>,
): Promise<T> {
  const name = what === 'box' ? 'box' : `machine-${Number.parseInt(what.tag.slice(1, 9), 16) % LOCKS}`;
  const file = join(dir, 'locks', name);
  const until = performance.now() + LEASE_MS;
  for (;;) {
    const lease = await acquireLease(file, { ttlMs: LEASE_MS });
    if (lease !== null) {
      try {
        return await work();
      } finally {
        lease.release();
      }
    }
    if (performance.now() > until)
      throw new CellError('TIMEOUT', 'Somebody else works on this machine and does not end');
    await sleep(20);
  }
}

/** Null where there is no such file. */
export function readJson<T>(file: string): T | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CellError('CHECKPOINT_CORRUPT', `${file} is not JSON`, { cause });
  }
}
