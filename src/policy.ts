/** What a cell thinks of a proposed genome: whether it compiles here, and stays inside the body's bounds. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { compile } from '../genome/compile.ts';
import { readGenome } from '../genome/read.ts';
import type { Genome } from '../genome/schema.ts';
import { newPackages, objections, unsigned } from './decide/renewal.ts';
import { notInstalled } from './effects/installed.ts';
import { explain } from './errors.ts';
import { type Here, lineageOf } from './here.ts';
import { checkoutGenome } from './memory/genome.ts';
import type { Proposed } from './model.ts';
import { unsealSecrets } from './sealed.ts';

/** Why not; nothing: yes. Never throws for what is wrong with the genome. */
export async function opinionOf(here: Here, before: Genome, proposal: Proposed): Promise<readonly string[]> {
  try {
    // Whoever cannot open them may be the one that has to.
    await unsealSecrets(here, proposal);
  } catch (error) {
    return [explain(error).split('\n')[0] ?? ''];
  }
  return reading(here, proposal, async (genome) => {
    const found = objections(before, genome, proposal);
    if (found.length > 0) return found;
    const { cells, seeder } = await lineageOf(here);
    const self = cells[here.identity.id];
    const asked = here.layout.system ? newPackages(before, genome, self?.functions ?? []) : [];
    const missing = await notInstalled(asked);
    if (missing.length > 0)
      return [`it needs ${missing.join(', ')}, which this machine has not: install it here first`];
    const cloud = self?.cloud ?? Object.keys(genome.clouds)[0] ?? '';
    const functions = Object.keys(genome.functions);
    compile(genome, { birth: self?.birth ?? 'b0000000000', parent: self?.parent ?? seeder.id, cloud, functions });
    return [];
  });
}

/** What no vote makes good, by hand or not: limits of the organism that are raised without being signed for. */
export function breachesOf(here: Here, before: Genome, proposal: Proposed): Promise<readonly string[]> {
  // One that cannot be read here shows that when it is taken in, and is taken back.
  return reading(
    here,
    proposal,
    async (genome) => unsigned(before, genome, proposal),
    () => [],
  );
}

async function reading(
  here: Here,
  proposal: Proposed,
  judge: (genome: Genome) => Promise<readonly string[]>,
  otherwise: (why: string) => readonly string[] = (why) => [why],
): Promise<readonly string[]> {
  const folder = await mkdtemp(join(here.home, 'proposed-'));
  try {
    checkoutGenome(await here.memory.genomeFiles(proposal), folder);
    return await judge((await readGenome(join(folder, 'genome.yaml'))).genome);
  } catch (error) {
    return otherwise(`it does not compile here: ${explain(error)}`.split('\n')[0] ?? '');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
