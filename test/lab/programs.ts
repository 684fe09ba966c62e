/** Programs for the lab's ingresses to stand before: they say who they are and how many bytes they got. */
import { createServer, type RequestListener, type Server } from 'node:http';

export interface Program {
  readonly server: Server;
  readonly asked: () => number;
  /** As a program is asked to stop: what is under way is answered. */
  stop(): Promise<void>;
}

const ADDRESS = '127.0.0.1';

export async function startProgram(name: string, port: number, answer: RequestListener = echo(name)): Promise<Program> {
  let asked = 0;
  const server = createServer((request, response) => {
    asked++;
    answer(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, ADDRESS, resolve);
  });
  return {
    server,
    asked: () => asked,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

/** `NAME BYTES`, after a moment. */
function echo(name: string): RequestListener {
  return (request, response) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => setTimeout(() => response.end(`${name} ${bytes}`), 3));
  };
}
