/**
 * Entries: how a deed becomes bytes, a hash and a signature, and how it is checked.
 *
 * The canonical bytes are JSON with sorted keys and no spaces, behind a prefix that says what is signed, so that a
 * signature over a pulse or anything else can never be passed off as one over an entry.
 */
import type { KeyObject } from 'node:crypto';
import { createHash } from 'node:crypto';
import type { Identity } from '../effects/keys.ts';
import { verify } from '../effects/keys.ts';
import { CellError } from '../errors.ts';
import type { CellId, Deed, Entry, PublicKey } from '../model.ts';
import { MAX_ENTRY, MAX_WHY } from './limits.ts';
import * as shapes from './shapes.ts';

export type RefusalReason =
  | 'malformed' // it has not the shape of an entry, or is not written in the one canonical way
  | 'unsigned'
  | 'tampered' // the signature, the commit or a file is not what was signed
  | 'foreign' // of another organism
  | 'stranger' // by another key than the feed's, or of a cell whose birth nobody announced
  | 'replayed' // signed, but not at this place of the feed
  | 'forked'; // its owner signed two histories

export interface Refusal {
  readonly reason: RefusalReason;
  readonly why: string;
}

const PREFIX = 'cell/entry/1\n';

/** JSON with sorted keys, no spaces: the same value gives the same text. Only for plain JSON values. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const record = value as Record<string, unknown>;
  const names = Object.keys(record).filter((name) => record[name] !== undefined);
  return `{${names
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonical(record[name])}`)
    .join(',')}}`;
}

/** What is signed: everything but the signature. */
function signedBytes(entry: Omit<Entry, 'sig'> & { readonly sig?: string }): Buffer {
  return Buffer.from(PREFIX + canonical({ ...entry, sig: undefined }));
}

/** sha256 (hex) of an entry's canonical bytes, signature included: what the next entry's `prev` says. */
export function entryHash(entry: Entry): string {
  return createHash('sha256')
    .update(PREFIX + canonical(entry))
    .digest('hex');
}

/** Signs a deed at the end of a feed. Throws FEED_REFUSED for a deed that others would refuse. */
export function makeEntry(
  identity: Identity,
  place: { readonly organism: string; readonly seq: number; readonly prev: string | null },
  what: { readonly at: number; readonly deed: Deed; readonly files?: Entry['files'] },
): Entry {
  const open = {
    v: 1 as const,
    organism: place.organism,
    cell: identity.id,
    seq: place.seq,
    prev: place.prev,
    at: what.at,
    deed: oneLine(what.deed),
    files: what.files ?? {},
  };
  const entry: Entry = { ...open, sig: identity.sign(signedBytes(open)).toString('base64') };
  const wrong = shapes.entry(entry);
  if (wrong !== null)
    throw new CellError('FEED_REFUSED', `The deed ${what.deed.kind} cannot be said`, { why: `expected ${wrong}` });
  return entry;
}

/** Reasons are lines for people: whatever an error said, they stay one line of bounded length. */
function oneLine(deed: Deed): Deed {
  if (!('why' in deed) || typeof deed.why !== 'string') return deed;
  return {
    ...deed,
    why: deed.why
      .replace(/\p{Cc}+/gu, ' ')
      .trim()
      .slice(0, MAX_WHY),
  };
}

/** Reads an entry's JSON. Gives the entry, or why it is none; a text that is not canonical is malformed. */
export function parseEntry(text: string): Entry | Refusal {
  if (text.length > MAX_ENTRY) return { reason: 'malformed', why: `it is longer than ${MAX_ENTRY} characters` };
  let value: unknown;
  try {
    value = JSON.parse(text);
    if (canonical(value) !== text) return { reason: 'malformed', why: 'it is not in canonical form' };
  } catch {
    return { reason: 'malformed', why: 'it is not JSON' };
  }
  const { sig } = (value ?? {}) as { sig?: unknown };
  if (sig === undefined || sig === '' || sig === null) return { reason: 'unsigned', why: 'it carries no signature' };
  const wrong = shapes.entry(value);
  return wrong === null ? (value as Entry) : { reason: 'malformed', why: `expected ${wrong}` };
}

/** Checks that an entry is of this organism and feed, by this key, and the one that comes next. null: it is. */
export function verifyEntry(
  entry: Entry,
  expected: {
    readonly organism: string;
    readonly cell: CellId;
    readonly key: PublicKey | KeyObject;
    readonly seq: number;
    readonly prev: string | null;
  },
): Refusal | null {
  if (entry.organism !== expected.organism)
    return { reason: 'foreign', why: `it is of the organism ${entry.organism}` };
  if (entry.cell !== expected.cell) return { reason: 'stranger', why: `it is of the cell ${entry.cell}` };
  if (!verify(expected.key, signedBytes(entry), Buffer.from(entry.sig, 'base64'))) {
    return { reason: 'tampered', why: "its signature is not by the feed's key over what it says" };
  }
  if (entry.seq !== expected.seq) {
    return { reason: 'replayed', why: `it is entry ${entry.seq} where ${expected.seq} was to come` };
  }
  if (entry.prev !== expected.prev)
    return { reason: 'replayed', why: 'it follows another entry than the one before it' };
  return null;
}

/** Whether something parsed is a refusal. */
export function isRefusal(value: Entry | Refusal): value is Refusal {
  return 'reason' in value;
}
