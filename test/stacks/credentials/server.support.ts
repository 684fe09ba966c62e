/** What the stand-ins of providers' APIs share: a loopback server of JSON, and what was asked of it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Undefined for a request without one. */
  readonly body: unknown;
  /** Of the header `authorization: Bearer …`; empty for none. */
  readonly token: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export interface Given {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of an answer, the connection is cut. */
  readonly cut?: true;
}

export interface Server {
  /** `http://ADDRESS:PORT` */
  readonly url: string;
  /** Everything that was asked, oldest first. */
  readonly asked: Asked[];
  close(): Promise<void>;
}

export async function serve(answer: (asked: Asked) => Given | Promise<Given>, address = '127.0.0.1'): Promise<Server> {
  const log: Asked[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const json = /json/.test(request.headers['content-type'] ?? '');
    const asked: Asked = {
      method: request.method ?? '',
      path: pathname,
      query: searchParams,
      body: json && text !== '' ? JSON.parse(text) : undefined,
      token: /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1] ?? '',
      headers: request.headers,
      text,
    };
    log.push(asked);
    const given = await answer(asked);
    if (given.cut === true) {
      request.socket.destroy();
      return;
    }
    const body = typeof given.body === 'string' || given.body === undefined ? given.body : JSON.stringify(given.body);
    response.writeHead(given.status, { 'content-type': 'application/json', ...given.headers });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return {
    url: `http://${address}:${(server.address() as AddressInfo).port}`,
    asked: log,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** What a promise throws. Throws when it does not. */
export async function failure<E = Error>(work: Promise<unknown>): Promise<E> {
  const outcome = await work.then(
    () => null,
    (error: unknown) => ({ error }),
  );
  if (outcome === null) throw new Error('it did not fail');
  return outcome.error as E;
}
