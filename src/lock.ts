/** One thing at a time on a cell: ticks give way to whoever works, hands wait their turn. A lease, so nothing sticks. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquireLease, type Lease } from '../stacks/engines/lock.ts';
import { CellError } from './errors.ts';
import type { Here } from './here.ts';
import { HAND_TIMEOUT_MS, TICK_LEASE_MS } from './limits.ts';

const fileOf = (here: Pick<Here, 'home'>) => join(here.home, 'lock');

/** The cell's lock if it is free now. A cell's home is its own machine's: a tick that the power was cut from is over. */
export async function tryLock(here: Pick<Here, 'home'>): Promise<Lease | null> {
  return acquireLease(fileOf(here), { ttlMs: TICK_LEASE_MS, alone: true });
}

/** Waits for the lock, works, releases. Throws TIMEOUT when it stays taken. */
export async function withLock<T>(here: Pick<Here, 'home' | 'clock'>, work: () => Promise<T>): Promise<T> {
  const deadline = here.clock() + HAND_TIMEOUT_MS / 2;
  for (;;) {
    const lease = await tryLock(here);
    if (lease !== null) {
      // A dump may take longer than a lease; whatever hangs is ended by its own limit.
      const renewal = setInterval(() => lease.renew(), TICK_LEASE_MS / 3);
      try {
        return await work();
      } finally {
        clearInterval(renewal);
        await lease.release();
      }
    }
    if (here.clock() > deadline) throw new CellError('TIMEOUT', 'Another process of this cell works and does not end');
    await sleep(20);
  }
}

/** Operations that only read. */
export const quietly = (op: string): boolean => op === 'data';
