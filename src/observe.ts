/** An organism looked at from here: from a computer that is no cell, synced first, so that what is shown is new. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { genomeOf, type Here, lineageOf, openHome } from './here.ts';
import { acceptedGenome } from './line.ts';
import { pulsesOf } from './pulse.ts';
import { isDue } from './renewal.ts';
import { type Status, statusOf } from './status.ts';
import { type LinkResult, syncEverybody } from './sync.ts';

/** A cell's ticks keep it up to date; a laptop has none. */
export function isCell(here: Pick<Here, 'home'>): boolean {
  return existsSync(join(here.home, 'cell.json'));
}

/** A computer that is no cell takes note of what the organism accepted. */
export async function follow(here: Here): Promise<void> {
  if (!(await isDue(here))) return;
  const { renew } = await import('./renew.ts');
  await renew(here);
}

export interface Observed {
  readonly here: Here;
  readonly status: Status;
  /** Cells that could not be reached, when there was a sync. */
  readonly unreached: readonly LinkResult[];
}

export async function observe(home: string, options: { readonly sync: boolean }): Promise<Observed> {
  const here = await openHome(home);
  const unreached = options.sync && !isCell(here) ? (await syncEverybody(here)).filter((link) => !link.ok) : [];
  if (!isCell(here)) await follow(here);
  const [lineage, genome, accepted] = await Promise.all([lineageOf(here), genomeOf(here), acceptedGenome(here)]);
  const status = statusOf({
    lineage,
    genome,
    accepted,
    pulses: pulsesOf(here),
    self: here.identity.id,
    now: here.clock(),
  });
  return { here, status, unreached };
}
