/**
 * The other side for tests: reads what was asked, as bytes, and signs answers. Written apart from what it tests: names and
 * records are read here by hand, and the MAC is put together from the RFC's own list (RFC 8945 4.3).
 */
import { createHmac } from 'node:crypto';
import type { TsigKey } from '../../../src/effects/dns/tsig.ts';

export interface RawRecord {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  readonly data: Buffer;
  /** Where it begins and ends. */
  readonly start: number;
  readonly end: number;
}

export interface RawMessage {
  readonly id: number;
  readonly opcode: number;
  readonly question: { readonly name: string; readonly type: number };
  /** By section: answers, authorities, additionals; of an update: conditions, changes, additionals. */
  readonly sections: readonly (readonly RawRecord[])[];
}

function readName(bytes: Buffer, at: number): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let here = at;
  let end: number | null = null;
  for (;;) {
    const length = bytes.readUInt8(here);
    if (length >= 0xc0) {
      end ??= here + 2;
      here = bytes.readUInt16BE(here) & 0x3fff;
      continue;
    }
    if (length === 0) return { name: labels.join('.').toLowerCase(), end: end ?? here + 1 };
    labels.push(bytes.toString('latin1', here + 1, here + 1 + length));
    here += length + 1;
  }
}

export function readMessage(bytes: Buffer): RawMessage {
  const asked = readName(bytes, 12);
  const question = { name: asked.name, type: bytes.readUInt16BE(asked.end) };
  let at = asked.end + 4;
  const sections = [6, 8, 10].map((count) =>
    Array.from({ length: bytes.readUInt16BE(count) }, (): RawRecord => {
      const start = at;
      const { name, end: fixed } = readName(bytes, at);
      const [type, klass, ttl] = [
        bytes.readUInt16BE(fixed),
        bytes.readUInt16BE(fixed + 2),
        bytes.readUInt32BE(fixed + 4),
      ];
      at = fixed + 10 + bytes.readUInt16BE(fixed + 8);
      return { name, type, class: klass, ttl, data: bytes.subarray(fixed + 10, at), start, end: at };
    }),
  );
  return { id: bytes.readUInt16BE(0), opcode: (bytes.readUInt16BE(2) >> 11) & 0xf, question, sections };
}

/** A signed message taken apart: what was signed, when, and the MAC. */
export function partsOf(bytes: Buffer): { message: Buffer; at: number; mac: Buffer; start: number; keyName: string } {
  const record = readMessage(bytes).sections[2]?.at(-1);
  if (record?.type !== 250) throw new Error('the message is not signed');
  const { end } = readName(record.data, 0);
  const length = record.data.readUInt16BE(end + 8);
  const message = Buffer.from(bytes.subarray(0, record.start));
  message.writeUInt16BE(bytes.readUInt16BE(10) - 1, 10);
  const mac = Buffer.from(record.data.subarray(end + 10, end + 10 + length));
  return { message, at: record.data.readUIntBE(end, 6), mac, start: record.start, keyName: record.name };
}

const name = (text: string) =>
  Buffer.from(
    [...text.split('.').filter((label) => label !== ''), '']
      .map((label) => String.fromCharCode(label.length) + label)
      .join(''),
    'latin1',
  );

export interface Said {
  /** Seconds since the epoch. */
  readonly at: number;
  readonly rcode?: number;
  /** Whole records, for the answer and the authority section. */
  readonly answers?: readonly Buffer[];
  readonly authorities?: readonly Buffer[];
  /** Of TSIG. */
  readonly error?: number;
  readonly other?: Buffer;
  /** In the place of the right one. */
  readonly mac?: Buffer;
}

/** The answer without a signature. */
export function plainAnswer(request: Buffer, { rcode = 0, answers = [], authorities = [] }: Omit<Said, 'at'>): Buffer {
  const question = request.subarray(12, readName(request, 12).end + 4);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(request.readUInt16BE(0), 0);
  head.writeUInt16BE((request.readUInt16BE(2) & 0x7900) | 0x8400 | rcode, 2);
  for (const [index, count] of [1, answers.length, authorities.length, 0].entries()) {
    head.writeUInt16BE(count, 4 + index * 2);
  }
  return Buffer.concat([head, question, ...answers, ...authorities]);
}

/** The signed answer to a signed request. */
export function answerTo(request: Buffer, key: TsigKey, said: Said): Buffer {
  const message = plainAnswer(request, said);
  const { error = 0, other = Buffer.alloc(0), at } = said;
  const requestMac = partsOf(request).mac;
  const time = Buffer.alloc(8);
  time.writeUIntBE(at, 0, 6);
  time.writeUInt16BE(300, 6);
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(error, 0);
  tail.writeUInt16BE(other.length, 2);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(requestMac.length);
  const [keyName, algorithm] = [name(key.name.toLowerCase()), name(key.algorithm)];
  const digest = createHmac(key.algorithm.replace('hmac-', ''), Buffer.from(key.secret, 'base64'))
    .update(Buffer.concat([length, requestMac, message, keyName, Buffer.from([0, 255, 0, 0, 0, 0])]))
    .update(Buffer.concat([algorithm, time, tail, other]))
    .digest();
  const mac = said.mac ?? digest;
  const sizes = Buffer.alloc(2);
  sizes.writeUInt16BE(mac.length);
  const data = Buffer.concat([algorithm, time, sizes, mac, message.subarray(0, 2), tail, other]);
  const fixed = Buffer.from([0, 250, 0, 255, 0, 0, 0, 0, data.length >> 8, data.length & 255]);
  const signed = Buffer.concat([message, name(key.name), fixed, data]);
  signed.writeUInt16BE(1, 10);
  return signed;
}

/** A record for an answer. */
export function record(owner: string, type: number, ttl: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttl, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([name(owner), fixed, data]);
}

/** A SOA record: what shows where a zone begins. */
export function soa(zone: string): Buffer {
  return record(zone, 6, 300, Buffer.concat([name(`ns.${zone}`), name(`hostmaster.${zone}`), Buffer.alloc(20)]));
}
