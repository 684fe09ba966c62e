/**
 * TSIG (RFC 8945): a DNS message signed with a key that client and server share. Pure: bytes, a key and the time in,
 * bytes or a verdict out. Our own, because no library for Node that is kept up signs messages; only HMAC is Node's.
 *
 *   1 sign     the MAC is over the message and the variables of the TSIG record, which is then added to the message
 *   2 verify   the answer's MAC is over the request's MAC, the answer without its record, and that record's variables
 *
 * An answer that carries an error of TSIG itself has no MAC when the server could not make one (5.2), so what it says is
 * believed only as a reason for not having done anything.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export type TsigAlgorithm = 'hmac-sha256' | 'hmac-sha384' | 'hmac-sha512';

export interface TsigKey {
  readonly name: string;
  readonly algorithm: TsigAlgorithm;
  /** Base64. */
  readonly secret: string;
}

export interface Signed {
  readonly bytes: Buffer;
  /** The answer's MAC is over this one, too. */
  readonly mac: Buffer;
}

export type Verdict =
  /** `message` is the answer without its TSIG record. */
  | { readonly kind: 'good'; readonly message: Buffer }
  /** No TSIG record in the answer. */
  | { readonly kind: 'unsigned' }
  /** The server's own word about our signature. `aheadBy`: seconds that the server's clock is before ours, for badTime. */
  | { readonly kind: 'badKey' | 'badSig' | 'badTrunc' | 'other' }
  | { readonly kind: 'badTime'; readonly aheadBy: number }
  /** Signed by somebody else, or changed on the way. */
  | { readonly kind: 'forged' }
  /** A good signature of another time: an old answer, or the clock moved. */
  | { readonly kind: 'late'; readonly aheadBy: number };

/** How far clocks may be apart, seconds (RFC 8945 10 recommends 300). */
const FUDGE_S = 300;

const TYPE_TSIG = 250;
const CLASS_ANY = 255;
const HEADER = 12;
/** Where a header says how many additional records there are. */
const ARCOUNT = 10;
const ERRORS: Readonly<Record<number, 'badSig' | 'badKey' | 'badTrunc'>> = {
  16: 'badSig',
  17: 'badKey',
  22: 'badTrunc',
};
const BADTIME = 18;
const HASHES = { 'hmac-sha256': 'sha256', 'hmac-sha384': 'sha384', 'hmac-sha512': 'sha512' } as const;

/** A name on the wire as it is signed: in lower case, not compressed. */
function wireName(name: string): Buffer {
  const labels = name
    .toLowerCase()
    .split('.')
    .filter((label) => label !== '');
  return Buffer.concat([
    ...labels.map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.from([0]),
  ]);
}

function u16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, index * 2);
  return bytes;
}

function time48(seconds: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUIntBE(seconds, 0, 6);
  return bytes;
}

interface Variables {
  readonly at: number;
  readonly fudge: number;
  readonly error: number;
  readonly other: Buffer;
}

function macOf(key: TsigKey, { at, fudge, error, other }: Variables, parts: readonly Buffer[]): Buffer {
  const hmac = createHmac(HASHES[key.algorithm], Buffer.from(key.secret, 'base64'));
  for (const part of parts) hmac.update(part);
  hmac.update(Buffer.concat([wireName(key.name), u16(CLASS_ANY, 0, 0), wireName(key.algorithm)]));
  hmac.update(Buffer.concat([time48(at), u16(fudge, error, other.length), other]));
  return hmac.digest();
}

/** The message with a TSIG record. `at`: seconds since the epoch. */
export function sign(message: Buffer, key: TsigKey, at: number): Signed {
  const mac = macOf(key, { at, fudge: FUDGE_S, error: 0, other: Buffer.alloc(0) }, [message]);
  const data = Buffer.concat([
    wireName(key.algorithm),
    time48(at),
    u16(FUDGE_S, mac.length),
    mac,
    u16(message.readUInt16BE(0), 0, 0),
  ]);
  const record = Buffer.concat([wireName(key.name), u16(TYPE_TSIG, CLASS_ANY, 0, 0, data.length), data]);
  const bytes = Buffer.concat([message, record]);
  bytes.writeUInt16BE(message.readUInt16BE(ARCOUNT) + 1, ARCOUNT);
  return { bytes, mac };
}

interface Found extends Variables {
  /** Where the record begins. */
  readonly start: number;
  readonly algorithm: Buffer;
  readonly mac: Buffer;
  readonly originalId: number;
}

/** Behind the name at `at`. Throws RangeError at the end of the bytes. */
function behindName(bytes: Buffer, at: number): number {
  let here = at;
  for (;;) {
    const length = bytes.readUInt8(here);
    if (length === 0) return here + 1;
    if (length >= 0xc0) return here + 2;
    if (length > 63) throw new RangeError('a label of more than 63 bytes');
    here += length + 1;
  }
}

/** The TSIG record, which is the last one, or null. Throws RangeError for what is no DNS message. */
function find(bytes: Buffer): Found | null {
  const counts = [4, 6, 8, ARCOUNT].map((at) => bytes.readUInt16BE(at));
  const [questions = 0, answers = 0, authorities = 0, additionals = 0] = counts;
  if (additionals === 0) return null;
  let at = HEADER;
  for (let left = questions; left > 0; left--) at = behindName(bytes, at) + 4;
  let start = at;
  for (let left = answers + authorities + additionals; left > 0; left--) {
    start = at;
    const fixed = behindName(bytes, at);
    at = fixed + 10 + bytes.readUInt16BE(fixed + 8);
  }
  if (at !== bytes.length) throw new RangeError('the records end elsewhere than the message');
  const fixed = behindName(bytes, start);
  if (bytes.readUInt16BE(fixed) !== TYPE_TSIG) return null;
  const data = bytes.subarray(fixed + 10, at);
  const named = behindName(data, 0);
  const macEnd = named + 10 + data.readUInt16BE(named + 8);
  const otherLength = data.readUInt16BE(macEnd + 4);
  if (macEnd + 6 + otherLength !== data.length) throw new RangeError('a TSIG record of another length');
  return {
    start,
    algorithm: data.subarray(0, named),
    at: data.readUIntBE(named, 6),
    fudge: data.readUInt16BE(named + 6),
    mac: data.subarray(named + 10, macEnd),
    originalId: data.readUInt16BE(macEnd),
    error: data.readUInt16BE(macEnd + 2),
    other: data.subarray(macEnd + 6),
  };
}

/** Judges an answer to a request that was signed with `key`. `at`: seconds since the epoch. Never throws. */
export function verify(answer: Buffer, key: TsigKey, requestMac: Buffer, at: number): Verdict {
  let found: Found | null;
  try {
    found = find(answer);
  } catch {
    return { kind: 'forged' };
  }
  if (found === null) return { kind: 'unsigned' };
  const named = ERRORS[found.error];
  if (named !== undefined) return { kind: named };
  const message = Buffer.from(answer.subarray(0, found.start));
  message.writeUInt16BE(answer.readUInt16BE(ARCOUNT) - 1, ARCOUNT);
  const asSigned = Buffer.from(message);
  asSigned.writeUInt16BE(found.originalId, 0);
  const mac = macOf(key, found, [u16(requestMac.length), requestMac, asSigned]);
  const sound =
    Buffer.from(found.algorithm.toString('latin1').toLowerCase(), 'latin1').equals(wireName(key.algorithm)) &&
    mac.length === found.mac.length &&
    timingSafeEqual(mac, found.mac);
  if (!sound) return { kind: 'forged' };
  if (found.error === BADTIME) {
    return { kind: 'badTime', aheadBy: found.other.length === 6 ? found.other.readUIntBE(0, 6) - at : 0 };
  }
  if (found.error !== 0) return { kind: 'other' };
  if (Math.abs(found.at - at) > found.fudge) return { kind: 'late', aheadBy: found.at - at };
  return { kind: 'good', message };
}
