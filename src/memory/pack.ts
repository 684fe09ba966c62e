/**
 * Packs in a session: made with just what the peer lacks, and taken in beside the repository, where nothing refers to
 * them until they were judged.
 */
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { ended, spawnGit } from '../effects/git.ts';
import { ownerOf, runAsOwner } from '../effects/owner.ts';
import { CellError } from '../errors.ts';
import type { Wire } from './frames.ts';
import { unclear } from './frames.ts';
import { INDEX_MS, MAX_CHUNK, MAX_PACK } from './limits.ts';
import type { GitObject } from './objects.ts';
import type { Objects } from './repo.ts';
import { INCOMING, openObjects } from './repo.ts';

/** Sends a pack with `tips` and what they need, without what the commits `known` reach. */
export async function givePack(
  wire: Wire,
  dir: string,
  tips: readonly string[],
  known: readonly string[],
): Promise<void> {
  const there: string[] = [];
  if (known.length > 0) {
    const objects = await openObjects(dir);
    try {
      const found = await Promise.all(known.map((id) => objects.get(id)));
      known.forEach((id, index) => {
        if (found[index]?.type === 'commit') there.push(id);
      });
    } finally {
      objects.close();
    }
  }
  const args = ['pack-objects', '--revs', '--stdout', '--thin', '--delta-base-offset', '-q'];
  const child = spawnGit(dir, args);
  const done = ended(child, args, INDEX_MS);
  done.catch(() => undefined); // awaited below, after the stream
  child.stdin.end(`${[...tips, ...there.map((id) => `^${id}`)].join('\n')}\n`);
  let size = 0;
  try {
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_PACK) throw new CellError('SYNC_FAILED', `The news take more than ${MAX_PACK} bytes`);
      for (let at = 0; at < chunk.length; at += MAX_CHUNK) await wire.send('B', chunk.subarray(at, at + MAX_CHUNK));
    }
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  await done;
  await wire.send('E');
}

const TYPES = { commit: 1, tree: 2, blob: 3 } as const;

/** Objects as a pack (gitformat-pack(5), version 2): each whole, none as a difference to another. */
export function packOf(objects: readonly GitObject[]): Buffer {
  const head = Buffer.from('PACK\0\0\0\x02\0\0\0\0', 'latin1');
  head.writeUInt32BE(objects.length, 8);
  const parts: Buffer[] = [head];
  for (const { type, body } of objects) {
    // Four bits of the size beside the type, then seven a byte, the lowest first; the top bit says that more follow.
    const size = [(TYPES[type] << 4) | (body.length & 15)];
    for (let rest = body.length >>> 4; rest > 0; rest >>>= 7) {
      size[size.length - 1]! |= 0x80;
      size.push(rest & 0x7f);
    }
    parts.push(Buffer.from(size), deflateSync(body));
  }
  const pack = Buffer.concat(parts);
  return Buffer.concat([pack, createHash('sha1').update(pack).digest()]);
}

export interface Incoming {
  /** Reads the pack's objects and the repository's. */
  readonly objects: Objects;
  /** Moves the pack into the repository: for good, but nothing refers to it yet. */
  keep(): Promise<void>;
  discard(): Promise<void>;
}

/** Takes a pack in from a peer. Throws SYNC_FAILED when it is too large, cut off or not in order. */
export async function takePack(wire: Wire, dir: string, door: string): Promise<Incoming> {
  const folder = mkdtempSync(join(door, INCOMING));
  const other = ownerOf(dir) !== null;
  // Its group is the door's: git writes there as the repository's owner.
  if (other) chmodSync(folder, 0o770);
  const env = { GIT_OBJECT_DIRECTORY: folder, GIT_ALTERNATE_OBJECT_DIRECTORIES: join(dir, 'objects') };
  const discard = async () => {
    if (other) await runAsOwner(dir, 'rm', ['-rf', '--', folder]);
    else rmSync(folder, { recursive: true, force: true });
  };
  const args = ['index-pack', '--stdin', '--strict', '--fix-thin', `--max-input-size=${MAX_PACK}`];
  const child = spawnGit(dir, args, env);
  const done = ended(child, args, INDEX_MS);
  done.catch(() => undefined);
  child.stdout.resume();
  try {
    for (;;) {
      const { kind, body } = await wire.read();
      if (kind === 'E') break;
      if (kind !== 'B') throw unclear('a pack was to come');
      if (!child.stdin.write(body) && child.exitCode === null) {
        await Promise.race([new Promise((resolve) => child.stdin.once('drain', resolve)), done]);
      }
    }
    child.stdin.end();
    await done;
  } catch (error) {
    child.kill('SIGKILL');
    await done.catch(() => undefined);
    await discard();
    throw error;
  }
  const objects = await openObjects(dir, env);
  return {
    objects,
    discard: () => {
      objects.close();
      return discard();
    },
    async keep() {
      const from = join(folder, 'pack');
      // the index last: git looks for packs by it
      const files = readdirSync(from).sort((a, b) => Number(a.endsWith('.idx')) - Number(b.endsWith('.idx')));
      const to = join(dir, 'objects/pack');
      if (other) await runAsOwner(dir, 'mv', ['-f', '--', ...files.map((name) => join(from, name)), to]);
      else for (const name of files) renameSync(join(from, name), join(to, name));
    },
  };
}
