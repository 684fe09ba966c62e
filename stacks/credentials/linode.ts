/**
 * Linode: personal access tokens with the least scopes and an end. A token can mint at most its own scopes, and only with
 * `account:read_write`, which therefore goes to cells only that will have children of their own to mint for.
 */
import { CellError } from '../../src/errors.ts';
import { linodeBase } from '../linode.place.ts';
import { type Rest, rest } from '../rest.ts';
import type { Json } from '../stack.ts';
import type { Attenuator, CredentialNeed, Examined, Purpose, TaggedCredential } from './credential.ts';
import { labelOf, parseLabel } from './label.ts';
import { excess, missing } from './scopes.ts';
import { tokenIn, withToken } from './token.ts';

const PAGE = 500;

/**
 * Machines: instances, their firewalls, and the events by which one waits for them; regions and types are public.
 * Records: domains.
 */
const SCOPES: Readonly<Record<Purpose['kind'], readonly string[]>> = {
  compute: ['events:read_only', 'firewall:read_write', 'linodes:read_write'],
  dns: ['domains:read_write'],
};
const MINTS = 'account:read_write';

const included = (access: string): readonly string[] => (access === 'read_write' ? ['read_only'] : []);

/** Sorted, so that the same need gives the same text. Pure. */
export function linodeScopes({ kind, mints }: Pick<CredentialNeed, 'kind' | 'mints'>): readonly string[] {
  return [...SCOPES[kind], ...(mints ? [MINTS] : [])].sort();
}

interface Token {
  readonly id: number;
  readonly label: string;
  readonly scopes: string;
  /** UTC, without saying so; null for one without an end. */
  readonly expiry: string | null;
  /** Whole only in the answer that made it. */
  readonly token?: string;
}

export const linodeAttenuator: Attenuator = {
  provider: 'Linode',

  async attenuate(credential, need) {
    const api = client(credential);
    const label = labelOf(need);
    for (const old of await tokens(api)) if (old.label === label) await remove(api, String(old.id));
    const scopes = linodeScopes(need).join(' ');
    const { body } = await api.ask('POST', '/profile/tokens', { label, scopes, expiry: written(need.until) });
    const made = body as unknown as Partial<Token> | null;
    if (typeof made?.token !== 'string' || made.token === '') {
      throw new CellError('PROVIDER_REFUSED', 'Linode made a token and did not say it', {
        suggestion: 'It is replaced by the next attempt, which is made by itself.',
      });
    }
    return { credential: withToken(credential, made.token), until: read(written(need.until)) };
  },

  async list(organism, credential) {
    return (await tokens(client(credential))).flatMap(({ id, label, expiry }): TaggedCredential[] => {
      const holder = parseLabel(label);
      return holder?.organism === organism ? [{ ...holder, id: String(id), until: read(expiry) }] : [];
    });
  },

  async revoke(id, credential) {
    await remove(client(credential), id);
  },
};

/** What a token of a laptop may do, against what it has to: its scopes stand in a header of every answer. */
export async function examineLinode(credential: Json, kind: Purpose['kind'], mints: boolean): Promise<Examined> {
  const { headers } = await client(credential).ask('GET', '/profile');
  const scopes = (headers.get('x-oauth-scopes') ?? '').split(/[\s,]+/).filter((scope) => scope !== '');
  const asked = linodeScopes({ kind, mints });
  const [lacks, beyond] = [missing(scopes, asked, included), excess(scopes, asked, included)];
  const found = `a token with ${scopes.join(' ') || 'no scopes'}`;
  if (lacks.length > 0) {
    const also = lacks.includes(MINTS)
      ? ' (account:read_write mints the tokens of cells; `mint: false` does without)'
      : '';
    return { found, mend: `It lacks ${lacks.join(' ')}${also}.` };
  }
  if (beyond.length > 0)
    return { found, mend: `It may do more than it has to: make one with ${asked.join(' ')} alone.` };
  return { found };
}

function client(credential: Json): Rest {
  const { token, endpoint } = tokenIn(credential, 'Linode');
  return rest({ provider: 'Linode', base: linodeBase(endpoint), token });
}

async function tokens(api: Rest): Promise<readonly Token[]> {
  const found: Token[] = [];
  for (let page = 1, pages = 1; page <= pages; page++) {
    const { body } = await api.ask('GET', `/profile/tokens?page=${page}&page_size=${PAGE}`);
    const answer = body as unknown as { readonly data?: readonly Token[]; readonly pages?: number } | null;
    if (!Array.isArray(answer?.data)) {
      throw new CellError('PROVIDER_REFUSED', 'Linode gave no list of tokens', {
        suggestion: 'The API is in trouble, or it is another one; this is tried again by itself.',
      });
    }
    found.push(...answer.data);
    pages = answer.pages ?? 1;
  }
  return found;
}

async function remove(api: Rest, id: string): Promise<void> {
  await api.ask('DELETE', `/profile/tokens/${encodeURIComponent(id)}`, undefined, [404]);
}

/** Linode writes UTC without a zone, to the second. */
function written(at: number): string {
  return new Date(at).toISOString().slice(0, 19);
}

function read(expiry: string | null): number | null {
  const at = expiry === null ? Number.NaN : Date.parse(/Z$/i.test(expiry) ? expiry : `${expiry}Z`);
  return Number.isFinite(at) ? at : null;
}
