/**
 * Who may come in over SSH, written whole from the lineage each time it changes: cells to sync and nothing else, the
 * operators and the seeder with a shell, the imprint key while the cell is being made, and, once the cell has decided
 * to go, its parent with a shell to take everything out. The packet filter goes with it.
 *
 * On an operating system these are two files of two users: root's for shells, the door's for syncs, which no hole in a
 * sync can make into more. On a machine with one user they are one.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { besideOwner, claimOn } from './effects/claim.ts';
import { readIfThere, writeAtomic } from './effects/files.ts';
import { cellId } from './effects/keys.ts';
import { openGates } from './gates.ts';
import { genomeOf, type Here, lineageOf } from './here.ts';
import { authorizedKeys, forcedLine, peerKeys, shellKeys } from './memory/authorized.ts';
import type { CellId, PublicKey } from './model.ts';

const serveWith = (here: Here) => (id: CellId) => `${here.layout.cell} sync --serve --peer ${id}`;

async function write(here: Here, shells: string, peers: string): Promise<void> {
  const { layout } = here;
  const files =
    layout.peerKeys === layout.authorizedKeys
      ? [{ file: layout.authorizedKeys, text: shells + peers, mode: 0o600 }]
      : [
          { file: layout.authorizedKeys, text: shells, mode: 0o600 },
          { file: layout.peerKeys, text: peers, mode: 0o640 },
        ];
  const lent = (await claimOn(layout)) !== null;
  for (const { file, text, mode } of files) {
    const before = await readIfThere(file);
    // On a machine that its owner lends, his keys stay as they are.
    const wanted = lent && file === layout.authorizedKeys ? besideOwner(before ?? '', text) : text;
    if (before !== wanted) await writeAtomic(file, wanted, mode);
  }
}

/** Before the first sync there is no lineage to know anybody from: the parent to sync, and the imprint key. */
export async function letInFirst(
  here: Here,
  peer: { id: CellId; key: PublicKey },
  imprintKey: PublicKey,
): Promise<void> {
  await write(here, `${imprintKey} imprint\n`, `${forcedLine(serveWith(here)(peer.id), peer.key, peer.id)}\n`);
}

export async function letIn(here: Here): Promise<void> {
  const [genome, lineage] = await Promise.all([genomeOf(here), lineageOf(here)]);
  const self = lineage.cells[here.identity.id];
  if (self === undefined) return;
  const imprint = await readFile(join(here.home, 'imprint.pub'), 'utf8').catch(() => null);
  const parent = lineage.cells[self.parent];
  const shells: PublicKey[] = [lineage.seeder.key, ...genome.governance.operators];
  if (self.state === 'wilting' && parent !== undefined) shells.push(parent.key);
  const extra = imprint === null ? [] : [`${imprint.trim()} imprint`];
  const { authorities: authors } = genome.governance;
  const doors = { lineage, self: self.id, shells, authors, extra, serve: serveWith(here), idOf: cellId };
  await openGates(here, genome, lineage);
  const oneUser = here.layout.peerKeys === here.layout.authorizedKeys;
  if (oneUser) await write(here, authorizedKeys(doors), '');
  else await write(here, shellKeys(doors), peerKeys(doors));
}
