/** A shell on a machine of the lab that may still be on its way up. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Door, dial, type Remote } from '../../src/effects/ssh.ts';
import type { Reach } from '../../src/model.ts';

const BOOT_WITHIN_MS = 60_000;
const PAUSE_MS = 20;

/** Dials until it opens. Throws what the last attempt did, after `withinMs`; one attempt is made in any case. */
export async function login(reach: Reach, door: Door, withinMs = BOOT_WITHIN_MS): Promise<Remote> {
  const until = performance.now() + withinMs;
  for (;;) {
    try {
      return await dial(reach, door);
    } catch (error) {
      if (performance.now() > until) throw error;
      await sleep(PAUSE_MS);
    }
  }
}
