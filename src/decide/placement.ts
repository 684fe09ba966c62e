/**
 * In which cloud a child is made: where the cost cap leaves room and nobody has just refused, by the genome's preference,
 * then by price, then the farthest from its siblings; and never where all would be in one region, if the genome says so.
 */
import type { Cell, TickMemory, View } from '../model.ts';
import { span } from './words.ts';

/** A cloud that refused is not asked again for so long, doubled each time in a row. */
export const REFUSED_MS = 600_000;
export const REFUSED_CAP_MS = 3_600_000;
const EARTH_KM = 6371;
/** Between two regions of which nobody knows where they are. */
const SOME_KM = 1;

export interface Choice {
  readonly cloud: string;
  /** Of clouds that would have been taken before it: why they were not. */
  readonly passed: string | null;
}

/** The cloud for a child, or why there is none. */
export function choose(view: View, memory: TickMemory, now: number): Choice | { readonly why: string } {
  const { genome, monthlyCents } = view;
  const known = Object.keys(genome.clouds).filter((cloud) => monthlyCents[cloud] !== undefined);
  if (known.length === 0) return { why: 'what a cell costs is not known' };
  const { fits, spent, cap } = purse(view);
  const affordable = known.filter(fits);
  if (affordable.length === 0) {
    return { why: `another cell would pass the monthly cost cap (${money(spent)} of ${money(cap)})` };
  }
  const allowed = affordable.filter((cloud) => spreads(view, cloud));
  if (allowed.length === 0) {
    return { why: `every cell is in ${livingRegions(view).join(', ')}, and no cloud in another region can be had` };
  }
  const order = allowed.sort(better(view));
  const closed = view.closed ?? {};
  const until = (cloud: string) => memory.refused?.[cloud]?.until ?? 0;
  const refusals = order.filter((cloud) => until(cloud) > now || closed[cloud] !== undefined);
  const cloud = order.find((one) => !refusals.includes(one));
  const told = (one: string) =>
    closed[one] === undefined ? `${one} refused: ${memory.refused?.[one]?.why}` : `${one}: ${closed[one]}`;
  if (cloud === undefined) {
    if (refusals.every((one) => closed[one] !== undefined)) return { why: refusals.map(told).join('; ') };
    const soonest = Math.min(...refusals.filter((one) => until(one) > now).map(until));
    return { why: `${refusals.map(told).join('; ')}; asked again in ${span(soonest - now)}` };
  }
  const before = refusals.filter((one) => order.indexOf(one) < order.indexOf(cloud));
  return { cloud, passed: before.length === 0 ? null : before.map(told).join('; ') };
}

/** Whether a cell in a cloud would leave them not all in one region, where the genome wants that. */
export function spreads(view: View, cloud: string): boolean {
  if (view.genome.placement.spread === 'none') return true;
  const regions = livingRegions(view);
  return regions.length !== 1 || regions[0] !== regionOf(view, cloud);
}

/** A cloud said no to a machine, and nothing of one is left. */
export function noteRefused(memory: TickMemory, cloud: string, why: string, now: number): TickMemory {
  const failures = (memory.refused?.[cloud]?.failures ?? 0) + 1;
  const until = now + Math.min(REFUSED_CAP_MS, REFUSED_MS * 2 ** Math.min(failures - 1, 10));
  // Nothing was divided, so nothing has to show its effect before another cloud is asked.
  const restUntil = Math.min(memory.restUntil, now);
  return { ...memory, restUntil, refused: { ...memory.refused, [cloud]: { failures, until, why } } };
}

/** A cloud gave a machine. */
export function noteGiven(memory: TickMemory, cloud: string): TickMemory {
  const { [cloud]: _, ...refused } = memory.refused ?? {};
  return { ...memory, refused };
}

function purse({ genome, lineage, monthlyCents }: View) {
  const cells = living(lineage.cells);
  const attempts = cells.reduce((sum, cell) => sum + cell.attempts.length, lineage.seederAttempts.length);
  const spent = cells.reduce((sum, cell) => sum + (monthlyCents[cell.cloud] ?? 0), 0);
  const cap = genome.body.maxMonthlyCost.cents;
  // What an open attempt of another cell costs is not said in the lineage: it counts as much as ours would.
  const fits = (cloud: string) => spent + (attempts + 1) * (monthlyCents[cloud] ?? 0) <= cap;
  return { fits, spent, cap };
}

/** Those that the genome prefers in its order, then the cheapest, the farthest, our own, and as they are written. */
function better(view: View): (a: string, b: string) => number {
  const { genome, self, monthlyCents, lineage } = view;
  const written = Object.keys(genome.clouds);
  const { prefer } = genome.placement;
  const siblings = living(lineage.cells).filter(({ parent }) => parent === self.id);
  const rank = (cloud: string): readonly number[] => [
    prefer.includes(cloud) ? prefer.indexOf(cloud) : prefer.length,
    monthlyCents[cloud] ?? 0,
    -nearest(view, cloud, siblings),
    cloud === self.cloud ? 0 : 1,
    written.indexOf(cloud),
  ];
  return (a, b) => {
    const [ranksA, ranksB] = [rank(a), rank(b)];
    const at = ranksA.findIndex((value, index) => value !== ranksB[index]);
    return at < 0 ? 0 : (ranksA[at] as number) - (ranksB[at] as number);
  };
}

/** km to the nearest sibling; 0 where there is none, which leaves all clouds alike. */
function nearest(view: View, cloud: string, siblings: readonly Cell[]): number {
  return siblings.length === 0 ? 0 : Math.min(...siblings.map((sibling) => apart(view, cloud, sibling.cloud)));
}

function apart(view: View, a: string, b: string): number {
  if (regionOf(view, a) === regionOf(view, b)) return 0;
  const [from, to] = [view.places?.[a]?.at, view.places?.[b]?.at];
  return from === undefined || to === undefined ? SOME_KM : Math.max(SOME_KM, Math.round(distance(from, to)));
}

/** Great-circle distance in km of two places in degrees of latitude and longitude. */
export function distance(from: readonly [number, number], to: readonly [number, number]): number {
  const radians = (degrees: number) => (degrees * Math.PI) / 180;
  const [latitude, longitude] = [radians(to[0] - from[0]), radians(to[1] - from[1])];
  const chord =
    Math.sin(latitude / 2) ** 2 + Math.cos(radians(from[0])) * Math.cos(radians(to[0])) * Math.sin(longitude / 2) ** 2;
  return 2 * EARTH_KM * Math.asin(Math.min(1, Math.sqrt(chord)));
}

/** A cloud that is not said to be in a region is one by itself. */
function regionOf(view: View, cloud: string): string {
  return view.places?.[cloud]?.region ?? cloud;
}

function livingRegions(view: View): readonly string[] {
  return [...new Set(living(view.lineage.cells).map(({ cloud }) => regionOf(view, cloud)))].sort();
}

function living(cells: View['lineage']['cells']): readonly Cell[] {
  return Object.values(cells).filter((cell) => cell.state !== 'gone');
}

const money = (cents: number) => (cents / 100).toFixed(2);
