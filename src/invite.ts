/**
 * How a computer that has nothing of an organism but a key of its own comes to see it: an invitation says whose genesis
 * counts and where cells answer. Nothing in it is secret, and nothing else is believed because of it: feeds and genomes
 * are checked up to that genesis.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from './effects/files.ts';
import { saveIdentity } from './effects/keys.ts';
import { CellError } from './errors.ts';
import { type Here, lineageOf, openHome, takeGenome } from './here.ts';
import { lineOf } from './line.ts';
import { type Peer, syncAll } from './memory/sync.ts';
import type { CellId } from './model.ts';
import { keepRenewal, renewalOf } from './renewal.ts';

export interface Invitation {
  readonly v: 1;
  readonly organism: string;
  readonly seeder: CellId;
  /** Any of them will do. */
  readonly cells: readonly (Peer & { readonly id: CellId })[];
}

/** Cells named in an invitation: one that is gone later still leaves others. */
const MOST_CELLS = 5;

export async function invitationOf(here: Here): Promise<Invitation> {
  const { cells } = await lineageOf(here);
  const living = Object.values(cells).filter(({ state }) => state === 'living');
  const oldest = living.sort((a, b) => a.bornAt - b.bornAt).slice(0, MOST_CELLS);
  const { organism, seeder } = here.memory;
  return { v: 1, organism, seeder, cells: oldest.map(({ id, reach, hostKey }) => ({ id, reach, hostKey })) };
}

/**
 * Makes a home by the invitation in CELL_ORGANISM with the key in CELL_KEY, unless there is one, or none is asked for.
 * Throws USAGE for half an invitation, MACHINE_UNREACHABLE when no cell answers.
 */
export async function joinIfInvited(home: string, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const { CELL_ORGANISM: text = '', CELL_KEY: key = '' } = env;
  if (text === '' || existsSync(join(home, 'genome.json'))) return;
  if (key === '') {
    throw new CellError('USAGE', 'CELL_ORGANISM says where the organism is, but there is no key', {
      suggestion: 'Put an unencrypted Ed25519 key in CELL_KEY whose public half is among governance.authorities.',
    });
  }
  const { organism, seeder, cells } = read(text);
  await mkdir(home, { recursive: true, mode: 0o700 });
  const identity = saveIdentity(home, `${key.trim()}\n`);
  await writeAtomic(join(home, 'organism.json'), JSON.stringify({ v: 1, organism, seeder }));
  const here = await openHome(home);
  await here.memory.ready();
  const results = await syncAll(cells, { home, identity });
  if (results.every(({ ok }) => !ok)) {
    throw new CellError('MACHINE_UNREACHABLE', `No cell of ${organism} answers`, {
      why: results.map(({ why }) => why).join('; '),
      suggestion:
        'A cell lets in the keys under governance.authorities of the genome it runs; `cell invite` names those that live.',
    });
  }
  const tip = (await lineOf(here)).at(-1);
  await keepRenewal(here, { ...(await renewalOf(here)), runs: tip?.proposal ?? null });
  await takeGenome(here, tip);
}

function read(text: string): Invitation {
  try {
    const said = JSON.parse(text) as Invitation;
    if (said.v !== 1 || said.cells.length === 0 || typeof said.organism !== 'string')
      throw new Error('it names no cell');
    return said;
  } catch (cause) {
    throw new CellError('USAGE', 'CELL_ORGANISM is no invitation', {
      why: (cause as Error).message,
      suggestion: 'Put there what `cell invite` prints beside the genome.',
      cause,
    });
  }
}
