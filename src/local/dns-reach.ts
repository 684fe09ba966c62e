/**
 * The credential of the embedded DNS, and one call to the server that it names: nothing here starts anything.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { readJson } from '../effects/files.ts';
import { CellError } from '../errors.ts';

export const HOST = '127.0.0.1';
export const API_TIMEOUT_MS = 10_000;
export const POLL_MS = 25;

/** The credential of the local DNS provider. */
export interface DnsCredential {
  /** The server's own folder: token, records, program, log. */
  readonly dir: string;
  /** Where it answers DNS, on 127.0.0.1. */
  readonly port: number;
  /** The Node to run it with. */
  readonly node: string;
  readonly token: string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Throws USAGE for anything else. */
export function dnsCredential(value: unknown): DnsCredential {
  const { dir, port, node, token } = (value ?? {}) as Partial<DnsCredential>;
  if (typeof dir === 'string' && typeof port === 'number' && typeof node === 'string' && typeof token === 'string') {
    return { dir, port, node, token };
  }
  throw new CellError('USAGE', 'The credential of the local DNS is missing or not one', {
    why: 'expected {dir, port, node, token}',
  });
}

/** Makes the folder and, unless there is one, the token. Gives the token that counts. */
export async function ensureToken(dir: string, token?: string): Promise<string> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
  const file = join(dir, 'token');
  const own = join(dir, `.${randomBytes(8).toString('hex')}.tmp`);
  if (!existsSync(file)) {
    await writeFile(own, `${token ?? randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
    // A link is made whole or not at all: of two at once, one's token stands and both read it.
    await link(own, file).catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code !== 'EEXIST') throw thrown;
    });
    await rm(own, { force: true });
  }
  return (await readFile(file, 'utf8')).trim();
}

/** One request to an API on this computer. Throws what the connection throws. */
export function call(
  port: number,
  token: string,
  method: string,
  path: string,
  options: { readonly owner?: string | undefined; readonly body?: unknown } = {},
): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const body = options.body === undefined ? '' : JSON.stringify(options.body);
    const headers = {
      authorization: `Bearer ${token}`,
      'content-length': Buffer.byteLength(body),
      ...(options.owner === undefined ? {} : { 'cell-owner': options.owner }),
    };
    const sent = request({ host: HOST, port, method, path, headers, agent: false, timeout: API_TIMEOUT_MS });
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${API_TIMEOUT_MS} ms`)));
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        try {
          resolve({ status: response.statusCode ?? 0, body: text === '' ? null : JSON.parse(text) });
        } catch (thrown) {
          reject(thrown);
        }
      });
    });
    sent.end(body);
  });
}

export interface Running {
  /** The port of its API. */
  readonly api: number;
  /** The port it answers DNS on. */
  readonly port: number;
}

/** The server of this folder, when it runs and knows the token. */
export async function running({ dir, token }: DnsCredential): Promise<Running | null> {
  const said = await readJson<{ api?: number }>(join(dir, 'server.json'), {}, 'fallback');
  if (typeof said.api !== 'number') return null;
  try {
    const { status, body } = await call(said.api, token, 'GET', '/v1');
    const answer = (body ?? {}) as { dir?: string; port?: number };
    const meant = status === 200 && answer.dir === dir && typeof answer.port === 'number';
    return meant ? { api: said.api, port: answer.port as number } : null;
  } catch {
    return null;
  }
}
