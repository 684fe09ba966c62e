/**
 * How the embedded DNS is reached, and started when it does not run. It outlives whoever starts it, so it takes nothing
 * from there: neither the environment (a machine finds its processes by it) nor the program's file.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { chmod, copyFile, link, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readJson } from '../effects/files.ts';
import { CellError } from '../errors.ts';
import { programFile } from '../programs.ts';

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

const HOST = '127.0.0.1';
const API_TIMEOUT_MS = 10_000;
/** A Node on a busy computer with one core takes a few seconds to begin. */
const START_TIMEOUT_MS = 20_000;
const POLL_MS = 25;
/** Starting is over by then, one way or the other: the lock of one that was killed is taken over. */
const LOCK_LEASE_MS = START_TIMEOUT_MS + 10_000;

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

function call(
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

interface Running {
  /** The port of its API. */
  readonly api: number;
  /** The port it answers DNS on. */
  readonly port: number;
}

/** The server of this folder, when it runs and knows the token. */
async function running({ dir, token }: DnsCredential): Promise<Running | null> {
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

/** Whether nobody has the port, for UDP and for TCP. */
async function portIsFree(port: number): Promise<boolean> {
  const tcp = await new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: HOST, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
  if (!tcp) return false;
  return new Promise<boolean>((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => socket.close(() => resolve(false)));
    socket.bind({ address: HOST, port, exclusive: true }, () => socket.close(() => resolve(true)));
  });
}

/** The file to run: bundled, a copy in the server's folder, which stays when the maker's goes. */
async function programIn(dir: string): Promise<string> {
  const copy = join(dir, 'dns.mjs');
  let source: string;
  try {
    source = programFile('dns');
  } catch (thrown) {
    if (existsSync(copy)) return copy;
    throw thrown;
  }
  if (source.endsWith('.ts')) return source;
  if (!existsSync(source) && existsSync(copy)) return copy;
  const fresh = join(dir, `.${randomBytes(8).toString('hex')}.tmp`);
  await copyFile(source, fresh);
  await rename(fresh, copy);
  return copy;
}

/** Starts it and gives its pid. */
async function launch(credential: DnsCredential): Promise<number> {
  const { dir, port } = credential;
  const program = await programIn(dir);
  const node = existsSync(credential.node) ? credential.node : process.execPath;
  // The shell ends at once, so that the server is nobody's child. $0 is the log.
  const line = '"$@" </dev/null >>"$0" 2>&1 & echo $!';
  const shell = spawn('/bin/sh', ['-c', line, join(dir, 'dns.log'), node, program, dir, String(port)], {
    cwd: dir,
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8' },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  let said = '';
  shell.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  await new Promise<void>((resolve, reject) => {
    shell.once('error', reject);
    shell.once('close', () => resolve());
  });
  return Number(said);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs `work` as the only one in this folder that does; null when another does it now. It only saves needless starts:
 * of two servers one gets the port.
 */
async function alone<T>(dir: string, work: () => Promise<T>): Promise<T | null> {
  const file = join(dir, 'start.lock');
  const age = await stat(file).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );
  if (age > LOCK_LEASE_MS) await rm(file, { force: true });
  try {
    await (await open(file, 'wx', 0o600)).close();
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return null;
    throw thrown;
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

function taken(port: number): CellError {
  return new CellError('PROVIDER_REFUSED', `The local DNS cannot listen on 127.0.0.1:${port}`, {
    why: 'another program has this port',
    suggestion: 'Give the genome another `dns.port`, or end the program that listens there.',
    fields: { port },
  });
}

/** Two servers on one folder would overwrite each other's records. */
function elsewhere({ port, dir }: DnsCredential, now: number): CellError {
  return new CellError('PROVIDER_REFUSED', `The local DNS runs on port ${now}, not on ${port}`, {
    why: `its records in ${dir} are served on the port it was first started with`,
    suggestion: `Set \`dns.port\` back to ${now}; the port can be changed once the organism is destroyed.`,
    fields: { port, now },
  });
}

async function logTail(dir: string): Promise<string> {
  const text = await readFile(join(dir, 'dns.log'), 'utf8').catch(() => '');
  return text.trim().split('\n').at(-1) ?? '';
}

/**
 * Makes sure that the server runs, and gives the port of its API. Throws PROVIDER_REFUSED when its port is taken or it
 * does not come up.
 */
export async function ensureDns(credential: DnsCredential): Promise<number> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  let died = false;
  for (;;) {
    const now = await running(credential);
    if (now?.port === credential.port) return now.api;
    if (now !== null) throw elsewhere(credential, now.port);
    if (died || Date.now() > deadline) {
      throw new CellError('PROVIDER_REFUSED', 'The local DNS did not start', {
        why: (await logTail(credential.dir)) || `no answer within ${START_TIMEOUT_MS} ms`,
        suggestion: `Read ${join(credential.dir, 'dns.log')}.`,
      });
    }
    await ensureToken(credential.dir, credential.token);
    const outcome = await alone(credential.dir, async () => {
      if ((await running(credential)) !== null) return 'runs';
      if (!(await portIsFree(credential.port))) return 'taken';
      const pid = await launch(credential);
      // The lock is kept until it answers: whoever comes next finds it running.
      while (Date.now() < deadline) {
        if ((await running(credential)) !== null) return 'runs';
        if (!isAlive(pid)) return 'died';
        await sleep(POLL_MS);
      }
      return 'slow';
    });
    died = outcome === 'died';
    // One that ends just now still has the port for a moment, and one that begins has it a moment before it answers.
    if (outcome === 'taken' && Date.now() > deadline - START_TIMEOUT_MS + 2_000) throw taken(credential.port);
    await sleep(POLL_MS);
  }
}

/** Whether anything was ever put here. Where nothing was, nothing need be started to know it. */
export function everUsed(credential: DnsCredential): boolean {
  return existsSync(join(credential.dir, 'records.json'));
}

/** One call to the API, with the server started if need be. Answers 2xx and 404; throws PROVIDER_REFUSED for others. */
export async function callDns(
  credential: DnsCredential,
  method: 'GET' | 'PUT' | 'DELETE',
  path: string,
  options: { readonly owner?: string; readonly body?: unknown } = {},
): Promise<ApiAnswer> {
  const deadline = Date.now() + API_TIMEOUT_MS;
  for (;;) {
    const port = await ensureDns(credential);
    let answer: ApiAnswer;
    try {
      answer = await call(port, credential.token, method, path, options);
    } catch (thrown) {
      // It ended between the two. Every call can be made twice.
      if (Date.now() > deadline) throw thrown;
      await sleep(POLL_MS);
      continue;
    }
    if (answer.status === 404 || (answer.status >= 200 && answer.status < 300)) return answer;
    if (answer.status === 503 && Date.now() < deadline) {
      await sleep(POLL_MS);
      continue;
    }
    const why = (answer.body as { why?: string } | null)?.why ?? `status ${answer.status}`;
    throw new CellError(answer.status === 403 ? 'NOT_ALLOWED' : 'PROVIDER_REFUSED', 'The local DNS said no', {
      why,
      fields: { status: answer.status },
    });
  }
}

/**
 * Ends the server when it has no record left, waits until its port is free, and removes its folder. False when there
 * are records, of whatever organism, and everything stays.
 */
export async function stopDns(credential: DnsCredential): Promise<boolean> {
  const { dir } = credential;
  if (!existsSync(dir)) return true;
  const now = await running(credential);
  if (now === null) {
    const { readZones } = await import('./dns-store.ts');
    if ((await readZones(dir)).sets.length > 0) return false;
  } else {
    const { status } = await call(now.api, credential.token, 'POST', '/v1/stop');
    if (status === 409) return false;
    const deadline = Date.now() + API_TIMEOUT_MS;
    while (!(await portIsFree(now.port))) {
      if (Date.now() > deadline) {
        throw new CellError('TIMEOUT', `The local DNS still has 127.0.0.1:${now.port}`, { why: 'it was told to stop' });
      }
      await sleep(POLL_MS);
    }
  }
  await rm(dir, { recursive: true, force: true });
  return true;
}
