/**
 * What was given up is looked for again: a machine that was asked for, that its cloud did not show when the attempt was taken
 * back, and that may appear. One step, done again at growing distances (decide/seeking.ts), beside all else that a cell does:
 *
 *   look    what carries the tags of the birth is destroyed; once it was not there for long enough, the attempt's cost
 *           comes back, and in the end it is forgotten
 *
 * Of a cell that died, or has gone, whoever took over looks for all that it may have asked for and told nobody of.
 */
import type { Genome } from '../genome/schema.ts';
import { computeProvider } from '../stacks/machines/index.ts';
import { isOver, nextLook, seekId } from './decide/seeking.ts';
import { type Here, lineageOf, say } from './here.ts';
import { newSaga, type Steps } from './journal.ts';
import type { BirthId, Cell, CellId } from './model.ts';
import type { Seek } from './saga.ts';
import { unmakeLate } from './unmake.ts';

/** Whether a cloud may have made what it does not show yet; null: whether any of the genome may. */
export function mayComeLate(genome: Genome, cloud: string | null): boolean {
  return Object.entries(genome.clouds)
    .filter(([name]) => cloud === null || name === cloud)
    .some(([, { provider }]) => computeProvider(provider).lost !== undefined);
}

/** From here on it is looked for, whenever this process is killed. Said again for the same, it begins anew. */
export async function seekBirth(here: Here, birth: BirthId, why: string, kept?: string): Promise<void> {
  await begin(here, seekId(birth), { birth, maker: null, why, ...(kept === undefined ? {} : { kept }) });
}

/** The same for what a cell that is about to be gone may have asked for. */
export async function seekOf(here: Here, genome: Genome, cell: Pick<Cell, 'id' | 'birth'>, why: string): Promise<void> {
  if (mayComeLate(genome, null)) await begin(here, seekId(cell.birth), { birth: null, maker: cell.id, why });
}

/** Whether a cell gave something up that it may still look for. */
export async function gaveUp(here: Here, cell: CellId): Promise<boolean> {
  const births = Object.values((await lineageOf(here)).ledger?.births ?? {});
  return births.some(({ by, state }) => by === cell && state === 'abandoned');
}

async function begin(here: Here, id: string, what: Pick<Seek, 'birth' | 'maker' | 'kept' | 'why'>): Promise<void> {
  const since = here.clock();
  const due = nextLook(since, since) ?? since;
  await here.journal.save({ ...newSaga(since, id, 'seek', 'look'), ...what, since, due } as Seek);
}

/** The steps, bound to a home. */
export function seekSteps(here: Here, genome: Genome): Steps<Seek> {
  return [['look', (seek) => look(here, genome, seek)]];
}

async function look(here: Here, genome: Genome, seek: Seek) {
  const found = await unmakeLate(here, genome, seek);
  for (const birth of found)
    here.log(`a machine of ${birth} that nobody knew of appeared and was destroyed`, 'warning');
  const now = here.clock();
  // A clock that went back tells nothing of how long it has been.
  if (now < seek.since) seek.since = now;
  if (seek.birth !== null && seek.kept === undefined && isOver(seek.since, now))
    await paidBack(here, seek.birth, seek.why);
  const goOnAt = nextLook(seek.since, now);
  return goOnAt === null ? undefined : ({ goOnAt, again: true } as const);
}

async function paidBack(here: Here, birth: BirthId, why: string): Promise<void> {
  const attempts = (await lineageOf(here)).cells[here.identity.id]?.attempts ?? [];
  if (attempts.includes(birth)) await say(here, { kind: 'abandon', birth, why });
}
