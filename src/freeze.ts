/** Freeze and thaw: said in the own feed and pushed to every cell at once, for it is the message that travels fastest. */
import { CellError } from './errors.ts';
import { type Here, lineageOf, say } from './here.ts';
import { type LinkResult, syncEverybody } from './sync.ts';

export interface Switched {
  readonly frozen: boolean;
  readonly changed: boolean;
  readonly told: number;
  readonly unreached: readonly (LinkResult & { readonly name: string })[];
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
  const unreached = results
    .filter((link) => !link.ok)
    .map((link) => ({ ...link, name: lineage.cells[link.cell]?.name ?? link.cell }));
  return { frozen, changed, told: results.length - unreached.length, unreached };
}

export function switchedText({ frozen, changed, told, unreached }: Switched): string {
  const now = frozen ? 'The organism is frozen.' : 'The organism is thawed.';
  const already = frozen ? 'The organism was frozen already.' : 'The organism was not frozen.';
  const lines = [changed ? now : already];
  if (unreached.length === 0) lines.push('Every cell knows.');
  else lines.push(`${told} of ${told + unreached.length} cells know; the others hear it from them.`);
  for (const { name, why } of unreached) lines.push(`not reached: ${name} (${why})`);
  return lines.join('\n');
}
