/** Functions whose home this is, and that do not run, are started: after a birth, a power cut, or a cell's death. */
import { explain } from './errors.ts';
import * as functions from './functions.ts';
import type { Here } from './here.ts';
import type { FunctionName, Lineage } from './model.ts';

/** Gives the functions it started. One that does not come up is tried again by the next tick; the pulse says so. */
export async function tend(here: Here, lineage: Lineage): Promise<readonly FunctionName[]> {
  const self = lineage.cells[here.identity.id];
  if (self === undefined || self.state === 'parted') return [];
  const moving = new Set((await here.journal.open()).flatMap((saga) => ('functions' in saga ? (saga.functions as string[]) : [])));
  const begun: FunctionName[] = [];
  for (const name of await functions.missing(here, self.functions)) {
    if (moving.has(name)) continue;
    try {
      await functions.resume(here, name);
      begun.push(name);
    } catch (error) {
      here.log(`${name} does not start: ${explain(error)}`);
    }
  }
  return begun;
}
