/** Exchanging state with links: all living cells, for now, but each only once a beat, whoever of the two called. */
import type { Genome } from '../genome/schema.ts';
import type { Here } from './here.ts';
import { lineageOf } from './here.ts';
import { SYNC_PARALLEL } from './limits.ts';
import { heardAt } from './memory/pulses.ts';
import { syncAll } from './memory/sync.ts';
import type { Cell, CellId, Lineage } from './model.ts';

export interface LinkResult {
  readonly cell: CellId;
  readonly ok: boolean;
  readonly why: string | null;
}

/** Cells that can be reached: born, and not known to be destroyed. */
function reachable(lineage: Lineage, self: CellId): readonly Cell[] {
  return Object.values(lineage.cells)
    .filter((cell) => cell.id !== self && cell.state !== 'gone')
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Syncs with cells whose newest pulse is older than a beat. A session goes both ways, so half the calls are enough. */
export async function syncLinks(here: Here, lineage: Lineage, genome: Genome): Promise<readonly LinkResult[]> {
  const heard = heardAt(here.home);
  const now = here.clock();
  const stale = now - genome.body.heartbeat * 0.75;
  // Heard of in the future: the clock went back, and waiting for it to get there would be silence.
  const isStale = (at: number) => at < stale || at > now + genome.body.heartbeat;
  return syncTo(
    here,
    reachable(lineage, here.identity.id).filter((cell) => isStale(heard[cell.id] ?? 0)),
  );
}

/** Syncs with these cells now; what failed says why, and nothing throws. */
async function syncTo(here: Here, cells: readonly Cell[]): Promise<readonly LinkResult[]> {
  if (cells.length === 0) return [];
  const peers = cells.map((cell) => ({ id: cell.id, reach: cell.reach, hostKey: cell.hostKey }));
  const results = await syncAll(peers, { home: here.home, identity: here.identity, limit: SYNC_PARALLEL });
  return results.map(({ id, ok, why }) => ({ cell: id, ok, why: why ?? null }));
}

/** From a computer that is no cell: everybody, so that what it knows is as new as can be. */
export async function syncEverybody(here: Here): Promise<readonly LinkResult[]> {
  return syncTo(here, reachable(await lineageOf(here), here.identity.id));
}
