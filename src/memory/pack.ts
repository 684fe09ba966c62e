/**
 * Packs in a session: made with just what the peer lacks, and taken in beside the repository, where nothing refers to
 * them until they were judged.
 */
import { mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ended, spawnGit } from '../effects/git.ts';
import { CellError } from '../errors.ts';
import type { Wire } from './frames.ts';
import { unclear } from './frames.ts';
import { INDEX_MS, MAX_CHUNK, MAX_PACK } from './limits.ts';
import type { Objects } from './repo.ts';
import { openObjects } from './repo.ts';

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

export interface Incoming {
  /** Reads the pack's objects and the repository's. */
  readonly objects: Objects;
  /** Moves the pack into the repository: for good, but nothing refers to it yet. */
  keep(): Promise<void>;
  discard(): void;
}

/** Takes a pack in from a peer. Throws SYNC_FAILED when it is too large, cut off or not in order. */
export async function takePack(wire: Wire, dir: string): Promise<Incoming> {
  const folder = mkdtempSync(join(dir, 'objects', 'incoming-'));
  const env = { GIT_OBJECT_DIRECTORY: folder, GIT_ALTERNATE_OBJECT_DIRECTORIES: join(dir, 'objects') };
  const discard = () => rmSync(folder, { recursive: true, force: true });
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
    discard();
    throw error;
  }
  const objects = await openObjects(dir, env);
  return {
    objects,
    discard: () => {
      objects.close();
      discard();
    },
    async keep() {
      const from = join(folder, 'pack');
      // the index last: git looks for packs by it
      const files = readdirSync(from).sort((a, b) => Number(a.endsWith('.idx')) - Number(b.endsWith('.idx')));
      for (const name of files) renameSync(join(from, name), join(dir, 'objects/pack', name));
    },
  };
}
