/**
 * The body of a request as something that can be sent more than once: kept when it is small, passed on as it comes when
 * it is not.
 */
import type { IncomingMessage } from 'node:http';
import { PassThrough, Readable } from 'node:stream';

export interface Body {
  /** Whether stream() may be called again after the last one was read from. */
  readonly replayable: boolean;
  /** Whether bytes are gone that could not be given again. */
  consumed(): boolean;
  stream(): Readable;
}

/** The largest body that is kept, in bytes. */
const KEPT = 1 << 20;

/** Reads up to KEPT bytes. Null when the client went away before. */
export async function readBody(request: IncomingMessage): Promise<Body | null> {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  if (encoding === undefined && (length === undefined || length === '0')) return kept([]);
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise((resolve) => {
    const settle = (body: Body | null) => {
      request.off('data', onData).off('end', onEnd).off('error', onError).off('close', onError);
      resolve(body);
    };
    const onData = (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size <= KEPT) return;
      request.pause();
      settle(flowing(chunks, request));
    };
    const onEnd = () => settle(kept(chunks));
    const onError = () => settle(null);
    request.on('data', onData).on('end', onEnd).on('error', onError).on('close', onError);
  });
}

function kept(chunks: readonly Buffer[]): Body {
  return { replayable: true, consumed: () => false, stream: () => Readable.from(chunks, { objectMode: false }) };
}

function flowing(chunks: readonly Buffer[], request: IncomingMessage): Body {
  let stream: PassThrough | null = null;
  return {
    replayable: false,
    consumed: () => stream?.readableDidRead === true,
    // One stream for all tries: as long as nobody read from it, nothing is lost.
    stream: () => {
      if (stream === null) {
        stream = new PassThrough();
        for (const chunk of chunks) stream.write(chunk);
        request.pipe(stream);
        request.once('close', () => {
          if (!request.complete) stream?.destroy();
        });
      }
      return stream;
    },
  };
}
