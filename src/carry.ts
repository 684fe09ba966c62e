/**
 * Data of a function on its way between this cell and another, one pass at a time: by rsync where both ends have it, else
 * by tar. Chosen by what is there, for an image without rsync is as good a machine as any.
 */
import type { Genome } from '../genome/schema.ts';
import type { Pass } from './decide/passes.ts';
import { type CopyResult, pull, push } from './effects/copy.ts';
import type { Manifest } from './effects/files.ts';
import { pass } from './effects/pass.ts';
import { DUMP, ownSide } from './effects/room.ts';
import { ASK_FOR_TOOLS, type Tools, toolsIn } from './effects/rsync.ts';
import { folderOf } from './effects/services.ts';
import { type Side, sideThere } from './effects/side.ts';
import type { Remote } from './effects/ssh.ts';
import { asFunction } from './effects/users.ts';
import { geneOf } from './functions.ts';
import { hand } from './hand.ts';
import type { Here } from './here.ts';
import { layout } from './layout.ts';
import type { FunctionName } from './model.ts';

export interface Load {
  readonly here: Pick<Here, 'layout' | 'clock'>;
  readonly genome: Genome;
  readonly name: FunctionName;
  readonly remote: Remote;
  /** The function stands still: whatever cannot be copied is a failure. */
  readonly last: boolean;
  /** Called as bytes go by. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** What an end has, asked once a connection. */
const known = new WeakMap<object, Promise<Tools | null>>();

async function toolsOf(side: Side): Promise<Tools | null> {
  const key = side.remote?.reach ?? known;
  const asked = known.get(key) ?? side.sh(`{ ${ASK_FOR_TOOLS}; } 2>&1; true`).then(({ stdout }) => toolsIn(stdout));
  known.set(key, asked);
  return asked;
}

function farSide(remote: Remote, name: FunctionName): Side {
  const there = layout(remote.reach.root);
  return sideThere(remote, folderOf(there, name), asFunction(there, name));
}

/** What belongs to a function: its data, and the dump of it if there is one. */
export const pathsOf = (genome: Genome, name: FunctionName): readonly string[] => {
  const { data, handover } = geneOf(genome, name);
  return handover.dump === undefined ? data : [...data, DUMP];
};

/** Copies what differs to the function's folder on the machine. */
export async function carryOut(load: Load): Promise<Pass> {
  const { here, name, remote } = load;
  const [from, to] = [ownSide(here.layout, name), farSide(remote, name)];
  return carry(load, from, to, (paths, there) =>
    push(to.remote ?? remote, from.folder, to.folder, paths, there, from.as),
  );
}

/** Copies what differs from the machine to the function's folder here, or to a folder `below` it. */
export async function carryIn(load: Load & { readonly below: string }): Promise<Pass> {
  const { here, name, remote, below } = load;
  const [from, to] = [farSide(remote, name), ownSide(here.layout, name, below)];
  return carry(load, from, to, (paths, there) =>
    pull(from.remote ?? remote, from.folder, to.folder, paths, there, to.as),
  );
}

type ByTar = (paths: readonly string[], there: Manifest) => Promise<CopyResult>;

async function carry(load: Load, from: Side, to: Side, byTar: ByTar): Promise<Pass> {
  const { here, genome, name, remote, last, onBytes } = load;
  const paths = pathsOf(genome, name);
  if (paths.length === 0) return { bytes: 0, ms: 0 };
  const tools = await both(from, to);
  if (tools !== null) return pass({ from, to, paths, last, tools, onBytes });
  const began = here.clock();
  const { files } = await hand(remote, 'data', { function: name });
  const { bytes } = await byTar(paths, files);
  return { bytes, ms: here.clock() - began };
}

async function both(from: Side, to: Side): Promise<Tools | null> {
  const [one, other] = await Promise.all([toolsOf(from), toolsOf(to)]);
  return one === null || other === null ? null : { xattrs: one.xattrs && other.xattrs };
}
