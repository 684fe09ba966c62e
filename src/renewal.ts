/** What a home remembers of a genome that gives way to another, and whether a tick has to look at it at all. */
import { join } from 'node:path';
import { readJson, writeAtomic } from './effects/files.ts';
import type { Here } from './here.ts';
import type { Step } from './line.ts';
import type { Recall } from './memory/memory.ts';
import type { FunctionName, ProposalId } from './model.ts';

export interface Turning {
  readonly to: Step;
  /** Why the genome before comes back; null: a new one comes. */
  readonly back: string | null;
  /** Functions here that are to be started anew, that begin here, and that go. Each leaves the list once it is done. */
  readonly changed: readonly FunctionName[];
  readonly fresh: readonly FunctionName[];
  readonly gone: readonly FunctionName[];
  /** The files are in their place. */
  readonly placed: boolean;
  readonly failures: number;
}

export interface Renewal {
  readonly v: 1;
  /** By which proposal the genome came that runs here. */
  readonly runs: ProposalId | null;
  readonly turning: Turning | null;
  /** When the last turn ended, ms; whether it went forward, so that this home may say that it did not hold. */
  readonly turnedAt: number;
  readonly forward: boolean;
  /** Since when functions are not well with it. */
  readonly illSince: number | null;
  /** The proposals with which there was nothing left to do. */
  readonly quiet: string;
}

const fileOf = (here: Pick<Here, 'home'>) => join(here.home, 'renewal.json');

export async function renewalOf(here: Pick<Here, 'home'>): Promise<Renewal> {
  const fresh: Renewal = { v: 1, runs: null, turning: null, turnedAt: 0, forward: false, illSince: null, quiet: '' };
  return readJson<Renewal>(fileOf(here), fresh);
}

export async function keepRenewal(here: Pick<Here, 'home'>, renewal: Renewal): Promise<void> {
  await writeAtomic(fileOf(here), JSON.stringify(renewal));
}

/** Empty where nothing was ever proposed. Who may raise the budget has to look again when it was another before. */
export function keyOf({ proposals, lineage: { mint, maxCells } }: Pick<Recall, 'proposals' | 'lineage'>): string {
  const ids = Object.keys(proposals).sort();
  return ids.length === 0 ? '' : [...ids, mint, maxCells].join(' ');
}

/** Whether there is anything to do about genomes. Costs nothing where nothing was ever proposed. */
export async function isDue(here: Here): Promise<boolean> {
  const key = keyOf(await here.memory.recall());
  return key !== '' && (await renewalOf(here)).quiet !== key;
}
