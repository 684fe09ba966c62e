/** `cell destroy CELL`: an order that one cell hand back what it has and go. Its parent takes it in as on any day. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CellError } from './errors.ts';
import { type Here, lineageOf, say } from './here.ts';
import type { Cell, Lineage } from './model.ts';
import { syncEverybody } from './sync.ts';

/** Throws NOT_ALLOWED for a cell that cannot be ordered to go from here. */
export function mayDismiss(here: Here, lineage: Lineage, cell: Cell): void {
  if (cell.parent === lineage.seeder.id) {
    throw new CellError('NOT_ALLOWED', `${cell.name} is the first cell: nobody could take what it has`, {
      suggestion: 'To take the whole organism apart: cell destroy',
    });
  }
  if (lineage.frozen !== null) {
    throw new CellError('NOT_ALLOWED', 'The organism is frozen: no cell acts on an order', { suggestion: 'cell thaw' });
  }
  if (here.identity.id !== lineage.seeder.id) {
    throw new CellError('NOT_ALLOWED', 'Only the seeder may order a cell to go', {
      suggestion: 'Run this where the organism was seeded.',
    });
  }
}

/** Orders it and waits until it is gone. Throws NOT_ALLOWED as mayDismiss does, TIMEOUT when it takes too long. */
export async function dismiss(
  here: Here,
  cell: Cell,
  options: { readonly withinMs: number; readonly why: string },
): Promise<void> {
  const lineage = await lineageOf(here);
  mayDismiss(here, lineage, cell);
  if (lineage.orders[cell.id] === undefined) await say(here, { kind: 'order', wilt: cell.id, why: options.why });
  const deadline = here.clock() + options.withinMs;
  while ((await lineageOf(here)).cells[cell.id]?.state !== 'gone') {
    if (here.clock() > deadline) {
      throw new CellError('TIMEOUT', `${cell.name} is not gone yet`, {
        suggestion: 'The order stands; `cell status` shows how far it is.',
      });
    }
    await syncEverybody(here);
    await sleep(500);
  }
}
