/**
 * A process that wants a lease again and again, for the lock's test. Arguments: the lease's file, a folder, rounds,
 * and whether it dies while holding (`die`). While it holds it keeps a file `inside`, made exclusively: if one is
 * there whose maker lives, two hold at once. Prints `rounds N`, or `TWO`.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { acquireLease, isAlive } from '../../../../stacks/engines/lock.ts';

const [file = '', folder = '', rounds = '0', how = ''] = process.argv.slice(2);
const inside = join(folder, 'inside');

let done = 0;
while (done < Number(rounds)) {
  const lease = await acquireLease(file, { ttlMs: 60_000 });
  if (lease === null) {
    await pause(Math.random() * 5);
    continue;
  }
  try {
    writeFileSync(inside, String(process.pid), { flag: 'wx' });
  } catch {
    if (isAlive(Number(readFileSync(inside, 'utf8')), null)) {
      console.log('TWO');
      process.exit(1);
    }
    writeFileSync(inside, String(process.pid));
  }
  await pause(Math.random() * 3);
  done++;
  if (how === 'die' && done === Number(rounds)) process.kill(process.pid, 'SIGKILL');
  rmSync(inside);
  lease.release();
}
console.log(`rounds ${done}`);
