/**
 * Questions and dynamic updates (RFC 2136) to bytes, and answers from bytes. Pure. dns-packet writes and reads names and
 * data; what it does not know is put around them here: the operation UPDATE, the class NONE and records without data.
 *
 * An update has four sections: the zone, conditions that must hold, changes, and additional records (none but TSIG). The
 * server does all of the changes or none.
 */
import dnsPacket, { type Answer } from 'dns-packet';

export type AddressType = 'A' | 'AAAA';
export type AskedType = AddressType | 'TXT' | 'SOA';

export interface AddressRecord {
  readonly name: string;
  readonly type: AddressType;
  /** Seconds. */
  readonly ttl: number;
  readonly data: string;
}

export interface TextRecord {
  readonly name: string;
  readonly type: 'TXT';
  readonly ttl: number;
  /** As it is on the wire, in strings of at most 255 bytes: to take a text away it must be repeated to the letter. */
  readonly data: readonly Buffer[];
}

export type PlainRecord = AddressRecord | TextRecord;

/** What must hold for any change to be made. `exactly`: the set of this name and type has these texts and no others. */
export type Condition =
  | { readonly kind: 'absent' | 'present'; readonly name: string; readonly type: AddressType | 'TXT' | 'CNAME' }
  | { readonly kind: 'exactly'; readonly records: readonly TextRecord[] };

export interface ZoneChange {
  readonly kind: 'add' | 'remove';
  readonly record: PlainRecord;
}

export interface Update {
  readonly conditions: readonly Condition[];
  readonly changes: readonly ZoneChange[];
}

export interface Reply {
  readonly rcode: number;
  readonly authoritative: boolean;
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
}

const CLASSES = { IN: 1, NONE: 254, ANY: 255 } as const;
const TYPES = { A: 1, CNAME: 5, TXT: 16, AAAA: 28 } as const;
const OPCODE_UPDATE = 5 << 11;

/** A text in strings of at most 255 bytes (RFC 1035 3.3.14). */
export function textData(text: string): readonly Buffer[] {
  const bytes = Buffer.from(text);
  const strings: Buffer[] = [];
  for (let at = 0; at < bytes.length || at === 0; at += 255) strings.push(bytes.subarray(at, at + 255));
  return strings;
}

function encoded(answer: Answer): Buffer {
  // Behind the header of a message that has nothing else in it.
  return dnsPacket.encode({ type: 'query', answers: [answer] }).subarray(12);
}

/** One record, in a class that dns-packet may not know: class and TTL stand right behind the name. */
function inClass(record: PlainRecord, klass: keyof typeof CLASSES, ttl: number): Buffer {
  const { name, type, data } = record;
  const bytes = encoded({ name, type, ttl, data: type === 'TXT' ? [...data] : data } as Answer);
  const behind = nameLength(bytes);
  bytes.writeUInt16BE(CLASSES[klass], behind + 2);
  return bytes;
}

/** A record of class ANY or NONE without data, which speaks of a whole set. */
function bare(name: string, type: keyof typeof TYPES, klass: 'ANY' | 'NONE'): Buffer {
  const whole = encoded({ name, type: 'A', ttl: 0, data: '0.0.0.0' });
  const behind = nameLength(whole);
  const bytes = Buffer.from(whole.subarray(0, behind + 10));
  bytes.writeUInt16BE(TYPES[type], behind);
  bytes.writeUInt16BE(CLASSES[klass], behind + 2);
  bytes.writeUInt16BE(0, behind + 8);
  return bytes;
}

/** Of a name that is not compressed. */
function nameLength(bytes: Buffer): number {
  let at = 0;
  while (bytes[at] !== 0) at += (bytes[at] as number) + 1;
  return at + 1;
}

function conditionRecords(condition: Condition): Buffer[] {
  // RFC 2136 2.4: a TTL of 0 everywhere; the class says which of the five it is.
  switch (condition.kind) {
    case 'absent':
      return [bare(condition.name, condition.type, 'NONE')];
    case 'present':
      return [bare(condition.name, condition.type, 'ANY')];
    case 'exactly':
      return condition.records.map((record) => inClass(record, 'IN', 0));
  }
}

export function updateMessage(id: number, zone: string, { conditions, changes }: Update): Buffer {
  const before = conditions.flatMap(conditionRecords);
  // RFC 2136 2.5.4: class NONE and a TTL of 0 take away one record and leave the others of its set.
  const after = changes.map(({ kind, record }) =>
    kind === 'add' ? inClass(record, 'IN', record.ttl) : inClass(record, 'NONE', 0),
  );
  const head = dnsPacket.encode({
    type: 'query',
    id,
    flags: OPCODE_UPDATE,
    questions: [{ name: zone, type: 'SOA', class: 'IN' }],
  });
  head.writeUInt16BE(before.length, 6);
  head.writeUInt16BE(after.length, 8);
  return Buffer.concat([head, ...before, ...after]);
}

/** A question to a server about what it has itself: recursion is not asked for. */
export function questionMessage(id: number, name: string, type: AskedType): Buffer {
  return dnsPacket.encode({ type: 'query', id, flags: 0, questions: [{ name, type, class: 'IN' }] });
}

/** What a server answered in one word (RFC 1035 4.1.1). */
export function rcodeOf(bytes: Buffer): number {
  return bytes.readUInt16BE(2) & 0xf;
}

/** The answer to a question. Throws for what is none. */
export function readReply(bytes: Buffer): Reply {
  const { answers = [], authorities = [], flag_qr, flag_aa } = dnsPacket.decode(bytes);
  if (!flag_qr) throw new Error('a question came where an answer was expected');
  return { rcode: rcodeOf(bytes), authoritative: flag_aa, answers, authorities };
}
