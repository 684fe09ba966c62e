/**
 * Sparing a cell under pressure: while it is over its bounds or throttled, some of its requests go to another home of the
 * function that has room. Pure.
 *
 * Short-term relief beside throttling, in two coarse shares, so that readings which wander turn no gate. A request that
 * was passed on once is not passed on again (decide/caddy.ts), and where nobody has room nothing is passed on: two cells
 * that are both full would only send each other work.
 */
import type { Cell, CellId, FunctionName, Lineage, Pulse } from '../model.ts';

export interface Pressed {
  readonly lineage: Pick<Lineage, 'cells'>;
  readonly self: CellId;
  readonly pulses: Readonly<Record<CellId, Pulse>>;
  /** ms; a pulse that is older says nothing about now. */
  readonly freshFor: number;
  readonly now: number;
}

/** `web` at these other homes: one request in `share` goes to that cell. Null: all stay here. */
export function spare(
  { lineage, self, pulses, freshFor, now }: Pressed,
  name: FunctionName,
  others: readonly Cell[],
): { readonly with: Cell; readonly share: 4 | 2 } | null {
  const own = pulses[self]?.functions[name];
  if (own === undefined) return null;
  const over = own.level === 'two' || own.level === 'many';
  if (!over && own.throttle === 0) return null;
  const roomy = others.filter(({ id, state }) => {
    const pulse = pulses[id];
    const there = pulse?.functions[name];
    if (pulse === undefined || there === undefined || now - pulse.at > freshFor || state !== 'living') return false;
    return there.health === 'healthy' && there.throttle === 0 && (there.level === 'none' || there.level === 'one');
  });
  // The next in the ring of births after us, so that cells under pressure do not all lean on the same one.
  const births = roomy.toSorted((a, b) => (a.birth < b.birth ? -1 : 1));
  const mine = lineage.cells[self]?.birth ?? '';
  const next = births.find(({ birth }) => birth > mine) ?? births[0];
  return next === undefined ? null : { with: next, share: own.level === 'many' ? 2 : 4 };
}
