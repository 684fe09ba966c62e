/**
 * `memory.json`: what the verified feeds add up to, kept so that a recall with nothing new is one read.
 *
 * Only a cache. It is keyed by the heads it was made from and closed with a sum over its own text; anything wrong with
 * it and it is made again from git.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { replaceFile } from '../effects/replace.ts';
import type { CellId, Lineage } from '../model.ts';
import type { Head } from './chain.ts';

export interface State {
  readonly heads: Readonly<Record<CellId, Head>>;
  readonly lineage: Lineage;
  /** Feeds that end at a proven fork. */
  readonly stops: Readonly<Record<CellId, number>>;
}

/** The version of the program's rules that a cached lineage was made by; a change of either makes it again. */
const VERSION = 4;
const sum = (text: string) => createHash('sha256').update(text).digest('hex');

export function readState(file: string, organism: string, seeder: CellId): State | null {
  try {
    const text = readFileSync(file, 'utf8');
    const cut = text.indexOf('\n');
    const head = JSON.parse(text.slice(0, cut).replace(/,$/, '}')) as Record<string, unknown>;
    const body = text.slice(cut + 1);
    const ours = head.v === VERSION && head.organism === organism && head.seeder === seeder;
    return ours && head.sum === sum(body) ? (JSON.parse(body.slice('"state":'.length, -2)) as State) : null;
  } catch {
    return null;
  }
}

export function writeState(file: string, organism: string, seeder: CellId, state: State): void {
  const body = `"state":${JSON.stringify(state)}}\n`;
  const head = JSON.stringify({ v: VERSION, organism, seeder, sum: sum(body) }).replace(/\}$/, ',');
  replaceFile(file, `${head}\n${body}`, 0o644, false);
}
