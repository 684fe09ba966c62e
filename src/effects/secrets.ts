/** Where a function's secrets come from: the environment, a file or a command; never the genome itself. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Genome } from '../../genome/schema.ts';
import { CellError, messageOf } from '../errors.ts';

const COMMAND_TIMEOUT_MS = 30_000;

/** The secret that a source names. Throws NOT_FOUND with the source, never with a value. */
export async function resolveSecret(source: string): Promise<string> {
  const [kind, rest] = [source.slice(0, source.indexOf(':')), source.slice(source.indexOf(':') + 1)];
  try {
    if (kind === 'env') {
      const value = process.env[rest];
      if (value === undefined) throw new Error('it is not set');
      return value;
    }
    if (kind === 'file') return (await readFile(rest, 'utf8')).trim();
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', rest], { timeout: COMMAND_TIMEOUT_MS });
    return stdout.trim();
  } catch (cause) {
    throw new CellError('NOT_FOUND', `The secret at ${source} cannot be had`, {
      why: kind === 'command' ? 'the command failed' : messageOf(cause),
      suggestion: kind === 'env' ? `export ${rest}=…` : 'See that it is there and readable.',
    });
  }
}

/** Every secret of every function. */
export async function resolveSecrets(genome: Genome): Promise<Record<string, Record<string, string>>> {
  const secrets: Record<string, Record<string, string>> = {};
  for (const [name, gene] of Object.entries(genome.functions)) {
    for (const [variable, source] of Object.entries(gene.secrets)) {
      secrets[name] = { ...secrets[name], [variable]: await resolveSecret(source) };
    }
  }
  return secrets;
}
