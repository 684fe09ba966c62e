/** Stem cells among the sagas: one that is ready is under way no more, and a division may take it. */
import type { BirthId, OpenSaga, View } from '../model.ts';
import { spreads } from './placement.ts';

export type ReadyStem = OpenSaga & { readonly ready: string };

export function isReady(saga: OpenSaga): saga is ReadyStem {
  return saga.ready !== undefined;
}

/** Those that are paid for. What the journal holds of another was ended, and only has to be cleared away. */
export function readyStems(view: View): readonly ReadyStem[] {
  return view.sagas.filter(isReady).filter((stem) => view.self.attempts.includes(stem.id));
}

/** Sagas that something has to be done about. What is only looked for keeps nobody from anything. */
export function underWay(view: View): readonly OpenSaga[] {
  const ready: readonly OpenSaga[] = readyStems(view);
  return view.sagas.filter((saga) => saga.kind !== 'seek' && !ready.includes(saga));
}

export function slotOf(view: View, birth: BirthId): number | undefined {
  return view.lineage.ledger?.births[birth]?.slot;
}

/** The stem cell for a division: of the own cloud before another's; the highest slot, so that the child inherits it. */
export function stemFor(view: View): ReadyStem | undefined {
  const rank = (stem: ReadyStem) => (stem.ready === view.self.cloud ? 0 : 1);
  const usable = readyStems(view).filter(
    ({ ready }) => Object.hasOwn(view.genome.clouds, ready) && spreads(view, ready),
  );
  return usable.sort(
    (a, b) => rank(a) - rank(b) || (slotOf(view, b.id) ?? 0) - (slotOf(view, a.id) ?? 0) || (a.id < b.id ? -1 : 1),
  )[0];
}
