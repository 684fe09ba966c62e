/**
 * What packets come in, as the genome and the lineage say now; written only where it differs. Together with the doors
 * (doors.ts), for a cell that is born has to be let in by both.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Genome } from '../genome/schema.ts';
import { openings } from './decide/openings.ts';
import { setFirewall } from './effects/firewall.ts';
import { sshPorts } from './effects/house.ts';
import type { Here } from './here.ts';
import type { Lineage } from './model.ts';

export async function openGates(here: Here, genome: Genome, lineage: Lineage): Promise<void> {
  if (!here.layout.system) return;
  const wanted = openings(genome, lineage, here.identity.id);
  const cells = (await Promise.all(wanted.cells.map(addressesOf))).flat();
  await setFirewall(here.layout, { ...wanted, cells, ssh: await sshPorts(here.layout) });
}

/** A name that nobody answers for now lets nobody in; the next tick asks again. */
async function addressesOf(cell: string): Promise<readonly string[]> {
  if (isIP(cell) !== 0) return [cell];
  return lookup(cell, { all: true }).then(
    (found) => found.map(({ address }) => address),
    () => [],
  );
}
