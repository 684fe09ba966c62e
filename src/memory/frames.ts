/**
 * Frames on a byte stream: a kind (one byte), a length (four), and that many bytes. `J` is a JSON message, `B` a piece of
 * a pack, `E` its end.
 *
 * A length is checked before anything is held, silence ends the session, and a writer waits while its peer does not read:
 * a peer that lies or sleeps costs a bounded amount of memory and time.
 */
import type { Readable, Writable } from 'node:stream';
import { CellError } from '../errors.ts';
import { MAX_CHUNK, MAX_MESSAGE, SESSION_MS, SILENCE_MS } from './limits.ts';

export interface Frame {
  readonly kind: 'J' | 'B' | 'E';
  readonly body: Buffer;
}

export interface Wire {
  /** The next frame. Throws SYNC_FAILED at the end of the stream or for a length beyond its limit, TIMEOUT for silence. */
  read(): Promise<Frame>;
  send(kind: Frame['kind'], body?: Uint8Array): Promise<void>;
  /** Ends the own half in order. */
  finish(): void;
  /** Gives the stream up. */
  destroy(): void;
}

export interface Patience {
  readonly silenceMs?: number;
  readonly sessionMs?: number;
}

const HEADER = 5;
const LIMITS: Readonly<Record<string, number>> = { J: MAX_MESSAGE, B: MAX_CHUNK, E: 0 };

/** Frames over a pair of streams, of a process, a pipe or a test. */
export function wire(input: Readable, output: Writable, patience: Patience = {}): Wire {
  const silenceMs = patience.silenceMs ?? SILENCE_MS;
  const until = Date.now() + (patience.sessionMs ?? SESSION_MS);
  let chunks: Buffer[] = [];
  let held = 0;
  let failure: CellError | null = null;
  let wake: (() => void) | null = null;
  let drained: (() => void) | null = null;

  const fail = (error: CellError): void => {
    failure ??= error;
    wake?.();
    drained?.();
  };
  const broken = (error?: Error | null) => {
    fail(
      new CellError('SYNC_FAILED', 'The session broke off', {
        why: error?.message ?? 'the peer closed it',
        cause: error ?? undefined,
      }),
    );
  };
  input.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    held += chunk.length;
    if (held > MAX_MESSAGE) input.pause();
    wake?.();
  });
  input.on('end', () => broken());
  input.on('close', () => broken());
  input.on('error', broken);
  output.on('error', broken);
  output.on('close', () => broken(new Error('the peer no longer listens')));
  output.on('drain', () => drained?.());

  const patient = async (wait: (done: () => void) => void): Promise<void> => {
    const ms = Math.max(0, Math.min(silenceMs, until - Date.now()));
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      wait(resolve);
      timer = setTimeout(() => {
        fail(new CellError('TIMEOUT', 'The session took too long', { why: `the peer was silent for ${ms} ms` }));
        resolve();
      }, ms);
    });
    clearTimeout(timer);
  };
  const take = async (length: number): Promise<Buffer> => {
    while (held < length) {
      if (failure !== null) throw failure;
      if (input.isPaused()) input.resume();
      await patient((done) => {
        wake = done;
      });
      wake = null;
    }
    const all = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
    chunks = [all.subarray(length)];
    held -= length;
    return all.subarray(0, length);
  };

  return {
    async read() {
      const header = await take(HEADER);
      const kind = String.fromCharCode(header[0] ?? 0);
      const length = header.readUInt32BE(1);
      const limit = Object.hasOwn(LIMITS, kind) ? LIMITS[kind] : undefined;
      if (limit === undefined) throw unclear('it sent something else than frames');
      if (length > limit) throw unclear(`it announced a frame of ${length} bytes; at most ${limit} are taken`);
      return { kind: kind as Frame['kind'], body: length === 0 ? Buffer.alloc(0) : await take(length) };
    },
    async send(kind, body = Buffer.alloc(0)) {
      if (failure !== null && !output.writable) throw failure;
      const header = Buffer.alloc(HEADER);
      header.write(kind, 'latin1');
      header.writeUInt32BE(body.length, 1);
      output.write(header);
      if (body.length === 0 || output.write(body)) return;
      await patient((done) => {
        drained = done;
      });
      drained = null;
      if (failure !== null && !output.writable) throw failure;
    },
    finish: () => {
      if (output.writable) output.end();
    },
    destroy: () => {
      input.destroy();
      output.destroy();
    },
  };
}

export function unclear(why: string): CellError {
  return new CellError('SYNC_FAILED', 'The peer does not speak this protocol', { why });
}
