/** Functions whose home this is, and that do not run, are started: after a birth, a power cut, or a cell's death. */
import { explain } from './errors.ts';
import * as functions from './functions.ts';
import { genomeOf, type Here } from './here.ts';
import type { FunctionName, Lineage } from './model.ts';
import { trafficOf } from './traffic.ts';

/**
 * Gives the functions it started. One that does not come up is tried again by the next tick; the pulse says so. What is
 * held while it moves is not touched. A cell that the lineage no longer knows stops what it runs: others do that now.
 */
export async function tend(here: Here, lineage: Lineage): Promise<readonly FunctionName[]> {
  const self = lineage.cells[here.identity.id];
  if (self === undefined || self.state === 'gone') {
    for (const name of (await trafficOf(here)).running) await functions.hold(here, name);
    return [];
  }
  if (self.state === 'parted') return [];
  const begun: FunctionName[] = [];
  const { functions: known } = await genomeOf(here);
  // One that the genome has no more is not started again, though its end is said only when every cell has that genome.
  const own = self.functions.filter((name) => known[name] !== undefined);
  for (const name of await functions.missing(here, own)) {
    try {
      await functions.resume(here, name);
      begun.push(name);
    } catch (error) {
      here.log(`${name} does not start: ${explain(error)}`, 'err', { function: name });
    }
  }
  return begun;
}
