/**
 * A dead child is fenced: its machine is destroyed through the provider first, so that it cannot be alive elsewhere;
 * only then its budget and functions are ours.
 */
import type { Genome } from '../genome/schema.ts';
import { knownBirths } from './decide/lineage.ts';
import { letIn } from './doors.ts';
import { type Here, lineageOf, say } from './here.ts';
import type { Cell, FunctionName } from './model.ts';
import { salvage } from './receive.ts';
import { mayComeLate, seekBirth, seekOf } from './seek.ts';
import { tend } from './tend.ts';
import { expected } from './traffic.ts';
import { unmake, unmakeUnknown, unspeak } from './unmake.ts';
import { speak } from './voice.ts';

export async function fence(here: Here, genome: Genome, id: string, why: string): Promise<string> {
  const child = (await lineageOf(here)).cells[id];
  if (child === undefined || child.state === 'gone') return `nothing to fence: ${id}`;
  await unmake(here, genome, child.birth);
  const orphans = await onlyOn(here, child);
  // From here on requests for them wait here, and their names lead here before they lead nowhere.
  await expected(here, genome, orphans);
  await speak(here, orphans);
  // Everything that no later tick would do by itself comes before the word: killed here, it is fenced again.
  await unspeak(here, genome, child.birth);
  await unmakeUnknown(here, genome, id, knownBirths(await lineageOf(here)));
  await seekOf(here, genome, child, `${child.name} was fenced`);
  await salvage(here, child);
  // Read anew: until its machine was destroyed it may have said more, and some of that may be here.
  const lineage = await lineageOf(here);
  await say(here, { kind: 'fence', child: id, entries: lineage.folded[id] ?? 0, why });
  await letIn(here);
  await tend(here, await lineageOf(here));
  await speak(here);
  return `fenced ${child.name}: ${why}`;
}

/** Functions that nobody else performs: they will be ours. */
async function onlyOn(here: Here, child: Cell): Promise<readonly FunctionName[]> {
  const { homes } = await lineageOf(here);
  return child.functions.filter((name) => homes[name]?.every((id) => id === child.id) === true);
}

/**
 * An attempt that nobody works on any more: its machine, if there is one, goes, and what it cost comes back; where its cloud
 * may show it late, once it was looked for.
 */
export async function reclaim(here: Here, genome: Genome, birth: string, why: string): Promise<string> {
  await unmake(here, genome, birth);
  if (mayComeLate(genome, null)) await seekBirth(here, birth, why);
  else await say(here, { kind: 'abandon', birth, why });
  return `reclaimed ${birth}: ${why}`;
}
