/** What a cell can say before its first tick: its health as sensed now, so that nobody waits a beat to find it. */
import { beatOf } from './beat.ts';
import { express } from './express.ts';
import { genomeOf, type Here, lineageOf } from './here.ts';
import { publish } from './pulse.ts';
import { senseAll } from './sense.ts';

export async function tell(here: Here): Promise<void> {
  const [genome, lineage, beat] = await Promise.all([genomeOf(here), lineageOf(here), beatOf(here)]);
  const sensed = await senseAll(here, genome, lineage, beat);
  const reasons = [{ subject: 'cell', why: 'just born' }];
  await publish(here, { sensed, throttles: beat.tick.functions, reasons, links: [], troubles: [] });
  await express(here, genome);
}
