/**
 * A TCP connection to a DNS server (RFC 7766): messages with their length in front, several under way at once, answers
 * told apart by their id. TCP alone, because an update and a set of many records do not fit in a datagram, and because
 * nobody can answer in the server's place without being on the way.
 */
import { connect, type Socket } from 'node:net';
import { messageOf } from '../../errors.ts';

/** A server that is there takes a connection in one round trip; three seconds are several lost packets. */
const CONNECT_TIMEOUT_MS = 3_000;
/** An update is written to disk before it is answered, and waits for those before it. */
const ANSWER_TIMEOUT_MS = 5_000;

/** No answer: nobody knows whether what was asked for was done. */
export class NoAnswer extends Error {
  /** Whether the message may have reached the server. */
  readonly sent: boolean;

  constructor(why: string, sent: boolean) {
    super(why);
    this.name = 'NoAnswer';
    this.sent = sent;
  }
}

export interface LineTimes {
  readonly connectMs?: number;
  readonly answerMs?: number;
}

export interface Line {
  /** The answer to a message. Throws NoAnswer. */
  ask(message: Buffer): Promise<Buffer>;
  close(): void;
}

interface Waiting {
  readonly resolve: (answer: Buffer) => void;
  readonly reject: (error: NoAnswer) => void;
  readonly timer: NodeJS.Timeout;
}

/** Opens a line. Throws NoAnswer with `sent` false. */
export async function openLine(host: string, port: number, times: LineTimes = {}): Promise<Line> {
  const { connectMs = CONNECT_TIMEOUT_MS, answerMs = ANSWER_TIMEOUT_MS } = times;
  const socket = await dialTcp(host, port, connectMs);
  const waiting = new Map<number, Waiting>();
  let ended: string | null = null;
  let rest: Buffer = Buffer.alloc(0);

  function end(why: string): void {
    ended ??= why;
    socket.destroy();
    for (const [id, { reject, timer }] of [...waiting]) {
      waiting.delete(id);
      clearTimeout(timer);
      reject(new NoAnswer(ended, true));
    }
  }

  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      const length = rest.readUInt16BE(0);
      const message = Buffer.from(rest.subarray(2, 2 + length));
      rest = rest.subarray(2 + length);
      const id = message.length < 2 ? -1 : message.readUInt16BE(0);
      const asked = waiting.get(id);
      if (asked === undefined) continue;
      waiting.delete(id);
      clearTimeout(asked.timer);
      asked.resolve(message);
    }
  });
  socket.on('error', (error) => end(messageOf(error)));
  socket.on('close', () => end('it closed the connection'));

  return {
    ask(message) {
      if (ended !== null) return Promise.reject(new NoAnswer(ended, false));
      return new Promise((resolve, reject) => {
        // Answers that come later must not be taken for those of a next question: the line is done for.
        const timer = setTimeout(() => end(`it did not answer within ${answerMs} ms`), answerMs);
        waiting.set(message.readUInt16BE(0), { resolve, reject, timer });
        const length = Buffer.alloc(2);
        length.writeUInt16BE(message.length);
        socket.write(Buffer.concat([length, message]));
      });
    },
    close: () => end('the connection was closed here'),
  };
}

function dialTcp(host: string, port: number, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    const fail = (why: string) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new NoAnswer(why, false));
    };
    const timer = setTimeout(() => fail(`it took no connection within ${timeoutMs} ms`), timeoutMs);
    socket.once('error', (error) => fail(messageOf(error)));
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}
