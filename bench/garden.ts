/**
 * An organism for measurements: three functions in one cell, in a folder and on a network and a DNS port of its own. Its
 * heartbeat is half an hour, so that no tick runs but those that are measured.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { freePort } from '../src/effects/services.ts';
import { type Here, lineageOf, openHome } from '../src/here.ts';
import { layout } from '../src/layout.ts';
import type { Cell } from '../src/model.ts';
import { syncEverybody } from '../src/sync.ts';
import { type Command, run } from './measure.ts';

const ROOT = join(import.meta.dirname, '..');
/** The CLI as a user starts it. */
export const CLI = join(ROOT, 'bin/cell.js');
export const TTL_MS = 1_000;

export interface Garden {
  /** The laptop's side. */
  readonly here: Here;
  readonly dnsPort: number;
  readonly first: Cell;
  /** `cell …` on the first cell, as its service runs it. */
  onFirst(...args: readonly string[]): Command;
  /** `cell …` on the laptop; gives stdout. */
  cell(...args: readonly string[]): Promise<string>;
  /** Destroyed, and nothing left behind, whatever a measurement did. */
  close(): Promise<void>;
}

const GENOME = (network: string, dnsPort: number) => `organism: bench
zone: bench.test
body: { maxCells: 6, heartbeat: 30m }
healing: { suspectAfter: 40m, deadAfter: 50m, aloneAfter: 60m }
rhythm: { settle: 1s, hold: 1s, refractory: 1s, calm: 1h, jitter: 0s }
clouds: { here: { provider: local, network: ${network} } }
dns: { provider: local, port: ${dnsPort}, ttl: ${TTL_MS}ms }
functions:
${['web', 'api', 'box'].map(GENE).join('')}`;

const GENE = (name: string) => `  ${name}:
    run: node server.js
    source: ./functions
    domain: ${name}.bench.test
    health: { http: /health }
    data: [./data]
    divide: delegate
    pressure: { requests: { http: /metrics, path: $.rps, bounds: [1, 10000] } }
`;

/** Ends as servers do: no new connections, and those that are open are finished. */
const SERVER = `import { createServer } from 'node:http';
const server = createServer((request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ rps: 5 }));
});
server.listen(Number(process.env.PORT), process.env.HOST);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`;

/** Seeds it with the CLI. */
export async function plant(): Promise<Garden> {
  const folder = mkdtempSync(join(tmpdir(), 'cell-bench-'));
  const home = join(folder, '.cell');
  const cell = async (...args: readonly string[]) =>
    (await run({ file: process.execPath, args: [CLI, ...args], cwd: folder })).stdout;
  const close = async () => {
    try {
      if (existsSync(home)) await cell('destroy', '--yes');
    } finally {
      // Only when the line before it failed is there anything to end.
      for (const pid of processesOf(folder)) end(pid);
      rmSync(folder, { recursive: true, force: true });
    }
  };
  try {
    const dnsPort = await freePort('127.0.0.1');
    const octet = (from: number, many: number) => from + Math.floor(Math.random() * many);
    const functions = join(folder, 'functions');
    cpSync(join(ROOT, 'genome/examples/small/functions/package.json'), join(functions, 'package.json'));
    writeFileSync(join(functions, 'server.js'), SERVER);
    writeFileSync(join(folder, 'genome.yaml'), GENOME(`127.${octet(120, 7)}.${octet(0, 256)}.0/24`, dnsPort));
    await cell('seed', '--yes');
    const here = await openHome(home, () => {});
    await syncEverybody(here);
    const [first] = Object.values((await lineageOf(here)).cells);
    if (first === undefined) throw new Error('seeded, and no cell');
    const env = environmentOn(first);
    const onFirst = (...args: readonly string[]): Command => ({ file: layout(first.reach.root).cell, args, env });
    return { here, dnsPort, first, onFirst, cell, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** As on the cell's machine, with the Node that is measured against. */
function environmentOn({ reach: { root } }: Cell): NodeJS.ProcessEnv {
  const path = [join(root, 'usr/local/bin'), dirname(process.execPath), process.env.PATH].join(delimiter);
  return { ...process.env, CELL_ROOT: root, CELL_HOME: join(root, 'var/lib/cell'), PATH: path };
}

/** Processes that were started below a folder. */
function processesOf(folder: string): readonly number[] {
  const pids = existsSync('/proc') ? readdirSync('/proc').filter((name) => /^\d+$/.test(name)) : [];
  return pids.map(Number).filter((pid) => {
    try {
      const told = ['cmdline', 'environ'].map((file) => readFileSync(`/proc/${pid}/${file}`, 'utf8')).join('\0');
      return pid !== process.pid && told.includes(`${folder}/`);
    } catch {
      return false; // it ended meanwhile
    }
  });
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended meanwhile.
  }
}
