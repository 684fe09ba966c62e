/**
 * Cloudflare: user tokens for the DNS of one zone, with an end, and from the cell's own addresses only where these are
 * known. What may mint can mint whatever its user may do, so that right goes only to cells that will have children of
 * their own to mint for, and a user that may do no more than this is the real limit (docs/credentials.md).
 */
import { CellError } from '../../src/errors.ts';
import { asking, openTokens } from '../records/cloudflare.api.ts';
import type { Json } from '../stack.ts';
import type { Attenuator, CredentialNeed, Examined, TaggedCredential } from './credential.ts';
import { labelOf, parseLabel } from './label.ts';
import { tokenIn, withToken } from './token.ts';

const PAGE = 50;

/** Names of permission groups, and what their resources are; Cloudflare says their ids. */
const DNS_WRITE = { name: 'DNS Write', scope: 'com.cloudflare.api.account.zone' } as const;
const TOKENS_WRITE = { name: 'API Tokens Write', scope: 'com.cloudflare.api.user' } as const;
type Group = typeof DNS_WRITE | typeof TOKENS_WRITE;

export interface TokenPolicy {
  readonly effect: 'allow';
  readonly resources: Readonly<Record<string, string>>;
  readonly permission_groups: readonly { readonly id: string }[];
}

interface Ids {
  readonly zone: string;
  /** Of permission groups; and the user whose tokens it mints, where it does. */
  readonly dnsWrite: string;
  readonly minting: { readonly group: string; readonly user: string } | null;
}

/** What a token is made with. Pure. */
export function cloudflareToken(need: CredentialNeed, { zone, dnsWrite, minting }: Ids) {
  const policy = (resource: string, id: string): TokenPolicy => ({
    effect: 'allow',
    resources: { [resource]: '*' },
    permission_groups: [{ id }],
  });
  return {
    name: labelOf(need),
    policies: [
      policy(`${DNS_WRITE.scope}.${zone}`, dnsWrite),
      ...(minting === null ? [] : [policy(`${TOKENS_WRITE.scope}.${minting.user}`, minting.group)]),
    ],
    expires_on: written(need.until),
    ...(need.sources.length === 0 ? {} : { condition: { request_ip: { in: [...need.sources] } } }),
  };
}

export const cloudflareAttenuator: Attenuator = {
  provider: 'Cloudflare',

  async attenuate(credential, need) {
    const { token } = tokenIn(credential, 'Cloudflare');
    return asking(token, false, async () => {
      const api = await client(credential);
      const label = labelOf(need);
      for (const { id, name } of await tokens(api)) if (name === label) await remove(api, id);
      const zone = await zoneId(api, credential, need.zone ?? '');
      const dnsWrite = await groupId(api, DNS_WRITE);
      const minting = need.mints ? { group: await groupId(api, TOKENS_WRITE), user: await userOf(api) } : null;
      // Not asked twice: an answer that is lost may have made one, and the next attempt finds it by its name.
      const { name, policies, ...rest } = cloudflareToken(need, { zone, dnsWrite, minting });
      const wanted = { name, policies: policies as never, ...rest };
      const { value } = await api.user.tokens.create(wanted);
      if (typeof value !== 'string' || value === '') throw nonsense('made a token and did not say it');
      const made = withToken({ ...(credential as { readonly [key: string]: Json }), zoneId: zone }, value);
      return { credential: made, until: Date.parse(rest.expires_on) };
    });
  },

  async list(organism, credential) {
    return asking(tokenIn(credential, 'Cloudflare').token, false, async () =>
      (await tokens(await client(credential))).flatMap(({ id, name, until }): TaggedCredential[] => {
        const holder = parseLabel(name);
        return holder?.organism === organism ? [{ ...holder, id, until }] : [];
      }),
    );
  },

  async revoke(id, credential) {
    await asking(tokenIn(credential, 'Cloudflare').token, false, async () => remove(await client(credential), id));
  },
};

/** What a token of a laptop may do, as far as it may read that itself. */
export async function examineCloudflare(credential: Json, zone: string, mints: boolean): Promise<Examined> {
  const { token } = tokenIn(credential, 'Cloudflare');
  return asking(token, false, async () => {
    const api = await client(credential);
    const { id, status, expires_on } = await api.user.tokens.verify();
    const ends = expires_on === undefined ? 'without an end' : `until ${expires_on}`;
    if (status !== 'active') return { found: `a token that is ${status}`, mend: 'Make another one.' };
    const zoneIs = await zoneId(api, credential, zone);
    const own = await policiesOf(api, id);
    if (own === null) {
      const found = `a token for ${zone} ${ends}`;
      return mints ? { found, mend: `It lacks ${TOKENS_WRITE.name} (\`mint: false\` does without).` } : { found };
    }
    const groups = own.flatMap(({ groups: names, resources }) => names.map((name) => ({ name, resources })));
    const found = `a token with ${groups.map(({ name }) => name).join(', ')} ${ends}`;
    const asked = [DNS_WRITE.name, 'DNS Read', 'Zone Read', ...(mints ? [TOKENS_WRITE.name, 'API Tokens Read'] : [])];
    const lacks = [DNS_WRITE.name, ...(mints ? [TOKENS_WRITE.name] : [])].filter(
      (name) => !groups.some((group) => group.name === name),
    );
    if (lacks.length > 0) return { found, mend: `It lacks ${lacks.join(' and ')}.` };
    const beyond = groups.map(({ name }) => name).filter((name) => !asked.includes(name));
    const wide = groups.some(
      ({ name, resources }) =>
        name === DNS_WRITE.name && resources.some((resource) => resource !== `${DNS_WRITE.scope}.${zoneIs}`),
    );
    if (beyond.length === 0 && !wide) return { found };
    const what = [...(beyond.length > 0 ? [beyond.join(', ')] : []), ...(wide ? [`zones beside ${zone}`] : [])];
    return { found, mend: `It may do more than it has to: ${what.join(', and ')}.` };
  });
}

const client = async (credential: Json) => openTokens(tokenIn(credential, 'Cloudflare'));
type Api = Awaited<ReturnType<typeof client>>;

async function tokens(api: Api): Promise<readonly { id: string; name: string; until: number | null }[]> {
  const found: { id: string; name: string; until: number | null }[] = [];
  for await (const { id, name, expires_on } of api.user.tokens.list({ per_page: PAGE })) {
    if (id === undefined || name === undefined) continue;
    const until = Date.parse(expires_on ?? '');
    found.push({ id, name, until: Number.isFinite(until) ? until : null });
  }
  return found;
}

async function remove(api: Api, id: string): Promise<void> {
  try {
    await api.user.tokens.delete(id);
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
  }
}

/** The id of the zone; what has it in its credential need not look, for which it would need another right. */
async function zoneId(api: Api, credential: Json, name: string): Promise<string> {
  const { zoneId: known } = credential as { readonly zoneId?: unknown };
  if (typeof known === 'string' && known !== '') return known;
  for await (const zone of api.zones.list({ name })) if (zone.name === name) return zone.id;
  throw new CellError('PROVIDER_REFUSED', `Cloudflare has no zone ${name} for this token`, {
    why: 'it is not there, or the token may not read it (Zone Read)',
    suggestion: 'Look at the zone in the genome and at the resources of the token.',
    fields: { provider: 'Cloudflare', zone: name },
  });
}

async function groupId(api: Api, { name, scope }: Group): Promise<string> {
  for await (const group of api.user.tokens.permissionGroups.list({ name })) {
    if (group.name === name && group.scopes?.includes(scope) === true && group.id !== undefined) return group.id;
  }
  throw nonsense(`knows no permission group ${name}`);
}

/** The user whose tokens this one mints: it stands in the resources of its own policy. */
async function userOf(api: Api): Promise<string> {
  const { id } = await api.user.tokens.verify();
  const prefix = `${TOKENS_WRITE.scope}.`;
  for (const { resources } of (await policiesOf(api, id)) ?? []) {
    const user = resources.find((resource) => resource.startsWith(prefix));
    if (user !== undefined) return user.slice(prefix.length);
  }
  throw new CellError('PROVIDER_REFUSED', 'This Cloudflare token may not mint tokens', {
    why: `it has not ${TOKENS_WRITE.name}`,
    suggestion: 'Make one that has it, or say `mint: false` in the genome to hand this one on as it is.',
  });
}

/** What a token may do; null where it may not be read with this one. */
async function policiesOf(
  api: Api,
  id: string,
): Promise<readonly { groups: readonly string[]; resources: readonly string[] }[] | null> {
  try {
    const { policies = [] } = await api.user.tokens.get(id);
    return policies.map(({ permission_groups, resources }) => ({
      groups: permission_groups.flatMap(({ name }) => name ?? []),
      resources: Object.keys(resources),
    }));
  } catch (error) {
    if (statusOf(error) === 403) return null;
    throw error;
  }
}

function statusOf(error: unknown): number | undefined {
  return (error as { readonly status?: number } | null)?.status;
}

function nonsense(what: string): CellError {
  return new CellError('PROVIDER_REFUSED', `Cloudflare ${what}`, { suggestion: 'This is tried again by itself.' });
}

/** To the second, in UTC. */
function written(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}
