/**
 * What a home minted for others, and what it still has to take back: `grants.json`, without secrets. It is a note of this
 * home's own; an heir finds none and mints anew.
 */
import { join } from 'node:path';
import { isRefusedCredential } from '../stacks/rest.ts';
import type { Grant } from './decide/rotation.ts';
import { readJson, writeAtomic } from './effects/files.ts';
import { CellError, explain } from './errors.ts';
import type { Here } from './here.ts';
import type { BirthId } from './model.ts';

export interface Grants {
  readonly given: Readonly<Record<BirthId, Grant>>;
  /** Births whose credentials could not be revoked when they ended. */
  readonly owed: readonly BirthId[];
  /** Why a provider no longer took what this home has, and when it last said so. */
  readonly refused: { readonly why: string; readonly at: number } | null;
}

const NONE: Grants = { given: {}, owed: [], refused: null };
const fileOf = (here: Pick<Here, 'home'>) => join(here.home, 'grants.json');

export function grantsOf(here: Pick<Here, 'home'>): Promise<Grants> {
  return readJson(fileOf(here), NONE, 'fallback');
}

export async function changeGrants(here: Pick<Here, 'home'>, change: (before: Grants) => Grants): Promise<void> {
  const before = await grantsOf(here);
  const after = change(before);
  if (JSON.stringify(after) !== JSON.stringify(before)) {
    await writeAtomic(fileOf(here), JSON.stringify(after), 0o600);
  }
}

export function noteGrant(here: Pick<Here, 'home'>, birth: BirthId, grant: Grant): Promise<void> {
  return changeGrants(here, (before) => ({ ...before, given: { ...before.given, [birth]: grant } }));
}

/** Notes that a provider no longer takes what this home has, if that is what an error says: its parent is told then. */
export async function noteRefusal(here: Pick<Here, 'home' | 'clock'>, error: unknown): Promise<void> {
  if (!saysRefused(error)) return;
  await changeGrants(here, (before) => ({ ...before, refused: { why: explain(error), at: here.clock() } }));
}

/** How Pulumi's plugins pass on a 401 of each provider, in the middle of much else. */
const TOLD_BY_PLUGINS =
  /\b401\b[^\n]*(?:unauthorized|authenticate|invalid token)|Unable to authenticate you|\[401\] Invalid Token|ExpiredToken|InvalidClientTokenId|AuthFailure|RequestExpired/i;

function saysRefused(error: unknown): boolean {
  return isRefusedCredential(error) || (error instanceof CellError && TOLD_BY_PLUGINS.test(explain(error)));
}
