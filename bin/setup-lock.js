/**
 * A lock between processes of this checkout, for bin/setup.js: a folder that holds one file named after its holder.
 *
 * It is taken by renaming a folder that holds the file already, which succeeds only where no lock or an empty one is.
 * A dead holder's file is removed by its own name, so that whoever breaks a lock cannot hit a newer one.
 */
import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Ask again after, ms. */
const RETRY = 200;
/** A holder that is silent for longer is another process that got a dead one's id, ms. */
const OLDEST_HOLDER = 60 * 60_000;

function quietly(action) {
  try {
    return action();
  } catch {
    return undefined;
  }
}

function holderOf(folder) {
  const name = (quietly(() => readdirSync(folder)) || [])[0];
  return name === undefined ? null : { name, pid: Number(name.split('-')[0]) };
}

function lives(folder, holder) {
  const age = quietly(() => Date.now() - statSync(join(folder, holder.name)).mtimeMs);
  if (age === undefined || age > OLDEST_HOLDER) return false;
  try {
    process.kill(holder.pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Runs `action` while no other process holds the lock; waits for it as long as its holder lives. */
export async function withLock(folder, say, action) {
  const name = `${process.pid}-${Date.now().toString(36)}`;
  const mine = `${folder}.${name}`;
  mkdirSync(mine);
  writeFileSync(join(mine, name), '');
  let told = false;
  try {
    for (;;) {
      try {
        renameSync(mine, folder);
        break;
      } catch (error) {
        if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(error.code)) throw error;
      }
      const holder = holderOf(folder);
      if (holder !== null && !lives(folder, holder)) {
        quietly(() => unlinkSync(join(folder, holder.name)));
        continue;
      }
      if (!told && holder !== null)
        say(`setup: waiting for process ${holder.pid}, which is setting up this folder too`);
      told = true;
      await new Promise((resolve) => setTimeout(resolve, RETRY));
    }
  } catch (error) {
    rmSync(mine, { recursive: true, force: true });
    throw error;
  }
  const release = () => {
    quietly(() => unlinkSync(join(folder, name)));
    quietly(() => rmdirSync(folder));
  };
  process.on('exit', release);
  try {
    return await action();
  } finally {
    process.off('exit', release);
    release();
  }
}
