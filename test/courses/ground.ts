/**
 * What a drill's organism stands on: where its machines, its DNS and its files are, and how one looks at them from
 * outside. Here: machines that are processes on this computer. The lab has one of real machines.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../src/effects/services.ts';
import type { Cell } from '../../src/model.ts';
import type { Process } from './organism.ts';

export type Machine = Pick<Cell, 'reach' | 'birth'>;

export interface Ground {
  /** A folder of its own for the genome and the seeder's home. */
  readonly folder: string;
  /** `clouds` and `dns` of the genome. */
  places(ttlMs: number): string;
  readonly dns: { readonly address: string; readonly port: number };
  readonly httpPort: number;
  /** How many times longer than on local machines a drill waits for a thing: real ones boot, and come over SSH. */
  readonly patience: number;
  /** On top of the environment of the CLI. */
  readonly env: Readonly<Record<string, string>>;
  /** What the drill's functions share over all machines, where there is such a thing; see functions/server.js. */
  readonly meeting: { readonly aloneAt: string; readonly trace: string; readonly sick: string };
  /** Where a machine's files are, seen from here. */
  rootOf(machine: Machine): string;
  /** Whether a process of this computer belongs to the organism. */
  owns(process: Process): boolean;
  /** Ports of its network, and its DNS, on which somebody listens. */
  listening(): readonly string[];
  /** Folders that are empty when nothing of the organism is left. */
  readonly keeps: readonly string[];
  /** What is left elsewhere when all of it should be gone: records. */
  astray(): Promise<readonly string[]>;
  cutPower(machine: Machine): Promise<void>;
  remove(): Promise<void>;
}

/** @param runtime whether machines have this computer's Node, or nothing. */
export async function localGround(runtime: 'host' | 'none' = 'host'): Promise<Ground> {
  const folder = mkdtempSync(join(tmpdir(), 'cell-e2e-'));
  const tmp = join(folder, 'tmp');
  const base = `127.${90 + Math.floor(Math.random() * 10)}.${Math.floor(Math.random() * 256)}`;
  const port = await freePort('127.0.0.1');
  mkdirSync(tmp);
  return {
    folder,
    places: (ttlMs) => `clouds: { here: { provider: local, network: ${base}.0/24, runtime: ${runtime} } }
dns: { provider: local, port: ${port}, ttl: ${ttlMs}ms }`,
    dns: { address: '127.0.0.1', port },
    httpPort: 8080,
    patience: 1,
    env: { TMPDIR: tmp },
    meeting: { aloneAt: `${base}.254:7999`, trace: join(folder, 'trace'), sick: join(folder, 'sick') },
    rootOf: ({ reach }) => reach.root,
    owns: ({ line, env }) => line.includes(folder) || [...env.values()].some((value) => value.includes(folder)),
    listening: () => listeningOn(base, port),
    keeps: [tmp],
    astray: async () => [],
    async cutPower({ reach }) {
      // The machine's own process: what ran on it goes with it.
      process.kill(Number(readFileSync(join(reach.root, '../host/machine.pid'), 'utf8')), 'SIGKILL');
    },
    async remove() {
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** From /proc/net/tcp: addresses are hexadecimal, in the byte order of the computer; state 0A listens. */
function listeningOn(base: string, dnsPort: number): string[] {
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', , state] = line.trim().split(/\s+/);
      const [hex = '', port = ''] = local.split(':');
      if (state !== '0A') return [];
      const address = [...hex.matchAll(/../g)]
        .map(([byte]) => Number.parseInt(byte, 16))
        .reverse()
        .join('.');
      const number = Number.parseInt(port, 16);
      return address.startsWith(`${base}.`) || number === dnsPort ? [`${address}:${number}`] : [];
    });
}
