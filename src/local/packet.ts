/**
 * From the bytes of a DNS question to the bytes of its answer. Pure: no socket, no clock.
 *
 * dns-packet reads and writes the records. The question is handled as the bytes it came in: a name may hold any byte,
 * and the answer must repeat it to the letter.
 */
import dnsPacket, { type Answer, type OptAnswer } from 'dns-packet';
import { answer, type ResourceRecord, type Zones } from './zone.ts';

const HEADER = 12;
/** What we can take, and the most we send over UDP: loopback has no smaller frames on the way. */
const LARGEST_UDP = 4096;
const PLAIN_UDP = 512;
const LARGEST_TCP = 65_535;

const FLAGS = { qr: 0x8000, aa: 0x0400, tc: 0x0200, rd: 0x0100, cd: 0x0010 };
const RCODES = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 };
type Outcome = keyof typeof RCODES;

interface Question {
  readonly name: string;
  readonly type: string;
  readonly class: number;
  /** As it came. */
  readonly bytes: Buffer;
}

/**
 * A label as zone files write it, with everything that is not plain in decimal, `\DDD`. A dot too: written as itself,
 * even with a backslash, one inside a label could be taken for one between two.
 */
function presentable(label: Buffer): string {
  return [...label]
    .map((byte) => {
      const plain = byte > 0x20 && byte < 0x7f && byte !== 0x2e && byte !== 0x5c;
      return plain ? String.fromCharCode(byte) : `\\${String(byte).padStart(3, '0')}`;
    })
    .join('');
}

/** The question right behind the header, or null when there is none to be read. */
function questionOf(packet: Buffer): Question | null {
  const labels: string[] = [];
  let at = HEADER;
  for (;;) {
    const length = packet[at];
    // Pointers have nothing to point at yet.
    if (length === undefined || length > 63) return null;
    at += 1;
    if (length === 0) break;
    if (at + length > packet.length) return null;
    labels.push(presentable(packet.subarray(at, at + length)));
    at += length;
    if (at - HEADER > 254) return null;
  }
  if (at + 4 > packet.length) return null;
  const bytes = packet.subarray(HEADER, at + 4);
  const name = labels.join('.');
  const type = dnsPacket.decode(Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]), bytes]))
    .questions?.[0]?.type;
  return { name, type: type ?? '', class: packet.readUInt16BE(at + 2), bytes };
}

/** A text as character-strings of at most 255 bytes (RFC 1035 3.3.14). */
function chunks(text: string): Buffer[] {
  const bytes = Buffer.from(text);
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length || at === 0; at += 255) out.push(bytes.subarray(at, at + 255));
  return out;
}

function encoded({ name, type, ttl, value }: ResourceRecord): Answer {
  const base = { name: name === '' ? '.' : name, ttl };
  const words = value.split(' ');
  const number = (index: number) => Number(words[index]);
  switch (type) {
    case 'TXT':
      return { ...base, type, data: chunks(value) };
    case 'SRV': {
      const data = { priority: number(0), weight: number(1), port: number(2), target: words[3] ?? '.' };
      return { ...base, type, data };
    }
    case 'HINFO':
      return { ...base, type, data: { cpu: value, os: '' } };
    case 'SOA': {
      const [mname = '', rname = ''] = words;
      const [serial, refresh, retry, expire, minimum] = [number(2), number(3), number(4), number(5), number(6)];
      return { ...base, type, data: { mname, rname, serial, refresh, retry, expire, minimum } };
    }
    default:
      return { ...base, type, data: value };
  }
}

interface Parts {
  readonly outcome: Outcome;
  readonly authoritative?: boolean;
  readonly truncated?: boolean;
  readonly answers?: readonly ResourceRecord[];
  readonly authorities?: readonly ResourceRecord[];
}

function write(query: Buffer, question: Question | null, edns: OptAnswer | null, parts: Parts): Buffer {
  const code = RCODES[parts.outcome];
  const asked = query.readUInt16BE(2);
  const opt: Answer[] =
    edns === null
      ? []
      : [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: LARGEST_UDP,
            extendedRcode: code >> 4,
            ednsVersion: 0,
            // DO is repeated as it came (RFC 3225 3).
            flags: edns.flags & 0x8000,
            flag_do: (edns.flags & 0x8000) !== 0,
            options: [],
          } as OptAnswer,
        ];
  const records = dnsPacket.encode({
    type: 'response',
    answers: (parts.answers ?? []).map(encoded),
    authorities: (parts.authorities ?? []).map(encoded),
    additionals: opt,
  });
  const header = Buffer.from(records.subarray(0, HEADER));
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  const flags =
    FLAGS.qr |
    // Operation, recursion desired and checking disabled are repeated.
    (asked & (0x7800 | FLAGS.rd | FLAGS.cd)) |
    (parts.authoritative === true ? FLAGS.aa : 0) |
    (parts.truncated === true ? FLAGS.tc : 0) |
    (code & 0xf);
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(question === null ? 0 : 1, 4);
  return Buffer.concat([header, question?.bytes ?? Buffer.alloc(0), records.subarray(HEADER)]);
}

/** The EDNS record of a query, null when it has none. Throws for a packet that cannot be read. */
function ednsOf(query: Buffer): OptAnswer | null {
  const { additionals = [] } = dnsPacket.decode(query);
  const found = additionals.filter((record): record is OptAnswer => record.type === 'OPT');
  if (found.length > 1 || found.some((record) => record.name !== '.')) throw new Error('one OPT record at most');
  return found[0] ?? null;
}

/**
 * The answer to a packet, or null for one that gets none: too short to have an id, or itself an answer (two servers
 * must not talk for ever). Never throws.
 */
export function respond(zones: Zones, query: Buffer, transport: 'udp' | 'tcp', turn = 0): Buffer | null {
  if (query.length < HEADER) return null;
  const flags = query.readUInt16BE(2);
  if ((flags & FLAGS.qr) !== 0) return null;
  if (((flags >> 11) & 0xf) !== 0) return write(query, null, null, { outcome: 'NOTIMP' });
  let question: Question | null = null;
  try {
    if (query.readUInt16BE(4) !== 1) return write(query, null, null, { outcome: 'FORMERR' });
    question = questionOf(query);
    if (question === null) return write(query, null, null, { outcome: 'FORMERR' });
    const edns = ednsOf(query);
    if (edns !== null && edns.ednsVersion !== 0) return write(query, question, edns, { outcome: 'BADVERS' });
    const { type } = question;
    const transfer = type === 'AXFR' || type === 'IXFR';
    if (question.class !== 1 || transfer) return write(query, question, edns, { outcome: 'REFUSED' });

    const reply = answer(zones, { name: question.name, type }, turn);
    const parts = { ...reply, outcome: reply.rcode };
    const whole = write(query, question, edns, parts);
    const room =
      transport === 'tcp' ? LARGEST_TCP : Math.min(LARGEST_UDP, Math.max(PLAIN_UDP, edns?.udpPayloadSize ?? 0));
    if (whole.length <= room) return whole;
    // No part of a record set is worth more than asking again over TCP.
    return write(query, question, edns, { outcome: reply.rcode, authoritative: true, truncated: true });
  } catch {
    return write(query, question, null, { outcome: 'FORMERR' });
  }
}
