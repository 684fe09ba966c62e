/**
 * Redis: the server as a child, and the little of its protocol (RESP2) that a program with one connection needs.
 *
 * Commands are sent as they come, answers come in the same order. With `appendfsync always` an answer means that what was
 * written is on the disk.
 */
import { mkdir, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join, resolve } from 'node:path';
import { awaitLeftover, runFolder, startServer, until, worksIn } from './lib/children.js';
import { dataFile } from './lib/journal.js';

/** Starts redis-server on the function's data and connects to it. Gives { command(...words), close() }. */
export async function openRedis() {
  const folder = resolve(dataFile('redis'));
  const run = resolve(await runFolder());
  const [socket, pidFile] = [join(run, 'redis.sock'), join(run, 'redis.pid')];
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await awaitLeftover(pidFile, (pid) => worksIn(pid, folder));
  await rm(socket, { force: true });
  const settings = {
    port: 0,
    unixsocket: socket,
    unixsocketperm: 700,
    pidfile: pidFile,
    dir: folder,
    appendonly: 'yes',
    appendfsync: 'always',
    save: '',
    'maxmemory-policy': 'noeviction',
    loglevel: 'warning',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const server = startServer('redis-server', args, { endings: [['SIGTERM', 5_000]] });
  const client = await until('redis-server answers', () => connect(socket).catch(() => null), 15_000);
  // It listens before it has read its files, and refuses commands until then.
  const ping = () => client.command('PING').catch(() => false);
  await until('redis-server is ready', ping, 60_000);
  return {
    command: client.command,
    async close() {
      client.end();
      await server.stop();
    },
  };
}

/** One connection. `command(...words)` resolves with the answer and rejects with what Redis complains about. */
export async function connect(path) {
  const socket = createConnection({ path });
  await new Promise((done, failed) => socket.once('connect', done).once('error', failed));
  const waiting = [];
  let rest = Buffer.alloc(0);
  let ended = false;
  socket.on('data', (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let found = readReply(rest, 0); found !== null; found = readReply(rest, 0)) {
      rest = rest.subarray(found.end);
      const { done, failed } = waiting.shift();
      if (found.value instanceof Error) failed(found.value);
      else done(found.value);
    }
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    ended = true;
    for (const { failed } of waiting.splice(0)) failed(new Error('Redis closed the connection'));
  });
  return {
    command: (...words) =>
      new Promise((done, failed) => {
        if (ended) return failed(new Error('Redis closed the connection'));
        waiting.push({ done, failed });
        const parts = words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`);
        socket.write(`*${words.length}\r\n${parts.join('')}`);
      }),
    end: () => socket.end(),
  };
}

/** The answer that begins at `at`: { value, end }, or null when it is not all there yet. An error is a value here. */
export function readReply(bytes, at) {
  const lineEnd = bytes.indexOf('\r\n', at);
  if (lineEnd < 0) return null;
  const line = bytes.toString('utf8', at + 1, lineEnd);
  const end = lineEnd + 2;
  switch (bytes[at]) {
    case 0x2b: // +
      return { value: line, end };
    case 0x2d: // -
      return { value: new Error(line), end };
    case 0x3a: // :
      return { value: Number(line), end };
    case 0x24: {
      // $
      const length = Number(line);
      if (length < 0) return { value: null, end };
      if (bytes.length < end + length + 2) return null;
      return { value: bytes.toString('utf8', end, end + length), end: end + length + 2 };
    }
    case 0x2a: {
      // *
      const items = [];
      let next = end;
      for (let i = 0; i < Number(line); i += 1) {
        const item = readReply(bytes, next);
        if (item === null) return null;
        items.push(item.value);
        next = item.end;
      }
      return { value: items, end: next };
    }
    default:
      throw new Error(`not RESP: ${bytes.toString('utf8', at, at + 20)}`);
  }
}
