/**
 * Whose records are whose in a zone that an API keeps record by record, each with an id of its own. Pure: what the API
 * lists goes in, the change that is needed comes out. Under one name each cell has two kinds of records:
 *
 *   NAME         A or AAAA   its address
 *   _cell.NAME   TXT         its claim: organism, cell, and the address that is its own (claims.ts)
 *
 * An address that no claim names is somebody else's. Records are removed by id, so what was made anew after it was read is
 * not removed: who takes over an address that a dead cell claims makes its record anew, and who buries that cell misses it.
 */
import { CellError } from '../../src/errors.ts';
import { addressType, claimText, isOf, type Owner, onlyOf, plainAddress, readClaim } from './claims.ts';
import { ownershipName, type TaggedRecord } from './record.ts';

export interface NewRecord {
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'TXT';
  /** An address, or the text without quotes. */
  readonly value: string;
  /** Seconds. */
  readonly ttl: number;
}

/** A record that is there. `type` may be any. */
export interface ZoneRecord extends Omit<NewRecord, 'type'> {
  readonly id: string;
  readonly type: string;
  /** Whether others are answered with something else in its place, such as a proxy of the provider's. */
  readonly veiled?: boolean;
}

/** What one cell says under one name. */
export interface Said extends Owner {
  readonly name: string;
  readonly values: readonly string[];
  /** Seconds. */
  readonly ttl: number;
}

export interface ZoneEdit {
  readonly remove: readonly string[];
  /** As they shall be: records that are right but for their TTL or their veil. */
  readonly mend: readonly ZoneRecord[];
  readonly add: readonly NewRecord[];
}

export type Step =
  | { readonly kind: 'there' }
  | { readonly kind: 'change'; readonly edit: ZoneEdit }
  /** The name is in use, and no cell put there what it has. */
  | { readonly kind: 'taken'; readonly what: string };

interface Held extends Owner {
  readonly addresses: readonly string[];
  readonly record: ZoneRecord;
}

const isAddress = ({ type }: ZoneRecord) => type === 'A' || type === 'AAAA';
const at = (name: string) => (record: ZoneRecord) => record.name.toLowerCase() === name;

function claimsAt(records: readonly ZoneRecord[], name: string): readonly Held[] {
  return records.filter(at(ownershipName(name))).flatMap((record) => {
    const claim = record.type === 'TXT' ? readClaim(record.value) : null;
    return claim === null ? [] : [{ ...claim, addresses: claim.addresses.map(plainAddress), record }];
  });
}

function addressesAt(records: readonly ZoneRecord[], name: string): readonly ZoneRecord[] {
  return records.filter(at(name)).filter(isAddress);
}

/** What stands under a name and is no cell's, in words; null where a cell may come. */
export function foreignAt(records: readonly ZoneRecord[], name: string): string | null {
  const alias = records.filter(at(name)).find(({ type }) => type === 'CNAME');
  if (alias !== undefined) return `an alias for ${alias.value}`;
  const addresses = addressesAt(records, name);
  return claimsAt(records, name).length === 0 && addresses.length > 0
    ? addresses.map(({ value }) => value).join(', ')
    : null;
}

/** Throws PROVIDER_REFUSED where a name has what no cell put there. */
export function refuseForeign(records: readonly ZoneRecord[], name: string): void {
  const what = foreignAt(records, name);
  if (what !== null) throw taken(name, what);
}

export function taken(name: string, what: string): CellError {
  return new CellError('PROVIDER_REFUSED', `${name} belongs to somebody else`, {
    why: `it has ${what}, and no TXT at ${ownershipName(name)} says that a cell put it there`,
    suggestion: 'Remove that record if it is not needed, or give the function another domain.',
    fields: { name },
  });
}

/** What makes a cell's records under a name what they should be. `records`: all at NAME and at _cell.NAME. */
export function planPut(records: readonly ZoneRecord[], want: Said): Step {
  const { name, ttl } = want;
  const wanted = [...new Set(want.values.map(plainAddress))];
  const foreign = foreignAt(records, name);
  if (foreign !== null) return { kind: 'taken', what: foreign };
  const claims = claimsAt(records, name);
  const [mine, others] = [claims.filter(isOf(want)), claims.filter((claim) => !isOf(want)(claim))];
  const namedIn = (list: readonly Held[], value: string) => list.some(({ addresses }) => addresses.includes(value));
  const there = addressesAt(records, name).map((record) => ({ record, value: plainAddress(record.value) }));
  const nobodys = there.find(({ value }) => wanted.includes(value) && !namedIn(claims, value));
  if (nobodys !== undefined) return { kind: 'taken', what: nobodys.value };

  const kept = there.filter(({ value }) => wanted.includes(value) && namedIn(mine, value));
  const taken = there.filter(({ value }) => wanted.includes(value) && !namedIn(mine, value));
  const stale = onlyOf(mine, others).filter((value) => !wanted.includes(value));
  const text = claimText(want);
  const [claim] = mine.filter(({ record }) => record.value === text);
  const outdated = mine.filter((one) => one !== claim).map(({ record }) => record);
  const wrong = (record: ZoneRecord) => record.ttl !== ttl || record.veiled === true;
  const edit: ZoneEdit = {
    remove: [
      ...there.filter(({ value }) => stale.includes(value)).map(({ record }) => record),
      ...taken.map(({ record }) => record),
      ...outdated,
    ].map(({ id }) => id),
    mend: [...kept.map(({ record }) => record), ...(claim === undefined ? [] : [claim.record])]
      .filter(wrong)
      .map((record) => ({ ...record, ttl, veiled: false })),
    add: [
      ...wanted
        .filter((value) => !kept.some((one) => one.value === value))
        .map((value): NewRecord => ({ name, type: addressType(value), value, ttl })),
      ...(claim === undefined ? [{ name: ownershipName(name), type: 'TXT', value: text, ttl } as const] : []),
    ],
  };
  return isNothing(edit) ? { kind: 'there' } : { kind: 'change', edit };
}

/** What takes a cell's records under a name away, and nothing else. */
export function planTake(records: readonly ZoneRecord[], owner: Owner & { readonly name: string }): Step {
  const claims = claimsAt(records, owner.name);
  const mine = claims.filter(isOf(owner));
  const own = onlyOf(
    mine,
    claims.filter((claim) => !mine.includes(claim)),
  );
  const addresses = addressesAt(records, owner.name).filter(({ value }) => own.includes(plainAddress(value)));
  const remove = [...addresses, ...mine.map(({ record }) => record)].map(({ id }) => id);
  return remove.length === 0 ? { kind: 'there' } : { kind: 'change', edit: { remove, mend: [], add: [] } };
}

/**
 * Ids of records that attempts which were cut off left of a cell's: they are its own by its claims, and `kept`, which its
 * stack knows, has others of them. Without any kept there nothing is left over: then they are all that there is.
 */
export function leftOver(
  records: readonly ZoneRecord[],
  owner: Owner & { readonly name: string },
  kept: ReadonlySet<string>,
): readonly string[] {
  const step = planTake(records, owner);
  const own = step.kind === 'change' ? step.edit.remove : [];
  const texts = new Set(claimsAt(records, owner.name).map(({ record }) => record.id));
  const isClaim = (id: string) => texts.has(id);
  return [own.filter(isClaim), own.filter((id) => !isClaim(id))].flatMap((alike) =>
    alike.some((id) => kept.has(id)) ? alike.filter((id) => !kept.has(id)) : [],
  );
}

/** What a cell has under a name, or null when it claims nothing there. */
export function heldBy(
  records: readonly ZoneRecord[],
  owner: Owner & { readonly name: string },
): { readonly values: readonly string[]; readonly ttl: number } | null {
  const mine = claimsAt(records, owner.name).filter(isOf(owner));
  const [first] = mine;
  if (first === undefined) return null;
  const claimed = mine.flatMap(({ addresses }) => addresses);
  const held = addressesAt(records, owner.name).filter(({ value }) => claimed.includes(plainAddress(value)));
  const shown = held.filter(({ veiled }) => veiled !== true);
  return { values: shown.map(({ value }) => plainAddress(value)), ttl: held[0]?.ttl ?? first.record.ttl };
}

/** Every claim of an organism among records of a zone. */
export function listedIn(records: readonly ZoneRecord[], organism: string, zone: string): readonly TaggedRecord[] {
  const prefix = ownershipName('');
  return records.flatMap((record) => {
    const owned = record.name.toLowerCase();
    const claim = record.type === 'TXT' && owned.startsWith(prefix) ? readClaim(record.value) : null;
    if (claim === null || claim.organism !== organism) return [];
    const { birth, addresses } = claim;
    const name = owned.slice(prefix.length);
    const type = [...new Set(addresses.map(addressType))].sort().join(' and ');
    return [{ id: placeId({ organism, birth, zone, name }), birth, name, type, values: addresses }];
  });
}

export interface Place extends Owner {
  readonly zone: string;
  readonly name: string;
}

export const placeId = ({ organism, birth, zone, name }: Place): string => [organism, birth, zone, name].join('/');

export function placeOf(id: string): Place {
  const [organism = '', birth = '', zone = '', name = ''] = id.split('/');
  return { organism, birth, zone, name };
}

const isNothing = ({ remove, mend, add }: ZoneEdit) => remove.length + mend.length + add.length === 0;
