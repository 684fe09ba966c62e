/**
 * Where the Pulumi CLI and its plugins are: on PATH, else among what came to this cell with its imprint, else in this
 * computer's cache. CELL_PULUMI names a CLI before all of these.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { CellError } from '../../src/errors.ts';
import { layout } from '../../src/layout.ts';

/** The version that tools/pulumi/go.mod pins and the conformance suite runs against. */
export const PULUMI_VERSION = 'v3.253.0';

const pathOf = (env: NodeJS.ProcessEnv) => (env.PATH ?? '').split(delimiter).filter(isAbsolute);

/** The folder where this computer keeps what it fetched or built. */
export function cacheOf(env: NodeJS.ProcessEnv = process.env): string {
  return env.CELL_CACHE || join(env.HOME || homedir(), '.cache', 'cell');
}

/** Where the cache keeps a tool of a platform (`linux-x64`). */
export function cachedTool(file: string, version: string, platform: string, env: NodeJS.ProcessEnv = process.env) {
  return join(cacheOf(env), 'engines', platform, `${file}-v${version}`, file);
}

/** The path of the CLI, or null. With CELL_PULUMI set, only that one counts. */
export function findPulumi(env: NodeJS.ProcessEnv = process.env): string | null {
  if (env.CELL_PULUMI) return isProgram(env.CELL_PULUMI) ? env.CELL_PULUMI : null;
  const built = join(cacheOf(env), 'pulumi', PULUMI_VERSION, 'pulumi');
  return findTool('pulumi', PULUMI_VERSION.slice(1), env) ?? (isProgram(built) ? built : null);
}

/** The path of a program in a version (which counts in the cache alone), or null. */
export function findTool(file: string, version: string, env: NodeJS.ProcessEnv = process.env): string | null {
  const came = join(layout(env.CELL_ROOT ?? '').engines, file);
  const cached = cachedTool(file, version, `${process.platform}-${process.arch}`, env);
  return [...pathOf(env).map((folder) => join(folder, file)), came, cached].find(isProgram) ?? null;
}

export function missing(env: NodeJS.ProcessEnv = process.env, cause?: unknown): CellError {
  return new CellError('ENGINE_MISSING', 'there is no Pulumi CLI that can be used', {
    why: env.CELL_PULUMI
      ? `CELL_PULUMI says ${env.CELL_PULUMI}`
      : 'no program `pulumi` is on PATH, came with the imprint, or is in the cache',
    suggestion:
      `Install Pulumi ${PULUMI_VERSION} or later, run tools/pulumi/build.sh (needs Go), or name it in CELL_PULUMI; ` +
      '`cell seed` fetches it where it can. Stacks of local, nspawn and hosts machines need none.',
    ...(cause === undefined ? {} : { cause }),
  });
}

export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
