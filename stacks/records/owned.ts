/**
 * Whose records are whose in a zone that an API keeps record by record, each with an id of its own. Pure: what the API
 * lists goes in, the change that is needed comes out. Under one name each cell has two kinds of records:
 *
 *   NAME         A or AAAA   its address
 *   _cell.NAME   TXT         its claim: organism, cell, and the address that is its own (claims.ts)
 *
 * An address that no claim names is somebody else's. Records are removed by id, so what was made anew after it was read is
 * not removed: who takes over an address that a dead cell claims makes its record anew, and who buries that cell misses it.
 *
 * Some zones have each record once, and refuse what is there (Cloudflare); others have it as often as it is made
 * (DigitalOcean, Linode).
 */
import { CellError } from '../../src/errors.ts';
import { plainAddress } from '../address.ts';
import { addressType, claimText, isOf, type Owner, onlyOf, readClaim } from './claims.ts';
import { placeId } from './place.ts';
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
  const isStale = ({ value }: { readonly value: string }) => !wanted.includes(value) && namedIn(mine, value);
  const stale = there.filter(isStale);
  // Of two who leave an address that both claim, one has to find its record gone (see planTake).
  const shared = stale.filter(({ value }) => namedIn(others, value));
  const text = claimText(want);
  const [claim] = mine.filter(({ record }) => record.value === text);
  const outdated = mine.filter((one) => one !== claim).map(({ record }) => record);
  const wrong = (record: ZoneRecord) => record.ttl !== ttl || record.veiled === true;
  const edit: ZoneEdit = {
    remove: [...stale.map(({ record }) => record), ...taken.map(({ record }) => record), ...outdated].map(
      ({ id }) => id,
    ),
    mend: [...kept.map(({ record }) => record), ...(claim === undefined ? [] : [claim.record])]
      .filter(wrong)
      .map((record) => ({ ...record, ttl, veiled: false })),
    add: [
      ...shared.map(({ record, value }): NewRecord => ({ name, type: addressType(value), value, ttl: record.ttl })),
      ...wanted
        .filter((value) => !kept.some((one) => one.value === value))
        .map((value): NewRecord => ({ name, type: addressType(value), value, ttl })),
      ...(claim === undefined ? [{ name: ownershipName(name), type: 'TXT', value: text, ttl } as const] : []),
    ],
  };
  return isNothing(edit) ? { kind: 'there' } : { kind: 'change', edit };
}

/**
 * What takes a cell's records under a name away, and nothing else, in a zone that has each record once. An address that
 * another cell claims, too, is made anew for it: of two who leave at once one finds the record gone, and looks again.
 */
export function planTake(records: readonly ZoneRecord[], owner: Owner & { readonly name: string }): Step {
  const { mine, own, shared } = partsOf(records, owner);
  if (mine.length === 0) return { kind: 'there' };
  return {
    kind: 'change',
    edit: {
      remove: [...own, ...shared, ...mine].map(({ id }) => id),
      mend: [],
      add: shared.map(({ name, value, ttl }) => ({ name, type: addressType(value), value, ttl })),
    },
  };
}

/**
 * Ids of what a cell has under a name in a zone that may have a record several times: then each cell has its own. Which of
 * those alike is whose nobody can tell; so many stay as other cells claim, the youngest, for the dead are older.
 */
export function ownAmongTwins(
  records: readonly ZoneRecord[],
  owner: Owner & { readonly name: string },
): readonly string[] {
  const { mine, others, own, shared } = partsOf(records, owner);
  return [...own.map(({ id }) => id), ...surplus(shared, others), ...mine.map(({ id }) => id)];
}

/**
 * Ids of records that attempts which were cut off left of a cell's, in such a zone: they are its own by its claims, and
 * `kept`, which its stack knows, has others of them. Without any kept nothing is left over: then they are all there is.
 */
export function leftOver(
  records: readonly ZoneRecord[],
  owner: Owner & { readonly name: string },
  kept: ReadonlySet<string>,
): readonly string[] {
  const { mine, others, own, shared } = partsOf(records, owner);
  const isKept = ({ id }: ZoneRecord) => kept.has(id);
  const beside = (alike: readonly ZoneRecord[]) =>
    alike.some(isKept) ? alike.filter((one) => !isKept(one)).map(({ id }) => id) : [];
  const apart = shared.some(isKept) ? surplus(shared, others, isKept) : [];
  return [...beside(mine), ...beside(own), ...apart];
}

/** A cell's claims, those of others, the addresses that are its alone, and those that others claim, too. */
function partsOf(records: readonly ZoneRecord[], owner: Owner & { readonly name: string }) {
  const claims = claimsAt(records, owner.name);
  const mine = claims.filter(isOf(owner));
  const others = claims.filter((claim) => !mine.includes(claim));
  const alone = onlyOf(mine, others);
  const claimed = new Set(mine.flatMap(({ addresses }) => addresses));
  const held = addressesAt(records, owner.name).filter(({ value }) => claimed.has(plainAddress(value)));
  const isAlone = ({ value }: ZoneRecord) => alone.includes(plainAddress(value));
  return {
    mine: mine.map(({ record }) => record),
    others,
    own: held.filter(isAlone),
    shared: held.filter((record) => !isAlone(record)),
  };
}

/** Of records that are alike, those that nobody else needs: the oldest, and none that stays. */
function surplus(
  shared: readonly ZoneRecord[],
  others: readonly Held[],
  stays: (record: ZoneRecord) => boolean = () => false,
): readonly string[] {
  const values = [...new Set(shared.map(({ value }) => plainAddress(value)))];
  return values.flatMap((value) => {
    const alike = shared.filter((record) => plainAddress(record.value) === value && !stays(record));
    const needed = others.filter(({ addresses }) => addresses.includes(value)).length;
    const byAge = alike.toSorted((a, b) => Number(a.id) - Number(b.id));
    return byAge.slice(0, Math.max(0, byAge.length - needed)).map(({ id }) => id);
  });
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

const isNothing = ({ remove, mend, add }: ZoneEdit) => remove.length + mend.length + add.length === 0;
