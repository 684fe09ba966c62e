/** The view a decision is made from: everything it may look at, gathered once. */
import type { Genome } from '../genome/schema.ts';
import { computeProvider } from '../stacks/machines/index.ts';
import { bakeable } from './bake.ts';
import type { Beat } from './beat.ts';
import { closedBy, closedFor } from './decide/rotation.ts';
import { CellError } from './errors.ts';
import { credentialsOf, type Here, lineageOf, ownKeys } from './here.ts';
import type { Saga } from './journal.ts';
import type { OpenSaga, Place, View } from './model.ts';
import { pulsesOf } from './pulse.ts';
import { readyIn } from './saga.ts';
import type { Sensed } from './sense.ts';

export async function look(here: Here, genome: Genome, sensed: Sensed, beat: Beat): Promise<View> {
  const lineage = await lineageOf(here);
  const self = lineage.cells[here.identity.id];
  if (self === undefined) {
    throw new CellError('NOT_ALLOWED', 'This computer is no cell of the organism', {
      suggestion: 'Ticks run on cells. From here: cell status, cell sync, cell ssh.',
    });
  }
  const credentials = await credentialsOf(here);
  const monthlyCents: Record<string, number> = {};
  const places: Record<string, Place> = {};
  for (const [name, gene] of Object.entries(genome.clouds)) {
    const price = computeProvider(gene.provider).monthly(gene);
    if (price !== null) monthlyCents[name] = price.cents;
    const place = computeProvider(gene.provider).place?.(gene);
    if (place !== undefined) places[name] = place;
  }
  return {
    genome,
    self,
    lineage,
    pulses: pulsesOf(here),
    senses: sensed.senses,
    memory: beat.tick,
    sagas: (await here.journal.open()).map(openSaga),
    closed: { ...closedFor(genome.clouds, credentials.compute), ...closedBy(ownKeys(credentials), here.clock()) },
    bakeable: await bakeable(here, genome, lineage),
    monthlyCents,
    places,
  };
}

function openSaga(saga: Saga): OpenSaga {
  const { id, kind, step, due, lastFailure } = saga;
  const cloud = readyIn(saga);
  const failure = lastFailure === null ? {} : { failure: lastFailure };
  return { id, kind, step, due, ...failure, ...(cloud === null ? {} : { ready: cloud }) };
}
