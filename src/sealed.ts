/**
 * Secrets that a changed genome asks for, on their way from whoever proposes it to the cells: sealed with age to those that
 * live then and to the recovery key, in the proposal's own commit, with their hash in what its author signs. What a cell has
 * already is neither asked for nor sent.
 */
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { portionOf } from './decide/needs.ts';
import { type Asked, electors } from './decide/renewal.ts';
import { unseal } from './effects/age.ts';
import { readJson, writeAtomic } from './effects/files.ts';
import { resolveSecret } from './effects/secrets.ts';
import { encrypt } from './effects/vault.ts';
import { CellError, explain } from './errors.ts';
import { type Here, keepSecrets, lineageOf, type Secrets, secretsOf } from './here.ts';
import type { Step } from './line.ts';
import { readSealed } from './memory/genome.ts';
import { readProposal } from './memory/proposals.ts';
import type { FunctionName, Lineage, ProposalId, Proposed } from './model.ts';

interface Parcel {
  readonly v: 1;
  /** Of the genome that asks for them, so that they belong to no other. */
  readonly genome: string;
  readonly secrets: Secrets;
}

/**
 * Reads secrets from their sources here and seals them to every cell that lives: any of them may be the first to take the
 * genome in. Throws NOT_FOUND for one that cannot be had here.
 */
export async function sealSecrets(
  asked: readonly Asked[],
  genome: string,
  lineage: Lineage,
): Promise<{ readonly bytes: Buffer; readonly signed: { readonly sealed: string } }> {
  const secrets: Record<FunctionName, Record<string, string>> = {};
  for (const one of asked) {
    const { function: name, variable } = one;
    secrets[name] = { ...secrets[name], [variable]: await secretFor(one) };
  }
  const parcel: Parcel = { v: 1, genome, secrets };
  const recipients = [...electors(lineage).map(({ recipient }) => recipient), lineage.seeder.recipient];
  const bytes = await encrypt(recipients, Buffer.from(JSON.stringify(parcel)));
  return { bytes, signed: { sealed: createHash('sha256').update(bytes).digest('hex') } };
}

async function secretFor({ function: name, variable, source }: Asked): Promise<string> {
  try {
    return await resolveSecret(source);
  } catch (cause) {
    const { why = '', suggestion = '' } = cause as CellError;
    throw new CellError('NOT_FOUND', `${name} asks for the secret ${variable}, and ${source} cannot be had here`, {
      why,
      suggestion: `${suggestion.replace(/\.$/, '')}; no cell has it, so whoever applies this genome sends it along, sealed.`,
      cause,
      fields: { function: name, variable, source },
    });
  }
}

/** What a proposal carries for this home; null: nothing. Throws when it cannot be opened here. */
export async function unsealSecrets(here: Here, proposal: Proposed): Promise<Secrets | null> {
  const bytes = await here.memory.reading((objects) => readSealed(objects, proposal));
  if (bytes === null) return null;
  let parcel: Parcel;
  try {
    parcel = JSON.parse((await unseal(here.home, bytes)).toString('utf8')) as Parcel;
  } catch (cause) {
    throw new CellError('NOT_ALLOWED', 'The secrets of this genome are not sealed to this cell', {
      why: `cells that were born after it was proposed cannot open them (${explain(cause)})`,
      suggestion: 'Propose it again.',
    });
  }
  if (parcel.v === 1 && parcel.genome === proposal.genome) return parcel.secrets;
  throw new CellError('NOT_ALLOWED', 'The secrets that came with this genome are those of another');
}

/** What this home had before it took the secrets of a proposal in. */
interface Before {
  readonly proposal: ProposalId;
  readonly secrets: Secrets;
}

const beforeFile = (here: Pick<Here, 'home'>) => join(here.home, 'secrets.before.json');

/**
 * Keeps what a genome brings for functions that this cell performs, is to begin, or can get back from its descendants.
 * Killed on the way, it is done again.
 */
export async function takeSecrets(here: Here, { commit }: Step, fresh: readonly FunctionName[]): Promise<void> {
  const found = await here.memory.reading((objects) => readProposal(objects, commit, here.memory.organism));
  // The genome of the genesis: what it needs came with this cell's birth.
  if ('reason' in found) return;
  const { proposed } = found;
  const brought = await unsealSecrets(here, proposed);
  if (brought === null) return;
  const kept = await readJson<Before | null>(beforeFile(here), null);
  const before = kept?.proposal === proposed.id ? kept.secrets : await secretsOf(here);
  await writeAtomic(beforeFile(here), JSON.stringify({ proposal: proposed.id, secrets: before }), 0o600);
  const names = [...portionOf(await lineageOf(here), here.identity.id).functions, ...fresh];
  const secrets: Record<FunctionName, Secrets[FunctionName]> = { ...before };
  for (const name of names) if (brought[name] !== undefined) secrets[name] = { ...before[name], ...brought[name] };
  await keepSecrets(here, secrets);
}

/** The genome of a proposal did not hold: its secrets go with it. */
export async function returnSecrets(here: Here, from: ProposalId | null): Promise<void> {
  const kept = await readJson<Before | null>(beforeFile(here), null);
  if (kept === null || kept.proposal !== from) return;
  await keepSecrets(here, kept.secrets);
  await rm(beforeFile(here), { force: true });
}
