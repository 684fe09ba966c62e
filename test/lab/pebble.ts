/**
 * Pebble, a real ACME server, with a name server that says what a test wants: whom the authority asks is a test's own choice.
 * Pebble is built by Go once, into the lab's cache.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { streamDecode, streamEncode } from 'dns-packet';
import { until } from '../local/machine.support.ts';
import type { Need } from './needs.ts';

const run = promisify(execFile);
const CACHE = join(process.env.CELL_CACHE ?? join(homedir(), '.cache/cell'), 'lab/bin');
const VERSION = 'v2.10.1';
const ADDRESS = '127.0.0.1';
const [ACME_PORT, MANAGEMENT_PORT, DNS_PORT] = [14_104, 15_104, 15_153];

export const PEBBLE: readonly Need[] = [
  { program: 'caddy', package: 'caddy' },
  { program: 'openssl', package: 'openssl' },
  ...(existsSync(join(CACHE, 'pebble')) ? [] : [{ program: 'go', package: 'golang-go' }]),
];

export interface Pebble {
  readonly directory: string;
  /** A PEM file with the roots of its server and of what it signs. */
  readonly roots: string;
  /** What its resolver says for every name. */
  point(addresses: readonly string[]): void;
  stop(): Promise<void>;
}

/** Builds Pebble unless it is there; gives its path. */
async function pebble(): Promise<string> {
  const path = join(CACHE, 'pebble');
  if (existsSync(path)) return path;
  mkdirSync(CACHE, { recursive: true });
  const env = { ...process.env, GOBIN: CACHE, GOFLAGS: '-mod=mod' };
  await run('go', ['install', `github.com/letsencrypt/pebble/v2/cmd/pebble@${VERSION}`], { env, timeout: 280_000 });
  return path;
}

/** @param httpPort where it looks for answers to challenges. */
export async function startPebble(httpPort: number): Promise<Pebble> {
  const program = await pebble();
  const dir = mkdtempSync(join(tmpdir(), 'cell-pebble-'));
  const at = (name: string) => join(dir, name);
  const subject = ['-subj', '/CN=pebble', '-addext', `subjectAltName=IP:${ADDRESS}`];
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', ...subject],
    ...['-keyout', at('key.pem'), '-out', at('cert.pem')],
  ]);
  const config = {
    pebble: {
      listenAddress: `${ADDRESS}:${ACME_PORT}`,
      managementListenAddress: `${ADDRESS}:${MANAGEMENT_PORT}`,
      certificate: at('cert.pem'),
      privateKey: at('key.pem'),
      httpPort,
      tlsPort: 1,
      ocspResponderURL: '',
      externalAccountBindingRequired: false,
      // Else it says when to ask again as a date half of the time, which Caddy 2.6 does not read.
      retryAfter: { authz: 0, order: 0 },
      keyAlgorithm: 'ecdsa',
      profiles: { default: { description: 'the only one', validityPeriod: 7_776_000 } },
    },
  };
  writeFileSync(at('config.json'), JSON.stringify(config));
  let addresses: readonly string[] = [];
  // By TCP, for that is how Pebble asks.
  const resolver = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (data) => {
      const query = streamDecode(data);
      const [question] = query.questions ?? [];
      const asked = question?.type === 'A' ? addresses : [];
      const answers = asked.map((to) => ({ type: 'A' as const, name: question?.name ?? '', ttl: 0, data: to }));
      const answer = { type: 'response' as const, id: query.id ?? 0, questions: query.questions ?? [], answers };
      socket.write(streamEncode(answer));
    });
  });
  await new Promise<void>((resolve) => resolver.listen(DNS_PORT, ADDRESS, resolve));
  const child = spawn(program, ['-config', at('config.json'), '-dnsserver', `${ADDRESS}:${DNS_PORT}`], {
    env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '0', PEBBLE_AUTHZREUSE: '0' },
    stdio: 'ignore',
  });
  const certificate = await run('cat', [at('cert.pem')]);
  let root = '';
  await until('Pebble answers', async () => {
    root = await get(`https://${ADDRESS}:${MANAGEMENT_PORT}/roots/0`, certificate.stdout).catch(() => '');
    return root !== '';
  });
  writeFileSync(at('roots.pem'), `${certificate.stdout}\n${root}`);
  return {
    directory: `https://${ADDRESS}:${ACME_PORT}/dir`,
    roots: at('roots.pem'),
    point(to) {
      addresses = to;
    },
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await ended;
      resolver.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function get(url: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request(url, { ca, agent: false }, (response) => {
      let text = '';
      response.on('data', (data) => {
        text += data;
      });
      response.on('end', () => resolve(text));
    })
      .on('error', reject)
      .end();
  });
}
