/**
 * Whose address is whose: a file an address, made with its content in one step, so a claim is never half there. Called
 * under the box's lock, as a claim whose machine is gone is taken over.
 */
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CellError } from '../errors.ts';
import { names, placesOf } from './files.ts';
import { candidates, parseNetwork } from './network.ts';
import { organismOf } from './words.ts';

/** An address for a machine: the one it has, or a free one. Throws PROVIDER_REFUSED when none is free. */
export function claimAddress(dir: string, network: string, id: string): string {
  const folder = join(dir, 'addresses');
  mkdirSync(folder, { recursive: true });
  const draft = join(folder, `.${id}`);
  writeFileSync(draft, id);
  try {
    for (const address of candidates(parseNetwork(network), id)) {
      const file = join(folder, address);
      const holder = holderOf(file);
      // Killed between the claim and the machine's folder, or between the folder's end and the claim's.
      if (holder !== null && holder !== id && !lives(dir, holder)) rmSync(file, { force: true });
      if (holder === id || linked(draft, file)) return address;
    }
  } finally {
    rmSync(draft, { force: true });
  }
  throw new CellError('PROVIDER_REFUSED', `No address is free in ${network}`, {
    suggestion: 'Remove machines (`cell box list`), or make a box with a larger network.',
  });
}

/** Gives back what a machine has claimed, also where nothing else knows of it. */
export function releaseAddress(dir: string, id: string): void {
  const folder = join(dir, 'addresses');
  for (const name of names(folder))
    if (holderOf(join(folder, name)) === id) rmSync(join(folder, name), { force: true });
}

function holderOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

function lives(dir: string, id: string): boolean {
  return organismOf(id) !== null && existsSync(placesOf(dir, id).folder);
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
