/**
 * A zone in memory that takes updates as RFC 2136 3 says, and a DNS server over TCP around it that signs as RFC 8945 says
 * and that can be told to fail in the ways servers and networks do.
 */
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import type { PrimaryCredential } from '../../../src/effects/dns/primary.ts';
import type { TsigKey } from '../../../src/effects/dns/tsig.ts';
import {
  answerTo,
  plainAnswer,
  type RawMessage,
  type RawRecord,
  readMessage,
  record,
  type Said,
  soa,
} from './server.support.ts';

const [A, CNAME, SOA, AAAA] = [1, 5, 6, 28];
const [IN, NONE, ANY] = [1, 254, 255];

export interface ZoneRecord {
  readonly name: string;
  readonly type: number;
  readonly ttl: number;
  readonly data: Buffer;
}

export class MemoryZone {
  readonly apex: string;
  records: readonly ZoneRecord[] = [];
  /** Updates that changed something. */
  serial = 1;

  constructor(apex: string, records: readonly ZoneRecord[] = []) {
    this.apex = apex;
    this.records = records;
  }

  set(name: string, type: number): readonly ZoneRecord[] {
    return this.records.filter((one) => one.name === name && one.type === type);
  }

  /** The names and types that stand under a name, or under its wildcard. */
  answer(name: string, type: number): readonly ZoneRecord[] {
    const there = this.records.some((one) => one.name === name);
    const wild = `*.${name.slice(name.indexOf('.') + 1)}`;
    const owner = there ? name : wild;
    const alias = this.set(owner, CNAME);
    return (alias.length > 0 ? alias : this.set(owner, type)).map((one) => ({ ...one, name }));
  }

  /** RCODE. */
  update({ question, sections }: RawMessage): number {
    if (question.name !== this.apex || question.type !== SOA) return 9;
    const [conditions = [], changes = []] = sections;
    const outside = [...conditions, ...changes].some(
      ({ name }) => name !== this.apex && !name.endsWith(`.${this.apex}`),
    );
    if (outside) return 10;
    const unmet = this.unmet(conditions);
    if (unmet !== 0) return unmet;
    const before = this.records;
    for (const change of changes) this.change(change);
    if (before !== this.records) this.serial += 1;
    return 0;
  }

  private unmet(conditions: readonly RawRecord[]): number {
    const exact = new Map<string, { name: string; type: number; data: string[] }>();
    for (const { name, type, class: klass, data } of conditions) {
      if (klass === ANY && this.set(name, type).length === 0) return 8;
      if (klass === NONE && this.set(name, type).length > 0) return 7;
      if (klass !== IN) continue;
      const key = `${name}/${type}`;
      exact.set(key, { name, type, data: [...(exact.get(key)?.data ?? []), data.toString('hex')] });
    }
    for (const { name, type, data } of exact.values()) {
      const here = this.set(name, type).map((one) => one.data.toString('hex'));
      if (here.sort().join() !== data.sort().join()) return 8;
    }
    return 0;
  }

  private change({ name, type, class: klass, ttl, data }: RawRecord): void {
    const same = (one: ZoneRecord) => one.name === name && one.type === type && one.data.equals(data);
    const inSet = (one: ZoneRecord) => one.name === name && one.type === type;
    if (klass === NONE) {
      if (this.records.some(same)) this.records = this.records.filter((one) => !same(one));
      return;
    }
    if (klass !== IN) throw new Error('a whole set is never touched');
    if (this.set(name, CNAME).length > 0) return;
    if (this.records.some((one) => same(one) && one.ttl === ttl)) return;
    // RFC 2181 5.2: one TTL for a set.
    const others = this.records.filter((one) => !same(one)).map((one) => (inSet(one) ? { ...one, ttl } : one));
    this.records = [...others, { name, type, ttl, data: Buffer.from(data) }];
  }

  /** For comparisons: one record a line, sorted. */
  dump(): readonly string[] {
    return this.records.map(({ name, type, ttl, data }) => `${name} ${ttl} ${type} ${shown(type, data)}`).sort();
  }
}

function shown(type: number, data: Buffer): string {
  if (type === A) return [...data].join('.');
  return type === AAAA ? data.toString('hex') : data.subarray(1).toString();
}

export function address(name: string, value: string, ttl = 300): ZoneRecord {
  return { name, type: A, ttl, data: Buffer.from(value.split('.').map(Number)) };
}

export function alias(name: string, target: string): ZoneRecord {
  const labels = target.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return { name, type: CNAME, ttl: 300, data: Buffer.concat([...labels, Buffer.from([0])]) };
}

/** What happens to the answer of one message; null: nothing is answered and the connection stays. */
export type Trouble = (
  request: RawMessage,
  answer: Buffer,
  tools: { readonly socket: Socket; readonly bytes: Buffer; readonly sign: (said: Partial<Said>) => Buffer },
) => Buffer | null;

export interface TestServer {
  readonly zone: MemoryZone;
  readonly credential: PrimaryCredential;
  /** Messages that were answered or meant to be. */
  readonly seen: readonly RawMessage[];
  trouble: Trouble;
  close(): Promise<void>;
}

export const TEST_KEY: TsigKey = {
  name: 'garden-key',
  algorithm: 'hmac-sha256',
  secret: Buffer.from('for tests only, thirty-two bytes').toString('base64'),
};

/** Starts it on a free port of 127.0.0.1. */
export async function startServer(zone: MemoryZone): Promise<TestServer> {
  const sockets = new Set<Socket>();
  const seen: RawMessage[] = [];
  const test: { trouble: Trouble } = { trouble: (_, answer) => answer };
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const bytes = Buffer.from(rest.subarray(2, 2 + rest.readUInt16BE(0)));
        rest = rest.subarray(2 + bytes.length);
        const request = readMessage(bytes);
        seen.push(request);
        const sign = (said: Partial<Said>) => answerTo(bytes, TEST_KEY, { at: Math.floor(Date.now() / 1000), ...said });
        const answer = test.trouble(request, sign(saidBy(zone, request)), { socket, bytes, sign });
        if (answer === null) continue;
        const length = Buffer.alloc(2);
        length.writeUInt16BE(answer.length);
        socket.write(Buffer.concat([length, answer]));
      }
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return {
    zone,
    seen,
    credential: { server: '127.0.0.1', port, zone: zone.apex, tsig: TEST_KEY },
    get trouble() {
      return test.trouble;
    },
    set trouble(trouble: Trouble) {
      test.trouble = trouble;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

function saidBy(zone: MemoryZone, request: RawMessage): Partial<Said> {
  if (request.opcode === 5) return { rcode: zone.update(request) };
  const { name, type } = request.question;
  if (name !== zone.apex && !name.endsWith(`.${zone.apex}`)) return { rcode: 5 };
  const found = zone.answer(name, type);
  if (found.length > 0) return { answers: found.map((one) => record(one.name, one.type, one.ttl, one.data)) };
  return { authorities: [soa(zone.apex)] };
}

export { plainAnswer };
