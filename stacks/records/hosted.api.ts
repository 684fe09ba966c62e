/**
 * Over the API of a provider that keeps a zone record by record: what may be done before, beside and after a stack of its
 * own resources. Whose is whose is decided in owned.ts.
 */
import { CellError } from '../../src/errors.ts';
import { senseless } from '../pages.ts';
import { leftOver, listedIn, ownAmongTwins, refuseForeign, type ZoneRecord } from './owned.ts';
import { placeOf } from './place.ts';
import { ownershipName, type RecordNeed, type TaggedRecord } from './record.ts';

export interface ZoneApi {
  readonly zone: string;
  /** All records that stand at one of these names. */
  at(names: readonly string[]): Promise<readonly ZoneRecord[]>;
  /** All texts of the zone. */
  texts(): Promise<readonly ZoneRecord[]>;
  /** Gone already is fine. */
  remove(id: string): Promise<void>;
}

const around = (name: string) => [name, ownershipName(name)];

/** Throws PROVIDER_REFUSED where one of the names is somebody else's. */
export async function clearFor(api: ZoneApi, { domains }: RecordNeed): Promise<void> {
  const records = await api.at(domains.flatMap(around));
  for (const name of domains) refuseForeign(records, name);
}

export async function tidyUp(
  api: ZoneApi,
  { organism, birth, domains }: RecordNeed,
  kept: ReadonlySet<string>,
): Promise<void> {
  const records = await api.at(domains.flatMap(around));
  for (const name of domains) {
    for (const id of leftOver(records, { organism, birth, name }, kept)) await api.remove(id);
  }
}

export async function listClaims(api: ZoneApi, organism: string): Promise<readonly TaggedRecord[]> {
  return listedIn(await api.texts(), organism, api.zone);
}

/** The address first: what is cut off here is found again by its claim. */
export async function removeClaimed(api: ZoneApi, id: string): Promise<void> {
  const place = placeOf(id);
  for (const one of ownAmongTwins(await api.at(around(place.name)), place)) await api.remove(one);
}

/** A record as it came, checked. */
export function recordIn(
  provider: string,
  { id, name, type, value, ttl }: Readonly<Record<string, unknown>>,
): ZoneRecord {
  if ((typeof id !== 'number' && typeof id !== 'string') || typeof name !== 'string' || typeof type !== 'string') {
    throw senseless(provider, 'a record has no id, no name or no type');
  }
  const text = typeof value === 'string' ? value : '';
  return { id: String(id), name, type, value: text, ttl: typeof ttl === 'number' ? ttl : 0 };
}

/** The zone is not there, or not for this credential. `others`: those that are. */
export function noZone(provider: string, zone: string, others: readonly string[]): CellError {
  const outer = others.find((other) => zone.endsWith(`.${other}`));
  return new CellError('PROVIDER_REFUSED', `${provider} has no zone ${zone} for this credential`, {
    why:
      others.length === 0
        ? 'it lists no zone at all'
        : `it lists ${others.slice(0, 5).join(', ')}${others.length > 5 ? ', …' : ''}`,
    suggestion:
      outer === undefined
        ? 'Correct `zone` under dns, or make the zone there.'
        : `Say \`zone: ${outer}\` under dns: that is where its records are kept.`,
    fields: { provider, zone },
  });
}
