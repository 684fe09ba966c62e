/**
 * A cell's records in a zone at Cloudflare: put, taken away, seen and listed. What has to change is decided in owned.ts
 * from what the API lists; here it is asked, changed in one transaction, and looked at again until it is so.
 *
 * Cloudflare takes no conditions. But a transaction that removes a record which is gone is refused as a whole, and so is
 * one that adds what is there: whoever was slower looks again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CellError } from '../../src/errors.ts';
import type { Json } from '../stack.ts';
import {
  type Api,
  type ApiOptions,
  asking,
  type CloudflareCredential,
  isStale,
  isUnclear,
  openApi,
} from './cloudflare.api.ts';
import { heldBy, listedIn, planPut, planTake, type Said, type Step, taken, type ZoneRecord } from './owned.ts';
import type { Place } from './place.ts';
import { ownershipName, type TaggedRecord } from './record.ts';

/** Records a page: a set of a thousand cells is read at once, and a page is some 500 kB at most. */
const PAGE = 1_000;
/** Pages of one list, at most: an API that never comes to an end is not believed. */
const MOST_PAGES = 1_000;
/** How often a change is sent that others are quicker with. */
const ATTEMPTS = 6;
/** How often one whose answers are lost: each may have taken the whole time-out. */
const LOST_ANSWERS = 3;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 3_000;
/** An id that no record has. */
const NOBODY = '0'.repeat(32);

export interface ClientOptions extends ApiOptions {
  /** In [0, 1). */
  readonly random?: () => number;
}

export function cloudflareCredential(credential: Json | undefined): CloudflareCredential {
  const given = credential as Partial<CloudflareCredential> | null | undefined;
  if (typeof given?.token !== 'string' || typeof given.zoneId !== 'string' || typeof given.zone !== 'string') {
    throw new CellError('NOT_ALLOWED', 'This cell has no credential for DNS at Cloudflare', {
      suggestion: 'Let a cell that has one do this, or the computer that seeded.',
    });
  }
  return given as CloudflareCredential;
}

type Listed = Partial<Record<'id' | 'name' | 'type' | 'content' | 'ttl' | 'proxied', unknown>>;

/** A record as the API lists it; throws for what is none. */
function recordOf(listed: Listed): ZoneRecord {
  const { id, name, type, content, ttl, proxied } = listed ?? {};
  if (typeof id !== 'string' || typeof name !== 'string' || typeof type !== 'string' || typeof ttl !== 'number') {
    throw nonsense('a record without an id, a name, a type or a TTL');
  }
  const value = typeof content === 'string' ? content : '';
  return { id, name, type, value: type === 'TXT' ? plainText(value) : value, ttl, veiled: proxied === true };
}

/** Texts are listed as in a zone file: in quotes, in strings of 255 bytes. Older ones stand there bare. */
function plainText(content: string): string {
  const strings = [...content.matchAll(/"((?:[^"\\]|\\.)*)"/gs)].map(([, inside]) => inside ?? '');
  return content.startsWith('"') ? strings.join('').replace(/\\(.)/gs, '$1') : content;
}

const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;

function nonsense(what: string): CellError {
  return new CellError('PROVIDER_REFUSED', 'Cloudflare answers what its documents do not say', {
    why: `it lists ${what}`,
    suggestion: 'Look at its status page; this is tried again by itself.',
    fields: { provider: 'Cloudflare' },
  });
}

type Filter = Omit<Parameters<Api['dns']['records']['list']>[0], 'zone_id' | 'page' | 'per_page'>;

/** All records that a filter lets through, page by page. */
async function recordsOf(api: Api, { zoneId, token }: CloudflareCredential, filter: Filter): Promise<ZoneRecord[]> {
  const found = new Map<string, ZoneRecord>();
  for (let page = 1; ; page++) {
    if (page > MOST_PAGES) throw nonsense(`more than ${MOST_PAGES} pages of ${PAGE} records`);
    const query = { ...filter, zone_id: zoneId, page, per_page: PAGE };
    const { result, result_info } = await asking(token, false, async () => api.dns.records.list(query));
    if (!Array.isArray(result)) throw nonsense('no list of records');
    const before = found.size;
    for (const listed of result) {
      const record = recordOf(listed as Listed);
      found.set(record.id, record);
    }
    // The number of pages is not always said. A page with nothing new on it ends the list, too.
    const { total_pages: pages } = (result_info ?? {}) as { readonly total_pages?: unknown };
    if (typeof pages === 'number' ? page >= pages : result.length < PAGE) return [...found.values()];
    if (found.size === before) return [...found.values()];
  }
}

/** What stands under a name: addresses and an alias at it, claims beside it. */
async function look(api: Api, credential: CloudflareCredential, name: string): Promise<readonly ZoneRecord[]> {
  const at = (exact: string) => recordsOf(api, credential, { name: { exact } });
  return (await Promise.all([at(name), at(ownershipName(name))])).flat();
}

async function change(
  api: Api,
  { zoneId, token }: CloudflareCredential,
  step: Step & { kind: 'change' },
): Promise<void> {
  const { remove, mend, add } = step.edit;
  const written = (type: string, value: string) => (type === 'TXT' ? quoted(value) : value);
  const ours = (ttl: number) => ({ ttl, proxied: false });
  const body = {
    zone_id: zoneId,
    deletes: remove.map((id) => ({ id })),
    patches: mend.map(({ id, name, type, value, ttl }) => ({
      id,
      name,
      type,
      content: written(type, value),
      ...ours(ttl),
    })),
    posts: add.map(({ name, type, value, ttl }) => ({ name, type, content: written(type, value), ...ours(ttl) })),
  } as Parameters<Api['dns']['records']['batch']>[0];
  await asking(token, true, async () => api.dns.records.batch(body));
}

/** Looks and changes until `plan` finds nothing to do, or a change was made. */
async function settle(
  credential: CloudflareCredential,
  name: string,
  plan: (records: readonly ZoneRecord[]) => Step,
  options: ClientOptions,
): Promise<void> {
  const { random = Math.random, pause = sleep } = options;
  const api = await openApi(credential, options);
  let lost = 0;
  for (let attempt = 1; ; attempt++) {
    const step = plan(await look(api, credential, name));
    if (step.kind === 'there') return;
    if (step.kind === 'taken') throw taken(name, step.what);
    try {
      return await change(api, credential, step);
    } catch (thrown) {
      if (isUnclear(thrown)) lost += 1;
      else if (!isStale(thrown)) throw thrown;
      if (attempt >= ATTEMPTS || lost >= LOST_ANSWERS) throw thrown;
    }
    // Spread, so that those who came at once do not come at once again; and lists may be a moment behind.
    await pause((0.5 + random() / 2) * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1)));
  }
}

/** Makes a cell's records under a name what they should be. */
export async function put(credential: CloudflareCredential, want: Said, options: ClientOptions = {}): Promise<void> {
  await settle(credential, want.name, (records) => planPut(records, want), options);
}

/** Takes a cell's records under a name away. Gone already is fine. */
export async function take(
  credential: CloudflareCredential,
  owner: Omit<Place, 'zone'>,
  options: ClientOptions = {},
): Promise<void> {
  await settle(credential, owner.name, (records) => planTake(records, owner), options);
}

/** What a cell has under a name, or null. */
export async function held(
  credential: CloudflareCredential,
  owner: Omit<Place, 'zone'>,
  options: ClientOptions = {},
): Promise<{ readonly values: readonly string[]; readonly ttl: number } | null> {
  return heldBy(await look(await openApi(credential, options), credential, owner.name), owner);
}

/** Every claim of the organism in the zone. */
export async function listed(
  credential: CloudflareCredential,
  organism: string,
  options: ClientOptions = {},
): Promise<readonly TaggedRecord[]> {
  const api = await openApi(credential, options);
  const filter = {
    type: 'TXT',
    name: { startswith: ownershipName('') },
    content: { contains: `organism=${organism} ` },
  };
  return listedIn(await recordsOf(api, credential, filter as Filter), organism, credential.zone);
}

/** The id of a zone by its name. */
export async function zoneIdOf(
  { token, endpoint }: Pick<CloudflareCredential, 'token' | 'endpoint'>,
  zone: string,
  options: ClientOptions = {},
): Promise<string> {
  const api = await openApi(endpoint === undefined ? { token } : { token, endpoint }, options);
  const zones = async (query: object) => {
    const { result } = await asking(token, false, async () => api.zones.list(query));
    if (!Array.isArray(result)) throw nonsense('no list of zones');
    return result as readonly Partial<Record<'id' | 'name', unknown>>[];
  };
  const [found] = (await zones({ name: zone })).filter((one) => one?.name === zone);
  if (typeof found?.id === 'string') return found.id;
  const others = (await zones({ per_page: 50 })).flatMap(({ name }) => (typeof name === 'string' ? [name] : []));
  throw noZone(zone, others);
}

function noZone(zone: string, others: readonly string[]): CellError {
  const around = others.find((other) => zone.endsWith(`.${other}`));
  return new CellError('PROVIDER_REFUSED', `Cloudflare has no zone ${zone} for this token`, {
    why:
      others.length === 0
        ? 'it lists no zone at all: the token may not read zones (Zone Read)'
        : `it lists ${others.slice(0, 5).join(', ')}${others.length > 5 ? ', …' : ''}`,
    suggestion:
      around !== undefined
        ? `Say \`zone: ${around}\` under dns: that is where its records are kept.`
        : 'Correct `zone` under dns, give the token Zone Read, or say the `zoneId` that the dashboard shows.',
    fields: { provider: 'Cloudflare', zone },
  });
}

/** Whether the token may read and change the zone's records: asks to remove a record that there is not. */
export async function rehearse(credential: CloudflareCredential, options: ClientOptions = {}): Promise<void> {
  const { token, zoneId } = credential;
  const api = await openApi(credential, options);
  await asking(token, false, async () => api.dns.records.list({ zone_id: zoneId, per_page: 5 }));
  try {
    await asking(token, false, async () => api.dns.records.delete(NOBODY, { zone_id: zoneId }));
  } catch (thrown) {
    const { status, code } = (thrown as CellError).fields ?? {};
    if (status !== 404 && code !== 81044) throw thrown;
  }
}
