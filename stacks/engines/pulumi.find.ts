/**
 * Where the Pulumi CLI is: CELL_PULUMI, else PATH, else the one that tools/pulumi/build.sh put into the cache.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { CellError } from '../../src/errors.ts';

/** The version that tools/pulumi/go.mod pins and the conformance suite runs against. */
export const PULUMI_VERSION = 'v3.253.0';

/** The path of the CLI, or null. With CELL_PULUMI set, only that one counts. */
export function findPulumi(env: NodeJS.ProcessEnv = process.env): string | null {
  if (env.CELL_PULUMI) return isProgram(env.CELL_PULUMI) ? env.CELL_PULUMI : null;
  const folders = (env.PATH ?? '').split(delimiter).filter(isAbsolute);
  const cache = env.CELL_CACHE || join(env.HOME || homedir(), '.cache', 'cell');
  const places = [...folders, join(cache, 'pulumi', PULUMI_VERSION)].map((folder) => join(folder, 'pulumi'));
  return places.find(isProgram) ?? null;
}

export function missing(env: NodeJS.ProcessEnv = process.env, cause?: unknown): CellError {
  return new CellError('ENGINE_MISSING', 'there is no Pulumi CLI that can be used', {
    why: env.CELL_PULUMI ? `CELL_PULUMI says ${env.CELL_PULUMI}` : 'no program `pulumi` on PATH or in the cache',
    suggestion:
      `Install Pulumi ${PULUMI_VERSION} or later, run tools/pulumi/build.sh (needs Go), or name it in CELL_PULUMI. ` +
      'Stacks of local, nspawn and hosts machines need none.',
    ...(cause === undefined ? {} : { cause }),
  });
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
