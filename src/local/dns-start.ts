/**
 * Starts the embedded DNS when it does not run. It outlives whoever starts it, so it takes nothing from there: neither
 * the environment (a machine finds its processes by it) nor the program's file.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { copyFile, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CellError } from '../errors.ts';
import { programFile } from '../programs.ts';
import { type DnsCredential, ensureToken, HOST, POLL_MS, running } from './dns-reach.ts';
import { signalTo } from './processes.ts';

/** A Node on a busy computer with one core takes a few seconds to begin. */
const START_TIMEOUT_MS = 20_000;
/** Starting is over by then, one way or the other: the lock of one that was killed is taken over. */
const LOCK_LEASE_MS = START_TIMEOUT_MS + 10_000;

/** Whether nobody has the port, for UDP and for TCP. */
export async function portIsFree(port: number): Promise<boolean> {
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
        if (!signalTo(pid, 0)) return 'died';
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
