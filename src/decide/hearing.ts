/**
 * Who was heard of when, by our own clock: a pulse says when it was made by a clock that may be wrong, so what counts is
 * when a newer one arrived here.
 */
import type { Cell, CellId, TickMemory, View } from '../model.ts';

type Heard = NonNullable<TickMemory['heard']>;

/** Cells that should pulse: all but those that are gone or have said farewell. */
export function pulsing(view: View): readonly Cell[] {
  return Object.values(view.lineage.cells).filter((cell) => cell.state !== 'gone' && cell.state !== 'parted');
}

/** What was heard before, with the pulses of now. A cell that has never pulsed counts from its birth. */
export function listen(view: View, heard: Heard, now: number): Heard {
  const next: Record<CellId, Heard[string]> = {};
  for (const cell of pulsing(view)) {
    if (cell.id === view.self.id) continue;
    const before = heard[cell.id];
    const pulse = view.pulses[cell.id];
    if (pulse !== undefined && (before === undefined || pulse.seq > before.seq)) {
      next[cell.id] = { seq: pulse.seq, at: now };
    } else {
      next[cell.id] = before ?? { seq: -1, at: Math.min(now, cell.bornAt) };
    }
  }
  return next;
}

/** ms since a cell was last heard of; 0 for one that is not listened to. */
export function silence(heard: Heard, id: CellId, now: number): number {
  const last = heard[id];
  return last === undefined ? 0 : Math.max(0, now - last.at);
}
