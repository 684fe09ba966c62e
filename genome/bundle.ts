/**
 * The files that a genome carries to every cell: its own text and the folders its functions come from. Their hash is
 * what a lineage calls the genome.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import { CellError } from '../src/errors.ts';
import { MAX_CARRIED_BYTES, MAX_CARRIED_FILES } from './limits.ts';
import type { Genome } from './schema.ts';

export interface GenomeFile {
  /** Relative to the genome's folder, with forward slashes. */
  readonly path: string;
  readonly content: Buffer;
  /** 0o644 or 0o755: only whether it can be run is kept, so that a umask changes no hash. */
  readonly mode: number;
}

/** What the genome itself is called wherever it is carried. */
export const GENOME_FILE = 'genome.yaml';

/** Made by tools or by us, and never part of a source. `.cell` holds keys. */
const IGNORED = new Set(['node_modules', '.git', '.cell']);

/**
 * Sorted by path. Links that stay inside the genome's folder are carried as what they point at.
 * @throws CellError NOT_FOUND (a source is not there), NOT_ALLOWED (a link leaves the folder, a pipe or socket, too much).
 */
export async function genomeFiles(genomeFile: string, genome: Genome): Promise<readonly GenomeFile[]> {
  const root = await realpath(dirname(resolve(genomeFile)));
  const files = new Map<string, GenomeFile>();
  let bytes = 0;
  // Debian packages go from machine to machine as they are, not with the genome's history.
  const packages = Object.values(genome.clouds).flatMap((gene) =>
    'packages' in gene && gene.packages !== undefined ? [posix.normalize(gene.packages).replace(/\/+$/, '')] : [],
  );

  const add = (file: GenomeFile) => {
    if (files.has(file.path)) return;
    files.set(file.path, file);
    bytes += file.content.length;
    if (bytes > MAX_CARRIED_BYTES || files.size > MAX_CARRIED_FILES) throw tooMuch(file.path);
  };

  /** @param inside Real folders that are being walked: a link back into one of them never ends. */
  async function walk(path: string, inside: readonly string[]): Promise<void> {
    if (packages.includes(path)) return;
    const full = join(root, ...path.split('/'));
    const real = await realpath(full).catch((cause) => {
      throw missing(path, cause);
    });
    if (real !== root && !real.startsWith(root + sep)) throw leaves(path);
    if (
      relative(root, real)
        .split(sep)
        .some((part) => IGNORED.has(part))
    )
      return;
    const found = await stat(real);
    if (found.isDirectory()) {
      if (inside.includes(real))
        throw refused(`${path} is a link into a folder that holds it`, 'remove the link', path);
      const names = (await readdir(real)).filter((name) => !IGNORED.has(name)).sort();
      for (const name of names) await walk(posix.join(path, name), [...inside, real]);
    } else if (found.isFile()) {
      // Seen before it is read, so that a huge file does not fill the memory first.
      if (bytes + found.size > MAX_CARRIED_BYTES) throw tooMuch(path);
      add({ path, content: await readFile(real), mode: (found.mode & 0o111) === 0 ? 0o644 : 0o755 });
    } else {
      throw refused(`${path} is neither a file nor a folder`, 'remove it: only files and folders can be carried', path);
    }
  }

  add({ path: GENOME_FILE, content: await readFile(genomeFile), mode: 0o644 });
  for (const [name, { source }] of Object.entries(genome.functions)) {
    if (source === undefined) continue;
    const path = posix.normalize(source).replace(/\/+$/, '');
    if (path.startsWith('..') || path.startsWith('/')) throw leaves(source);
    const found = await stat(join(root, path)).catch((cause) => {
      throw missing(source, cause);
    });
    if (!found.isDirectory())
      throw refused(`the source of ${name} is not a folder: ${source}`, 'name the folder it is in', source);
    await walk(path, []);
  }
  return [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** sha256 (hex) over the listing `mode sha256 path`, one line a file, sorted by path. */
export function genomeHash(files: readonly GenomeFile[]): string {
  const hash = createHash('sha256');
  for (const { path, content, mode } of files.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    hash.update(`${mode.toString(8)} ${createHash('sha256').update(content).digest('hex')} ${JSON.stringify(path)}\n`);
  }
  return hash.digest('hex');
}

function refused(message: string, suggestion: string, path: string): CellError {
  return new CellError('NOT_ALLOWED', message, { suggestion, fields: { path } });
}

function leaves(path: string): CellError {
  return refused(
    `${path} leads out of the genome's folder`,
    'copy what it points at into the folder: nothing else travels',
    path,
  );
}

function missing(path: string, cause: unknown): CellError {
  const suggestion = 'create it, or mend `source` in the genome';
  return new CellError('NOT_FOUND', `the genome carries ${path}, which is not there`, {
    suggestion,
    fields: { path },
    cause,
  });
}

function tooMuch(path: string): CellError {
  return new CellError('NOT_ALLOWED', 'the genome carries too much', {
    why: `with ${path} it is more than ${MAX_CARRIED_BYTES / 1024 / 1024} MiB or ${MAX_CARRIED_FILES} files, and all of it goes to every cell`,
    suggestion: 'keep data and build results out of the source folders',
    fields: { path, maxBytes: MAX_CARRIED_BYTES, maxFiles: MAX_CARRIED_FILES },
  });
}
