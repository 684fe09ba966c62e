/**
 * The embedded DNS server: one port, UDP and TCP, answers out of the zones it is given. What the answers are is
 * packet.ts and zone.ts; this file moves bytes.
 */
import { createSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { respond } from './packet.ts';
import type { Zones } from './zone.ts';

export interface DnsServer {
  readonly port: number;
  close(): Promise<void>;
}

/** RFC 7766 6.2.3 leaves the length to the server; resolvers ask several questions in a burst, then go. */
const TCP_IDLE_MS = 10_000;
/** Connections at once: loopback only, so this only guards against a client that leaks them. */
const TCP_CONNECTIONS = 200;

function closed(server: { close(done: () => void): unknown }): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

function listenTcp(host: string, port: number, onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, onConnection);
  server.maxConnections = TCP_CONNECTIONS;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => resolve(server.off('error', reject)));
  });
}

/** Serves until closed. `port` 0 takes a free one. Throws what listening throws, EADDRINUSE above all. */
export async function serveDns(options: {
  readonly host: string;
  readonly port: number;
  readonly zones: () => Zones;
}): Promise<DnsServer> {
  let turn = 0;
  const reply = (query: Buffer, transport: 'udp' | 'tcp') => {
    turn = (turn + 1) % 2 ** 31;
    return respond(options.zones(), query, transport, turn);
  };

  const open = new Set<Socket>();
  const tcp = await listenTcp(options.host, options.port, (socket) => {
    open.add(socket);
    let waiting = Buffer.alloc(0);
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => open.delete(socket));
    socket.on('end', () => socket.end());
    socket.on('data', (chunk: Buffer) => {
      waiting = Buffer.concat([waiting, chunk]);
      while (waiting.length >= 2 && waiting.length >= 2 + waiting.readUInt16BE(0)) {
        const end = 2 + waiting.readUInt16BE(0);
        const answer = reply(waiting.subarray(2, end), 'tcp');
        waiting = waiting.subarray(end);
        // What is not a question means that the stream is not DNS, or out of step for good.
        if (answer === null) return void socket.destroy();
        const length = Buffer.alloc(2);
        length.writeUInt16BE(answer.length);
        const going = socket.write(Buffer.concat([length, answer]));
        if (!going) {
          socket.pause();
          socket.once('drain', () => socket.resume());
        }
      }
    });
  });
  const { port } = tcp.address() as { port: number };

  const udp = createSocket('udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      udp.once('error', reject);
      udp.bind({ address: options.host, port, exclusive: true }, () => {
        udp.off('error', reject);
        resolve();
      });
    });
  } catch (thrown) {
    await closed(tcp);
    throw thrown;
  }
  // A client that is gone answers with "port unreachable"; nobody else needs to hear of it.
  udp.on('error', () => {});
  udp.on('message', (query, from) => {
    const answer = reply(query, 'udp');
    if (answer !== null) udp.send(answer, from.port, from.address, () => {});
  });

  return {
    port,
    async close() {
      for (const socket of open) socket.destroy();
      await Promise.all([closed(tcp), closed(udp)]);
    },
  };
}
