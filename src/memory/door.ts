/**
 * What of a home a sync session writes: `memory.git`, `pulses/`, and in `door/` the digest, the quarantine, the lock and
 * packs that are not judged yet. On a machine these three belong to the user of the door and the rest of the home does
 * not (effects/house.ts), so a session that went wrong reaches no key, no credential and nothing that root believes.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';

export const doorOf = (home: string): string => join(home, 'door');

/**
 * Where the lineage is kept that the feeds add up to. Each user keeps it to itself: it is believed without being checked
 * again, and root does not believe the door.
 */
export function cacheOf(home: string): string {
  const own = process.getuid === undefined || statSync(home, { throwIfNoEntry: false })?.uid === process.getuid();
  return join(own ? home : doorOf(home), 'memory.json');
}
