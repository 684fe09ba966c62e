/**
 * Whose addresses are whose, where many cells stand under one name of a real zone. Pure: what a server shows goes in, the
 * update that is needed comes out.
 *
 * Each cell adds three records in one update and takes the same three away:
 *
 *   NAME         A or AAAA   its address
 *   _cell.NAME   TXT         its claim: organism, cell, and the address that is its own
 *   _cell.ZONE   TXT         the index: that the organism has something at NAME; one entry, kept by whoever is there
 *
 * An address that no claim names is somebody else's and is never removed. A server judges conditions by whole sets, so:
 * - the first under a name asks that there be no address and no alias: a name in use by others is left alone;
 * - who joins asks that claims be there, so that cells that come at once need not wait for each other;
 * - who takes something away asks that the claims be exactly those it has read: an address that another cell has claimed
 *   meanwhile (a machine's address given out again) then stays.
 */
import { isIPv4 } from 'node:net';
import {
  type AddressRecord,
  type Condition,
  type TextRecord,
  textData,
  type Update,
  type ZoneChange,
} from '../../src/effects/dns/message.ts';
import { plainAddress } from '../address.ts';
import { ownershipName, ownershipText } from './record.ts';

export interface Owner {
  readonly organism: string;
  readonly birth: string;
}

/** What one cell says under one name. */
export interface Wanted extends Owner {
  /** The genome's zone, which holds the index. */
  readonly zone: string;
  readonly name: string;
  /** Addresses of either family. */
  readonly values: readonly string[];
  /** Seconds. */
  readonly ttl: number;
}

/** What the server shows of a name. */
export interface Seen {
  readonly name: string;
  readonly zone: string;
  readonly addresses: readonly AddressRecord[];
  /** Whether the name is an alias for another (CNAME). */
  readonly alias: boolean;
  /** At _cell.NAME. */
  readonly texts: readonly TextRecord[];
  /** At _cell.ZONE. */
  readonly index: readonly TextRecord[];
}

export type Step =
  /** It is as it should be. */
  | { readonly kind: 'there' }
  | { readonly kind: 'update'; readonly update: Update }
  /** An address that is wanted is there, and no cell put it there. */
  | { readonly kind: 'taken'; readonly address: string };

export interface Claim extends Owner {
  readonly addresses: readonly string[];
  readonly record: TextRecord;
}

/** What a cell's claim says. */
export function claimText(want: Pick<Wanted, 'organism' | 'birth' | 'values'>): string {
  return `${ownershipText(want)} address=${want.values.map(plainAddress).sort().join(',')}`;
}

function indexText(organism: string, name: string): string {
  return `v=cell1 organism=${organism} name=${name}`;
}

export function addressType(address: string): 'A' | 'AAAA' {
  return isIPv4(address) ? 'A' : 'AAAA';
}

const textOf = (record: TextRecord): string => Buffer.concat([...record.data]).toString();

/** The words of a text of ours, or null for anybody else's. */
function wordsOf(text: string): ReadonlyMap<string, string> | null {
  const [version, ...words] = text.split(' ');
  if (version !== 'v=cell1') return null;
  return new Map(words.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]));
}

/** Whose a text says which addresses are; null for what is no claim. */
export function readClaim(text: string): Omit<Claim, 'record'> | null {
  const words = wordsOf(text);
  const [organism, birth, address] = [words?.get('organism'), words?.get('cell'), words?.get('address')];
  if (organism === undefined || birth === undefined || address === undefined) return null;
  return { organism, birth, addresses: address.split(',') };
}

export function claimsIn(texts: readonly TextRecord[]): readonly Claim[] {
  return texts.flatMap((record) => {
    const claim = readClaim(textOf(record));
    return claim === null ? [] : [{ ...claim, record }];
  });
}

/** The names at which the organism has something. */
export function indexed(organism: string, texts: readonly TextRecord[]): readonly string[] {
  const names = texts.flatMap((record) => {
    const words = wordsOf(textOf(record));
    const name = words?.get('name');
    return name !== undefined && words?.get('organism') === organism ? [name] : [];
  });
  return [...new Set(names)].sort();
}

export const isOf = (owner: Owner) => (claim: Owner) =>
  claim.organism === owner.organism && claim.birth === owner.birth;

function addressRecord(name: string, address: string, ttl: number): AddressRecord {
  return { name, type: addressType(address), ttl, data: address };
}

function textRecord(name: string, text: string, ttl: number): TextRecord {
  return { name, type: 'TXT', ttl, data: textData(text) };
}

const add = (record: ZoneChange['record']): ZoneChange => ({ kind: 'add', record });
const remove = (record: ZoneChange['record']): ZoneChange => ({ kind: 'remove', record });

/** Addresses of a cell that no other claims. */
export function onlyOf(
  mine: readonly Pick<Claim, 'addresses'>[],
  others: readonly Pick<Claim, 'addresses'>[],
): readonly string[] {
  const shared = new Set(others.flatMap((claim) => claim.addresses));
  return [...new Set(mine.flatMap((claim) => claim.addresses))].filter((address) => !shared.has(address));
}

/** What a cell's records under a name are, as far as they can be seen; null when it claims nothing there. */
export function heldBy(seen: Seen, owner: Owner): { readonly values: readonly string[]; readonly ttl: number } | null {
  const mine = claimsIn(seen.texts).filter(isOf(owner));
  if (mine.length === 0) return null;
  const claimed = new Set(mine.flatMap((claim) => claim.addresses));
  const held = seen.addresses.filter((record) => claimed.has(record.data));
  return { values: held.map((record) => record.data), ttl: held[0]?.ttl ?? mine[0]!.record.ttl };
}

/** Whether everything wanted is there. The TTL is that of the set, so of whoever spoke last. */
function isThere(seen: Seen, want: Wanted): boolean {
  const mine = claimsIn(seen.texts).filter(isOf(want));
  return (
    mine.length === 1 &&
    textOf(mine[0]!.record) === claimText(want) &&
    want.values.every((value) => seen.addresses.some((record) => record.data === plainAddress(value))) &&
    indexed(want.organism, seen.index).includes(want.name)
  );
}

/** Whether the name is in use, and by nobody who claims it; it may be a wildcard that answers, too. */
export function isForeign(seen: Seen): boolean {
  return claimsIn(seen.texts).length === 0 && (seen.alias || seen.addresses.length > 0);
}

/** What makes a cell's records under a name what they should be. */
export function planPut(seen: Seen, want: Wanted): Step {
  const { name, ttl } = want;
  const wanted = want.values.map(plainAddress);
  const sameTtl = seen.addresses.every((record) => record.ttl === ttl || !wanted.includes(record.data));
  if (isThere(seen, want) && sameTtl) return { kind: 'there' };
  const claims = claimsIn(seen.texts);
  const mine = claims.filter(isOf(want));
  const stale = onlyOf(
    mine,
    claims.filter((claim) => !mine.includes(claim)),
  ).filter((old) => !wanted.includes(old));
  const outdated = mine.filter((claim) => textOf(claim.record) !== claimText(want));
  const claimed = new Set(claims.flatMap((claim) => claim.addresses));
  const taken = seen.addresses.find((record) => wanted.includes(record.data) && !claimed.has(record.data));
  if (claims.length > 0 && taken !== undefined) return { kind: 'taken', address: taken.data };
  const conditions: Condition[] = [{ kind: 'absent', name, type: 'CNAME' }];
  if (claims.length === 0) {
    // What was seen may come from a wildcard, so it is the server that says whether the name is in use.
    conditions.push({ kind: 'absent', name, type: 'A' }, { kind: 'absent', name, type: 'AAAA' });
  } else if (outdated.length > 0) conditions.push({ kind: 'exactly', records: seen.texts });
  else conditions.push({ kind: 'present', name: ownershipName(name), type: 'TXT' });
  const changes = [
    ...stale.map((address) => remove(addressRecord(name, address, ttl))),
    ...outdated.map((claim) => remove(claim.record)),
    ...wanted.map((address) => add(addressRecord(name, address, ttl))),
    // A set has one TTL (RFC 2181 5.2). Nobody is sent anywhere by a text, so those that are there keep theirs.
    add(textRecord(ownershipName(name), claimText(want), seen.texts[0]?.ttl ?? ttl)),
    add(textRecord(ownershipName(want.zone), indexText(want.organism, name), seen.index[0]?.ttl ?? ttl)),
  ];
  return { kind: 'update', update: { conditions, changes } };
}

/** What takes a cell's records under a name away, and nothing else. */
export function planTake(seen: Seen, owner: Owner): Exclude<Step, { kind: 'taken' }> {
  const claims = claimsIn(seen.texts);
  const mine = claims.filter(isOf(owner));
  if (mine.length === 0) return { kind: 'there' };
  const others = claims.filter((claim) => !mine.includes(claim));
  const changes = [
    ...onlyOf(mine, others).map((address) => remove(addressRecord(seen.name, address, 0))),
    ...mine.map((claim) => remove(claim.record)),
  ];
  if (!others.some((claim) => claim.organism === owner.organism)) {
    changes.push(remove(textRecord(ownershipName(seen.zone), indexText(owner.organism, seen.name), 0)));
  }
  return { kind: 'update', update: { conditions: [{ kind: 'exactly', records: seen.texts }], changes } };
}
