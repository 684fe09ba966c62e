/** Reading a genome's file: the only part of this room, with bundle.ts, that touches a disk. */
import { open, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { CellError } from '../src/errors.ts';
import type { Complaint } from './checks/complaint.ts';
import type { Finding } from './finding.ts';
import { MAX_TEXT } from './limits.ts';
import type { Genome } from './schema.ts';

export interface InspectedGenome {
  /** Null when a finding is an error. */
  readonly genome: Genome | null;
  readonly findings: readonly Finding[];
  readonly text: string;
}

/**
 * Reads and checks, folders of sources included: for who wants to know what is wrong.
 * @throws CellError GENOME_MISSING when there is no such file.
 */
export async function inspectGenome(file: string): Promise<InspectedGenome> {
  const text = await readText(file);
  // yaml and zod cost more than the rest of a command's start: only who reads a genome loads them.
  const { parseGenome } = await import('./parse.ts');
  const first = parseGenome(text, file);
  if (first.genome === null) return { ...first, text };
  const missing = await missingSources(file, first.genome);
  return { ...(missing.length === 0 ? first : parseGenome(text, file, () => missing)), text };
}

/**
 * The genome, for who needs one.
 * @throws CellError GENOME_MISSING, or GENOME_INVALID with the first findings as its reason.
 */
export async function readGenome(file: string): Promise<InspectedGenome & { readonly genome: Genome }> {
  const { genome, findings, text } = await inspectGenome(file);
  if (genome !== null) return { genome, findings, text };
  const { renderFindings } = await import('./print.ts');
  const errors = findings.filter((finding) => finding.severity === 'error');
  const count = `${errors.length} ${errors.length === 1 ? 'error' : 'errors'}`;
  throw new CellError('GENOME_INVALID', `${file} has ${count}`, {
    why: renderFindings(errors.slice(0, 10), { colour: false }).trimEnd(),
    suggestion: `Mend the genome; \`cell validate -g ${file}\` shows everything.`,
    fields: { file, errors: errors.length },
  });
}

async function readText(file: string): Promise<string> {
  try {
    // Bytes that are no UTF-8 become U+FFFD, which is found with its place.
    return (await readStart(file, 4 * MAX_TEXT)).toString('utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new CellError('GENOME_MISSING', `No genome can be read at ${file}`, {
      why: code === 'ENOENT' ? 'there is no such file' : `the file cannot be read (${code ?? 'unknown'})`,
      suggestion: 'Make one with `cell init`, or name it with -g FILE.',
      fields: { file },
      cause: error,
    });
  }
}

/** No more than can be answered: the rest of a file that is too large would only fill the memory. */
async function readStart(file: string, most: number): Promise<Buffer> {
  const handle = await open(file);
  try {
    const chunks: Buffer[] = [];
    for (let length = 0; length < most; ) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(64 * 1024));
      if (bytesRead === 0) break;
      chunks.push(buffer.subarray(0, bytesRead));
      length += bytesRead;
    }
    return Buffer.concat(chunks);
  } finally {
    await handle.close();
  }
}

async function missingSources(file: string, genome: Genome): Promise<Complaint[]> {
  const folder = dirname(resolve(file));
  const complaints = await Promise.all(
    Object.entries(genome.functions).map(async ([name, { source }]): Promise<Complaint | null> => {
      if (source === undefined) return null;
      const found = await stat(resolve(folder, source)).catch(() => null);
      if (found?.isDirectory()) return null;
      const message =
        found === null ? `there is no folder \`${source}\` beside the genome` : `\`${source}\` is not a folder`;
      return {
        code: 'missing-source',
        at: ['functions', name, 'source'],
        message,
        expected: 'a folder beside the genome',
      };
    }),
  );
  return complaints.filter((complaint) => complaint !== null);
}
