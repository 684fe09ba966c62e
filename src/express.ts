/** What follows from the lineage on this machine, written only where it differs: doors, routes, records, where-abouts. */
import type { Genome } from '../genome/schema.ts';
import { whereAbouts } from './decide/where.ts';
import { letIn } from './doors.ts';
import { writeIfChanged } from './effects/files.ts';
import { advise } from './errors.ts';
import { type Here, lineageOf } from './here.ts';
import type { Lineage } from './model.ts';
import { tendLinks } from './neighbours.ts';
import { pulsesOf } from './pulse.ts';
import { change, direct, trafficOf } from './traffic.ts';
import { speak } from './voice.ts';

/** Gives what could not be said and is said again by the next tick, in words; nothing where all went well. */
export async function express(here: Here, genome: Genome): Promise<readonly string[]> {
  const lineage = await lineageOf(here);
  await letIn(here);
  const now = here.clock();
  const { forwarding } = await trafficOf(here);
  if (forwarding.some((entry) => entry.until <= now)) {
    await change(here, (traffic) => ({ forwarding: traffic.forwarding.filter((entry) => entry.until > now) }));
  }
  await direct(here, genome, lineage);
  await writeWhere(here, genome, lineage);
  await tendLinks(here, genome, lineage);
  try {
    // An authority that certificates are asked of finds us from here on.
    if ((await speak(here)) > 0) await direct(here, genome, lineage);
    return [];
  } catch (error) {
    // The records stay as they are; the next tick says them again.
    const why = `records not changed: ${advise(error)}`;
    here.log(why, 'warning');
    return [why];
  }
}

/** Where each function is, for the functions here and for whoever asks the ingress. */
export async function writeWhere(here: Here, genome: Genome, lineage: Lineage): Promise<void> {
  const abouts = whereAbouts({
    lineage,
    genome,
    pulses: pulsesOf(here),
    self: here.identity.id,
    now: here.clock(),
  });
  await writeIfChanged(here.layout.whereFile, JSON.stringify(abouts));
}
