import { execFile, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import dnsPacket from 'dns-packet';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DnsServer, serveDns } from '../../src/local/dns.ts';
import { type RecordSet, withSet, type Zones } from '../../src/local/zone.ts';

const owner = { organism: 'garden', birth: 'b1', zone: 'garden.test', ttl: 5 } as const;
const sets: RecordSet[] = [
  { ...owner, name: 'www.garden.test', type: 'A', values: ['127.0.0.2'] },
  { ...owner, name: 'www.garden.test', type: 'A', values: ['127.0.0.3'], birth: 'b2' },
  { ...owner, name: 'six.garden.test', type: 'AAAA', values: ['2001:db8::7'] },
  { ...owner, name: '_cell.www.garden.test', type: 'TXT', values: ['v=cell1 organism=garden cell=b1'] },
  { ...owner, name: 'alias.garden.test', type: 'CNAME', values: ['www.garden.test'] },
  { ...owner, name: '_http._tcp.garden.test', type: 'SRV', values: ['1 2 8080 www.garden.test'] },
  { ...owner, name: 'many.garden.test', type: 'A', values: Array.from({ length: 60 }, (_, i) => `127.0.1.${i}`) },
];
const zones = sets.reduce(withSet, { serials: {}, sets: [] } as Zones);

let server: DnsServer;
beforeAll(async () => {
  server = await serveDns({ host: '127.0.0.1', port: 0, zones: () => zones });
});
afterAll(async () => {
  await server.close();
});

const query = (id: number, name: string) =>
  dnsPacket.encode({ type: 'query', id, questions: [{ name, type: 'A' }] }) as Buffer;
const framed = (bytes: Buffer) => Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);

/** Sends bytes over one connection; resolves with everything that came back when it closes or `until` messages came. */
function overTcp(bytes: Buffer, until: number): Promise<dnsPacket.Packet[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1', () => socket.write(bytes));
    let got = Buffer.alloc(0);
    const messages: dnsPacket.Packet[] = [];
    socket.on('error', reject);
    socket.on('close', () => resolve(messages));
    socket.on('data', (chunk) => {
      got = Buffer.concat([got, chunk]);
      while (got.length >= 2 && got.length >= 2 + got.readUInt16BE(0)) {
        messages.push(dnsPacket.decode(got.subarray(2, 2 + got.readUInt16BE(0)) as Buffer));
        got = got.subarray(2 + got.readUInt16BE(0));
      }
      if (messages.length >= until) socket.destroy();
    });
  });
}

describe('the server over sockets', () => {
  it('answers an ordinary resolver', async () => {
    const resolver = new Resolver({ timeout: 5_000, tries: 2 });
    resolver.setServers([`127.0.0.1:${server.port}`]);
    expect((await resolver.resolve4('www.garden.test')).sort()).toEqual(['127.0.0.2', '127.0.0.3']);
    expect(await resolver.resolve4('WWW.Garden.Test', { ttl: true })).toContainEqual({ address: '127.0.0.2', ttl: 5 });
    expect((await resolver.resolve4('alias.garden.test')).sort()).toEqual(['127.0.0.2', '127.0.0.3']);
    expect(await resolver.resolve6('six.garden.test')).toEqual(['2001:db8::7']);
    expect(await resolver.resolveTxt('_cell.www.garden.test')).toEqual([['v=cell1 organism=garden cell=b1']]);
    expect(await resolver.resolveSrv('_http._tcp.garden.test')).toMatchObject([
      { priority: 1, weight: 2, port: 8080, name: 'www.garden.test' },
    ]);
    expect(await resolver.resolveSoa('garden.test')).toMatchObject({ nsname: 'localhost', minttl: 5 });
    expect(await resolver.resolveNs('garden.test')).toEqual(['localhost']);
    // More than 512 bytes: truncated, and asked again over TCP.
    expect(await resolver.resolve4('many.garden.test')).toHaveLength(60);
    await expect(resolver.resolve4('nope.garden.test')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await expect(resolver.resolve4('six.garden.test')).rejects.toMatchObject({ code: 'ENODATA' });
    await expect(resolver.resolve4('www.other.test')).rejects.toMatchObject({ code: 'EREFUSED' });
  }, 60_000);

  it('answers several questions over one connection, whole, in pieces and in a burst', async () => {
    const burst = Buffer.concat([1, 2, 3].map((id) => framed(query(id, 'www.garden.test'))));
    expect((await overTcp(burst, 3)).map((message) => message.id)).toEqual([1, 2, 3]);
    const messages = await new Promise<number>((resolve, reject) => {
      const socket = connect({ port: server.port, host: '127.0.0.1', noDelay: true }, async () => {
        for (const byte of framed(query(9, 'many.garden.test'))) {
          socket.write(Buffer.from([byte]));
          await new Promise((next) => setImmediate(next));
        }
      });
      let size = 0;
      socket.on('error', reject);
      socket.on('data', (chunk) => {
        size += chunk.length;
        if (size > 60 * 16) {
          socket.destroy();
          resolve(size);
        }
      });
    });
    expect(messages).toBeGreaterThan(512);
  }, 30_000);

  it('answers a client that closes its side right after asking', async () => {
    const got = await new Promise<number>((resolve, reject) => {
      let size = 0;
      const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true }, () => {
        socket.end(framed(query(4, 'www.garden.test')));
      });
      socket.on('data', (chunk) => {
        size += chunk.length;
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(size));
    });
    expect(got).toBeGreaterThan(40);
  }, 30_000);

  it('survives anything that is sent to it', async () => {
    const udp = createSocket('udp4');
    try {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
          await new Promise((sent) => udp.send(bytes, server.port, '127.0.0.1', sent));
        }),
        { numRuns: 300 },
      );
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (bytes) => {
          await new Promise<void>((done) => {
            const socket = connect(server.port, '127.0.0.1', () => socket.end(bytes));
            socket.on('data', () => {});
            socket.on('error', () => done());
            socket.on('close', () => done());
          });
        }),
        { numRuns: 50 },
      );
      const alive = new Promise<dnsPacket.Packet>((resolve) => {
        udp.on('message', (bytes) => {
          const message = dnsPacket.decode(bytes);
          if (message.id === 4242 && message.answers?.length === 2) resolve(message);
        });
      });
      udp.send(query(4242, 'www.garden.test'), server.port, '127.0.0.1');
      expect((await alive).answers).toHaveLength(2);
    } finally {
      await new Promise<void>((done) => udp.close(() => done()));
    }
  }, 60_000);

  it('says that its port is taken', async () => {
    await expect(serveDns({ host: '127.0.0.1', port: server.port, zones: () => zones })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });
});

const hasDig = spawnSync('dig', ['-v']).error === undefined;
if (!hasDig) console.warn('dig is not installed here: what it makes of the answers is not tested');

describe.runIf(hasDig)('dig', () => {
  const dig = async (...args: string[]) => {
    const run = promisify(execFile);
    const fixed = ['@127.0.0.1', '-p', String(server.port), '+tries=2', '+time=5'];
    return (await run('dig', [...fixed, ...args])).stdout;
  };

  it.each<[string, string[], RegExp[]]>([
    [
      'A',
      ['www.garden.test'],
      [/status: NOERROR/, /flags: qr aa rd;/, /www\.garden\.test\.\s+5\s+IN\s+A\s+127\.0\.0\.3/],
    ],
    ['case', ['wWw.GarDen.test'], [/wWw\.GarDen\.test\.\s+5\s+IN\s+A/]],
    ['alias', ['alias.garden.test'], [/CNAME\s+www\.garden\.test\./, /A\s+127\.0\.0\.2/]],
    ['TCP', ['+tcp', 'many.garden.test'], [/ANSWER: 60/, /\(TCP\)/]],
    ['truncation', ['+noedns', '+ignore', 'many.garden.test'], [/flags: qr aa tc rd;/, /ANSWER: 0/]],
    ['EDNS', ['+bufsize=4096', 'many.garden.test'], [/ANSWER: 60/, /\(UDP\)/]],
    ['NXDOMAIN', ['nope.garden.test'], [/status: NXDOMAIN/, /garden\.test\.\s+5\s+IN\s+SOA\s+localhost\. hostmaster/]],
    ['NODATA', ['www.garden.test', 'MX'], [/status: NOERROR/, /ANSWER: 0, AUTHORITY: 1/]],
    ['a type we do not know', ['www.garden.test', 'TYPE65'], [/status: NOERROR/, /ANSWER: 0, AUTHORITY: 1/]],
    ['ANY', ['+notcp', 'www.garden.test', 'ANY'], [/HINFO\s+"RFC8482" ""/]],
    ['REFUSED', ['www.other.test'], [/status: REFUSED/]],
    ['a class', ['version.bind', 'CH', 'TXT'], [/status: REFUSED/]],
    ['NOTIMP', ['+opcode=NOTIFY', 'www.garden.test'], [/status: NOTIMP/]],
    ['EDNS version', ['+edns=1', '+noednsneg', 'www.garden.test'], [/status: BADVERS/]],
  ])(
    'understands %s',
    async (_what, args, expected) => {
      const text = await dig(...args);
      for (const line of expected) expect(text).toMatch(line);
      expect(text).not.toMatch(/malformed|mismatch|extra bytes|expected opt/i);
    },
    30_000,
  );
});
