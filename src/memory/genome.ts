/**
 * The branch `genome`: the genome's files as one commit that every cell makes alike, taken only when their hash is the
 * one that the genesis signed.
 */
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import type { GenomeFile } from '../../genome/bundle.ts';
import { genomeHash } from '../../genome/bundle.ts';
import { CellError } from '../errors.ts';
import type { Proposal, Proposed } from '../model.ts';
import { canonical } from './entry.ts';
import { MAX_GENOME_FILES } from './limits.ts';
import { genomeCommit, gitObject, parseCommit, proposalCommit, treesOf } from './objects.ts';
import type { Objects } from './repo.ts';
import { readHeads, readTree, updateRefs, writeObjects } from './repo.ts';

export const GENOME_REF = 'refs/heads/genome';
/** In a folder that no genome carries (genome/bundle.ts). */
const SEALED_FILE = '.cell/sealed.age';

/** Writes the files as the genome. Throws FEED_REFUSED when their hash is not `expected`. Gives the commit. */
export async function writeGenome(dir: string, files: readonly GenomeFile[], expected: string): Promise<string> {
  refuseOther(genomeHash(files), expected);
  const { blobs, trees } = objectsOf(files);
  const commit = genomeCommit(trees.at(-1)?.id ?? '', expected);
  await writeObjects(dir, [...blobs, ...trees, commit]);
  if (readHeads(dir).get('genome') !== commit.id) await updateRefs(dir, [{ ref: GENOME_REF, to: commit.id }]);
  return commit.id;
}

/** Writes a proposal's files and its commit. Gives the commit; nothing refers to it yet. */
export async function writeProposal(
  dir: string,
  files: readonly GenomeFile[],
  parent: string,
  proposal: Proposal,
  sealed: Buffer | null = null,
): Promise<string> {
  refuseOther(genomeHash(files), proposal.genome);
  const more = sealed === null ? [] : [{ path: SEALED_FILE, mode: 0o644, content: sealed }];
  const { blobs, trees } = objectsOf([...files, ...more]);
  const commit = proposalCommit(trees.at(-1)?.id ?? '', parent, proposal, canonical(proposal));
  await writeObjects(dir, [...blobs, ...trees, commit]);
  return commit.id;
}

function objectsOf(files: readonly GenomeFile[]) {
  const blobs = files.map(({ path, mode, content }) => ({
    path,
    mode: gitMode(mode),
    blob: gitObject('blob', content),
  }));
  const trees = treesOf(new Map(blobs.map(({ path, mode, blob }) => [path, { mode, blob: blob.id }])));
  return { blobs: blobs.map(({ blob }) => blob), trees };
}

/** The files of a genome's commit. Throws FEED_REFUSED when they are not the genome `expected`. */
export async function readGenome(objects: Objects, commit: string, expected: string): Promise<GenomeFile[]> {
  const object = await objects.get(commit);
  const parsed = object?.type === 'commit' ? parseCommit(object.body) : null;
  if (parsed === null)
    throw new CellError('FEED_REFUSED', 'The genome cannot be read', { why: `${commit} is no commit` });
  let files: GenomeFile[];
  try {
    const listed = [...(await readTree(objects, parsed.tree, MAX_GENOME_FILES))].filter(
      ([path]) => path !== SEALED_FILE,
    );
    files = await Promise.all(
      listed.map(async ([path, { mode, blob }]) => {
        const content = await objects.get(blob);
        if (content?.type !== 'blob') throw new Error(`${path} is missing`);
        return { path, mode: mode === '100755' ? 0o755 : 0o644, content: content.body };
      }),
    );
  } catch (cause) {
    throw new CellError('FEED_REFUSED', 'The genome cannot be read', { why: (cause as Error).message, cause });
  }
  refuseOther(genomeHash(files), expected);
  return files;
}

/** What a proposal's commit carries beside its files: secrets, sealed. Throws FEED_REFUSED when it is not what was signed. */
export async function readSealed(objects: Objects, { commit, sealed }: Proposed): Promise<Buffer | null> {
  const object = await objects.get(commit);
  const parsed = object?.type === 'commit' ? parseCommit(object.body) : null;
  const tree = parsed === null ? null : await readTree(objects, parsed.tree, MAX_GENOME_FILES);
  const blob = tree?.get(SEALED_FILE)?.blob;
  const content = blob === undefined ? null : await objects.get(blob);
  const found = content?.type === 'blob' ? content.body : null;
  const hash = found === null ? undefined : createHash('sha256').update(found).digest('hex');
  if (hash === sealed) return found;
  throw new CellError('FEED_REFUSED', 'The secrets that a proposal carries cannot be read', {
    why: found === null ? 'they are missing' : 'they are not what its author signed',
  });
}

/** Writes a genome's files below a folder. Throws NOT_ALLOWED for a path that leads out of it. */
export function checkoutGenome(files: readonly GenomeFile[], folder: string): void {
  const root = resolve(folder);
  for (const { path, mode, content } of files) {
    const file = resolve(join(root, path));
    if (!file.startsWith(root + sep))
      throw new CellError('NOT_ALLOWED', `The genome's file ${path} leads out of its folder`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    chmodSync(file, mode);
  }
}

const gitMode = (mode: number): string => ((mode & 0o111) === 0 ? '100644' : '100755');

function refuseOther(hash: string, expected: string): void {
  if (hash === expected) return;
  throw new CellError('FEED_REFUSED', 'This is not the genome of the organism', {
    why: `its hash is ${hash.slice(0, 12)}…, the genesis signed ${expected.slice(0, 12)}…`,
    suggestion: 'A changed genome is proposed to the organism with `cell apply`.',
  });
}
