/**
 * Loopback addresses as a provider hands them out: which ones a machine may have, in an order that only depends on
 * who it is, and a claim (a file) so that a machine that is switched off keeps its own.
 */
import { createHash } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { namesIn } from './files.ts';
import { readMachine, userFolder } from './host.ts';

/** How many addresses are tried at their hashed places before all are tried in turn. */
const HASHED = 64;
/** A claim whose machine has not been written yet is respected this long, in ms. */
const GRACE = 60_000;

/** Every address of the network (127.A.B.0/16 or /24), each once, beginning where the identity's hashes point. */
export function* candidates(network: string, identity: string): Generator<string> {
  const [base = '', bits = '16'] = network.split('/');
  const [first, second, third] = base.split('.');
  const size = bits === '24' ? 254 : 256 * 254;
  const at = (index: number) => {
    const block = bits === '24' ? third : Math.floor(index / 254);
    return `${first}.${second}.${block}.${(index % 254) + 1}`;
  };
  const seen = new Set<number>();
  let last = 0;
  for (let round = 0; round < HASHED; round++) {
    last = createHash('sha256').update(`${identity}/${round}`).digest().readUInt32BE(0) % size;
    if (seen.has(last)) continue;
    seen.add(last);
    yield at(last);
  }
  for (let step = 1; step < size; step++) {
    const index = (last + step) % size;
    if (!seen.has(index)) yield at(index);
  }
}

function claimFile(shared: string, address: string): string {
  return join(userFolder(shared), 'claims', address);
}

/** Claims the address for the machine of a folder. False when another machine has it. */
export function claim(shared: string, address: string, folder: string): boolean {
  const file = claimFile(shared, address);
  const mine = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  for (let attempt = 0; attempt < 5; attempt++) {
    mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 });
    try {
      writeFileSync(mine, folder);
      // A link is made whole or not at all, and never over another.
      linkSync(mine, file);
      return true;
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      // ENOENT: somebody took the empty folder away between two lines.
      if (code !== 'EEXIST' && code !== 'ENOENT') throw thrown;
      if (code === 'EEXIST' && holder(file) === folder) return true;
      if (code === 'EEXIST' && !isStale(file, address)) return false;
      if (code === 'EEXIST') rmSync(file, { force: true });
    } finally {
      rmSync(mine, { force: true });
    }
  }
  return false;
}

/** Gives it back. Another's claim stays. */
export function unclaim(shared: string, address: string, folder: string): void {
  const file = claimFile(shared, address);
  if (holder(file) === folder) rmSync(file, { force: true });
  for (const empty of [join(file, '..'), join(file, '..', '..')]) {
    try {
      rmdirSync(empty);
    } catch {
      return; // Others have things there.
    }
  }
}

/** Gives back every address that the machine of a folder claimed, where no file says which. */
export function unclaimAll(shared: string, folder: string): void {
  const addresses = namesIn(join(userFolder(shared), 'claims'));
  for (const address of addresses) if (holder(claimFile(shared, address)) === folder) unclaim(shared, address, folder);
}

function holder(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

function isStale(file: string, address: string): boolean {
  const folder = holder(file);
  if (folder === null) return true;
  const machine = readMachine(folder);
  if (machine !== null) return machine.address !== address;
  try {
    return Date.now() - statSync(file).mtimeMs > GRACE;
  } catch {
    return true;
  }
}
