/** A genome to start from: one of the examples, with the programs of its functions, copied into a folder. */
import { chmod, copyFile, lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { CellError } from '../src/errors.ts';
import { packageRoot } from '../src/programs.ts';

export const EXAMPLES = ['small', 'crawler', 'elmsln', 'adea', 'multicloud'] as const;
export type Example = (typeof EXAMPLES)[number];

const SCHEMA_FILE = 'genome.schema.json';
const SCHEMA_LINE = `# yaml-language-server: $schema=./${SCHEMA_FILE}`;

/**
 * Writes the example and the schema that editors complete from.
 * @returns What was written, relative to the folder, sorted.
 * @throws CellError NOT_ALLOWED when a file is there already and `force` is not given; nothing is written then.
 */
export async function writeExample(example: Example, folder: string, force: boolean): Promise<readonly string[]> {
  const from = join(packageRoot(), 'genome', 'examples', example);
  const names = await filesBelow(from);
  const targets = [...names, SCHEMA_FILE].sort();
  const taken: string[] = [];
  for (const name of targets) if (await exists(join(folder, name))) taken.push(name);
  if (taken.length > 0 && !force) {
    throw new CellError('NOT_ALLOWED', `${taken[0]} is there already`, {
      why: `nothing was written, for ${taken.length === 1 ? 'this file' : `these ${taken.length} files`} would have been lost`,
      suggestion: 'Choose another folder (cell init FOLDER), or write over them with --force.',
      fields: { folder: resolve(folder), files: taken.join(', ') },
    });
  }
  try {
    for (const name of names) await write(join(from, name), join(folder, name));
    await copyFile(join(packageRoot(), 'genome', SCHEMA_FILE), join(folder, SCHEMA_FILE));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new CellError('NOT_ALLOWED', `${folder} cannot be written`, {
      why: `the system says ${code}`,
      suggestion: 'Choose a folder that you may write to.',
      fields: { folder: resolve(folder) },
      cause,
    });
  }
  return targets;
}

async function write(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  if (!/\.ya?ml$/.test(from)) {
    await copyFile(from, to);
    // What npm installed may be read-only; this copy is its reader's own.
    await chmod(to, ((await lstat(from)).mode & 0o777) | 0o644);
    return;
  }
  // An example knows the schema by its place in the package.
  const lines = (await readFile(from, 'utf8')).split('\n').filter((line) => !/^#\s*yaml-language-server:/.test(line));
  await writeFile(to, [SCHEMA_LINE, ...lines].join('\n'));
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((path) => !/(?:^|[\\/])(?:node_modules|\.cell)(?:[\\/]|$)/.test(path));
}

async function exists(file: string): Promise<boolean> {
  return lstat(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
  );
}
