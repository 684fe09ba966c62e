/** Freeze and thaw: said in the own feed and pushed to every cell at once, for it is the message that travels fastest. */
import { CellError } from './errors.ts';
import { type Here, lineageOf, say } from './here.ts';
import { type LinkResult, syncEverybody } from './sync.ts';

export interface Switched {
  readonly frozen: boolean;
  readonly changed: boolean;
  readonly told: number;
  readonly unreached: readonly LinkResult[];
}

export async function setFrozen(here: Here, frozen: boolean, why: string): Promise<Switched> {
  await syncEverybody(here);
  const lineage = await lineageOf(here);
  if (Object.keys(lineage.cells).length === 0) {
    throw new CellError('NOT_FOUND', 'There is no cell to tell', { suggestion: 'Seed the organism first.' });
  }
  const changed = (lineage.frozen !== null) !== frozen;
  if (changed) await say(here, { kind: frozen ? 'freeze' : 'thaw', why });
  const results = await syncEverybody(here);
  return { frozen, changed, told: results.filter((link) => link.ok).length, unreached: results.filter((link) => !link.ok) };
}

export function switchedText({ frozen, changed, told, unreached }: Switched): string {
  const state = frozen ? 'frozen' : 'not frozen';
  const lines = [changed ? `The organism is ${state} now.` : `The organism was ${state} already.`];
  lines.push(`${told} ${told === 1 ? 'cell knows' : 'cells know'}; the others hear it from them.`);
  for (const { cell, why } of unreached) lines.push(`not reached: ${cell} (${why})`);
  return lines.join('\n');
}
