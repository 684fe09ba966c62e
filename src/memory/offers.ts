/** What a session does with a genome and proposals that a peer offers: which refs they become, or why they are refused. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProposalId, PublicKey } from '../model.ts';
import { GENOME_REF } from './genome.ts';
import { judgeProposals, proposalRef, readLine, type Sentence } from './proposals.ts';
import type { Objects, RefChange } from './repo.ts';

interface Offered {
  readonly objects: Objects;
  readonly organism: string;
  /** Hash of the genome that the genesis signed. */
  readonly genesis: string;
  readonly seeder: PublicKey;
  readonly genome: string | null;
  readonly proposals: ReadonlyMap<ProposalId, string>;
}

const NONE: Sentence = { taken: new Map(), refused: {} };

/** A genome is taken by who has none, when its line goes back to the genesis; proposals when they stand on it. */
export async function judgeGenomes(
  home: string,
  refs: ReadonlyMap<string, string>,
  { objects, organism, genesis, seeder, genome: offered, proposals }: Offered,
): Promise<{ readonly genome: boolean; readonly proposals: Sentence; readonly changes: readonly RefChange[] }> {
  const changes: RefChange[] = [];
  let tip = refs.get('genome') ?? null;
  let genome = false;
  if (offered !== null && tip === null) {
    try {
      await readLine(objects, offered, organism, genesis);
      changes.push({ ref: GENOME_REF, old: null, to: offered });
      tip = offered;
      genome = true;
    } catch {
      genome = false; // refused: not what the genesis signed, nor what stands on it
    }
  }
  if (proposals.size === 0 || tip === null) return { genome, proposals: NONE, changes };
  const known = new Map(
    [...refs].flatMap(([ref, commit]) => (ref.startsWith('proposals/') ? [[ref.slice(10), commit] as const] : [])),
  );
  const court = { organism, tip, known, authorities: authoritiesOf(home, seeder) };
  const sentence = await judgeProposals(objects, court, proposals);
  for (const [id, to] of sentence.taken) changes.push({ ref: proposalRef(id), old: null, to });
  return { genome, proposals: sentence, changes };
}

/** Whose proposals count, by the genome that this home runs. */
function authoritiesOf(home: string, seeder: PublicKey): readonly PublicKey[] | null {
  try {
    const { governance } = JSON.parse(readFileSync(join(home, 'genome.json'), 'utf8'));
    const keys = governance.authorities as readonly string[];
    return [seeder, ...keys.map((line) => line.split(' ').slice(0, 2).join(' '))];
  } catch {
    return null;
  }
}
