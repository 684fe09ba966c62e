/** An organism for measurements: the small drill with two functions, on a network, a DNS port and in a folder of its own. */

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Here, lineageOf, openHome } from '../src/here.ts';
import type { Cell } from '../src/model.ts';
import { syncEverybody } from '../src/sync.ts';

export const ROOT = join(import.meta.dirname, '..');

export interface Garden {
  readonly home: string;
  readonly dnsPort: number;
  readonly here: Here;
  readonly first: Cell;
  cell(...args: readonly string[]): string;
  close(): void;
}

const GENOME = (network: string, dnsPort: number, heartbeat: string) => `organism: bench
zone: bench.test
body: { maxCells: 3, heartbeat: ${heartbeat} }
healing: { suspectAfter: 40m, deadAfter: 50m, aloneAfter: 60m }
rhythm: { settle: 1s, hold: 1s, refractory: 1s, calm: 1h, jitter: 0s }
clouds: { here: { provider: local, network: ${network} } }
dns: { provider: local, port: ${dnsPort}, ttl: 1s }
functions:
  web:
    run: node server.js
    source: ./functions
    domain: www.bench.test
    health: { http: /health }
    data: [./data]
    divide: delegate
    pressure: { requests: { http: /metrics, path: $.rps, bounds: [1, 10000] } }
  api:
    run: node server.js
    source: ./functions
    port: 7100
    health: { http: /health }
`;

const SERVER = `import { createServer } from 'node:http';
let count = 0;
const server = createServer((request, response) => {
  count += 1;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ rps: 5, count }));
});
server.listen(Number(process.env.PORT), process.env.HOST);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`;

/** Seeds it with the CLI. A heartbeat of minutes keeps its own ticks out of what is measured. */
export async function plant(heartbeat = '30m'): Promise<Garden> {
  const folder = mkdtempSync(join(tmpdir(), 'cell-bench-'));
  const home = join(folder, '.cell');
  const dnsPort = await freePort();
  cpSync(join(ROOT, 'genome/genome.schema.json'), join(folder, 'genome.schema.json'));
  const network = `127.${120 + Math.floor(Math.random() * 7)}.${Math.floor(Math.random() * 256)}.0/24`;
  writeFileSync(join(folder, 'genome.yaml'), GENOME(network, dnsPort, heartbeat));
  const functions = join(folder, 'functions');
  cpSync(join(ROOT, 'genome/examples/small/functions/package.json'), join(functions, 'package.json'));
  writeFileSync(join(functions, 'server.js'), SERVER);
  const cell = (...args: readonly string[]): string => {
    const ran = spawnSync(process.execPath, [join(ROOT, 'bin/cell.js'), ...args], { cwd: folder, encoding: 'utf8' });
    if (ran.status !== 0) throw new Error(`cell ${args.join(' ')}: ${ran.stdout}${ran.stderr}`);
    return ran.stdout;
  };
  cell('seed', '--yes');
  const here = await openHome(home, () => {});
  await syncEverybody(here);
  const [first] = Object.values((await lineageOf(here)).cells);
  if (first === undefined) throw new Error('seeded, and no cell');
  return {
    home,
    dnsPort,
    here,
    first,
    cell,
    close() {
      cell('destroy', '--yes');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The environment of a process on the cell's machine. */
export function machineEnv({ first }: Garden): NodeJS.ProcessEnv {
  const { root } = first.reach;
  return {
    ...process.env,
    CELL_ROOT: root,
    CELL_HOME: join(root, 'var/lib/cell'),
    PATH: `${join(root, 'usr/local/bin')}:${process.env.PATH}`,
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
