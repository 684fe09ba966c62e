/**
 * Which child is taken for dead. Only a parent judges, only its own children, and not when so much of the organism is
 * silent that it is likelier to be cut off itself.
 */
import type { Cell, TickMemory, View } from '../model.ts';
import { pulsing, silence } from './hearing.ts';
import { childrenOf } from './merging.ts';
import { span } from './words.ts';

export interface Healing {
  readonly fence: { readonly child: Cell; readonly why: string } | null;
  readonly reasons: readonly string[];
}

export function heal(view: View, memory: TickMemory, now: number): Healing {
  const { healing } = view.genome;
  const quiet = (cell: Cell) => silence(memory.heard ?? {}, cell.id, now);
  const all = pulsing(view);
  const others = all.filter((cell) => cell.id !== view.self.id);
  const silent = others.filter((cell) => quiet(cell) >= healing.suspectAfter);
  const suspects = childrenOf(view, view.self.id)
    .filter((child) => child.state !== 'parted' && quiet(child) >= healing.suspectAfter)
    .sort((a, b) => quiet(b) - quiet(a) || (a.id < b.id ? -1 : 1));

  const reasons: string[] = [];
  for (const child of suspects) {
    const what = `${child.name} silent for ${span(quiet(child))}`;
    const wait = healing.deadAfter - quiet(child);
    if (wait > 0) {
      reasons.push(`suspecting: ${what}; taken for dead in ${span(wait)}`);
      continue;
    }
    const doubt = whyNot(silent.length, all.length, others.length > silent.length, healing.maxUnhealthy);
    if (doubt === null) return { fence: { child, why: what }, reasons: [...reasons, `fencing: ${what}`] };
    reasons.push(`not fencing: ${what}, but ${doubt}`);
  }
  return { fence: null, reasons };
}

function whyNot(silent: number, all: number, heardAnother: boolean, maxUnhealthy: number): string | null {
  // With a single other cell there is nobody else to hear, and half the organism is always silent.
  if (all === 2) return null;
  if (!heardAnother) return 'no other cell is heard either: it is likelier that this one is cut off';
  const share = Math.round((100 * silent) / all);
  return share > maxUnhealthy ? `${share}% of all cells are silent at once (at most ${maxUnhealthy}%)` : null;
}
