/** What is common to a hand-over and a homecoming: passes of the copy while the function still runs. */
import { anotherPass, type Pass } from '../decide/passes.ts';

/** Until what is left for the one that it stands still for is little, or does not get less. */
export async function approach(pass: () => Promise<Pass>): Promise<readonly Pass[]> {
  const passes: Pass[] = [];
  while (anotherPass(passes)) passes.push(await pass());
  return passes;
}
