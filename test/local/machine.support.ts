/**
 * Machines for tests: each in a folder and a loopback network of its own, everything gone at the end.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import ssh2 from 'ssh2';
import { shellQuote } from '../../src/effects/quote.ts';
import type { Inputs, Live } from '../../stacks/handler.ts';
import { machineHandler, removeMachine } from '../../stacks/machines/local.handler.ts';

export interface Yard {
  readonly dir: string;
  readonly credential: { readonly dir: string; readonly node: string };
  readonly network: string;
  readonly hostKey: { readonly private: string; readonly public: string };
  readonly clientKey: { readonly private: string; readonly public: string };
  inputs(birth: string, more?: Inputs): Inputs;
  make(birth: string, more?: Inputs): Promise<TestMachine>;
  close(): Promise<void>;
}

export interface TestMachine {
  readonly live: Live;
  readonly id: string;
  readonly address: string;
  readonly root: string;
  readonly folder: string;
  readonly marker: string;
  /** How a shell would call the system's ssh. */
  sshLine(command: string): string;
  /** By the system's ssh. */
  ssh(command: string, options?: SshOptions): Promise<Result>;
}

export interface SshOptions {
  readonly input?: string | Buffer;
  readonly args?: readonly string[];
  readonly key?: string;
}

export interface Result {
  readonly code: number;
  readonly out: Buffer;
  readonly err: string;
}

function keyPair() {
  const { private: secret, public: open } = ssh2.utils.generateKeyPairSync('ed25519');
  return { private: secret, public: open.trim() };
}

/** `network` must be the test file's own. */
export function openYard(network: string): Yard {
  const dir = mkdtempSync(join(tmpdir(), 'cell-yard-'));
  const credential = { dir: join(dir, 'machines'), node: process.execPath };
  const [hostKey, clientKey] = [keyPair(), keyPair()];
  writeFileSync(join(dir, 'id'), clientKey.private, { mode: 0o600 });
  const ids = new Set<string>();
  const inputs = (birth: string, more: Inputs = {}): Inputs => ({
    organism: 'yard',
    birth,
    parent: 'seed',
    cloud: 'near',
    network,
    sshPort: 2222,
    httpPort: 8080,
    runtime: 'host',
    imprintKey: clientKey.public,
    hostKey: hostKey.private,
    ...more,
  });
  return {
    dir,
    credential,
    network,
    hostKey,
    clientKey,
    inputs,
    async make(birth, more) {
      ids.add(`yard-${birth}`);
      const live = await machineHandler.create(inputs(birth, more), { credential });
      const { address, root, sshPort } = live.outputs as { address: string; root: string; sshPort: number };
      const folder = join(credential.dir, live.id);
      const known = join(dir, `known-${birth}`);
      writeFileSync(known, `[${address}]:${sshPort} ${hostKey.public}\n`);
      const args = (options: SshOptions) => [
        ...['-F', 'none', '-i', options.key ?? join(dir, 'id'), '-p', String(sshPort), '-o', 'BatchMode=yes'],
        ...['-o', `UserKnownHostsFile=${known}`, '-o', 'StrictHostKeyChecking=yes', '-o', 'IdentitiesOnly=yes'],
        ...(options.args ?? []),
        `root@${address}`,
      ];
      return {
        live,
        id: live.id,
        address,
        root,
        folder,
        marker: JSON.parse(readFileSync(join(folder, 'machine.json'), 'utf8')).marker,
        sshLine: (command) => ['ssh', ...args({}), command].map(shellQuote).join(' '),
        ssh: (command, options = {}) =>
          run('ssh', [...args(options), ...(command === '' ? [] : [command])], options.input),
      };
    },
    async close() {
      for (const id of ids) await removeMachine(id, credential);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export function run(program: string, args: readonly string[], input: string | Buffer = ''): Promise<Result> {
  return new Promise((resolve) => {
    const child = execFile(
      program,
      args,
      { encoding: 'buffer', maxBuffer: 1 << 29, timeout: 60_000 },
      (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 255), out, err: err.toString() });
      },
    );
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

/** Waits until the condition holds; throws after `within` ms. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, within = 50_000): Promise<void> {
  const end = Date.now() + within;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not within ${within} ms: ${what}`);
    await sleep(20);
  }
}

/** An HTTP server on a free port (or a given one) of an address. */
export async function serve(
  address: string,
  answer: Parameters<typeof createServer>[1],
  port = 0,
): Promise<{ server: Server; port: number; stop(): Promise<void> }> {
  const server = createServer(answer as never);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
  return {
    server,
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}
