/** Measurements on a living organism: ticks, syncs, a division phase by phase, requests while a function moves. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemRandom } from '../src/here.ts';
import { startLoad } from '../src/load.ts';
import { sshArguments } from '../src/memory/sync.ts';
import { type Garden, machineEnv, plant, ROOT } from './garden.ts';
import { atMost, type Command, inTurn, type Measure, peakMemory, ratioOf } from './measure.ts';

const NOTHING: Command = { file: process.execPath, args: ['-e', '0'] };
const ROUNDS = 15;

export async function measureOrganism(): Promise<readonly Measure[]> {
  const garden = await plant();
  try {
    return [
      ...(await idleTick(garden)),
      ...(await commands(garden)),
      await session(garden),
      resident(garden),
      ...(await division(garden)),
    ];
  } finally {
    garden.close();
  }
}

/** One cell, so the tick has nobody to sync with: apart from its sync session. */
async function idleTick(garden: Garden): Promise<readonly Measure[]> {
  const env = machineEnv(garden);
  const cell = readFileSync(join(garden.first.reach.root, 'opt/cell/bin/cell'), 'utf8');
  const script = /store\/[0-9a-f]{64}\/bin\/cell\.js/.exec(cell)?.[0];
  const file = join(garden.first.reach.root, 'opt/cell', script ?? '');
  const tick: Command = { file: process.execPath, args: [file, 'divide'], env };
  const { a, b } = await inTurn(tick, NOTHING, ROUNDS);
  return [ratioOf('idle tick', 'ms', a, b, 4), atMost('idle tick, peak memory', 'MB', peakMemory(tick), 80)];
}

async function commands(garden: Garden): Promise<readonly Measure[]> {
  const cli = join(ROOT, 'bin/cell.js');
  const help = await inTurn({ file: process.execPath, args: [cli, '--help'] }, NOTHING, ROUNDS);
  const env = machineEnv(garden);
  const status = await inTurn({ file: process.execPath, args: [cli, 'status'], env }, NOTHING, ROUNDS);
  return [
    ratioOf('cell --help', 'ms', help.a, help.b, 5),
    ratioOf('cell status on a cell', 'ms', status.a, status.b, 5),
  ];
}

/** The laptop's key opens a shell there, so both ask for a command by the same options: `sync --serve`, or `true`. */
async function session(garden: Garden): Promise<Measure> {
  const { first, home, here } = garden;
  const { syncWith } = await import('../src/memory/sync.ts');
  const bare: Command = { file: 'ssh', args: ['-T', ...sshArguments(first, home), 'true'] };
  const peer = { id: first.id, reach: first.reach, hostKey: first.hostKey };
  const sync = async () => {
    const began = performance.now();
    await syncWith(peer, { home, identity: here.identity });
    return performance.now() - began;
  };
  const { median, timed } = await import('./measure.ts');
  await sync();
  await timed(bare);
  const [syncs, bares]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    syncs.push(await sync());
    bares.push(await timed(bare));
  }
  return ratioOf('sync session, nothing new, against ssh host true', 'ms', median(syncs), median(bares), 1.5);
}

/** Processes on the machine that are neither the machine itself (it stands for the system) nor a function. */
function resident({ first }: Garden): Measure {
  const { root } = first.reach;
  const ours = readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const env = readFileSync(`/proc/${pid}/environ`, 'utf8');
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return env.includes(`CELL_ROOT=${root}\0`) && line.includes('opt/cell/store') && !env.includes('CELL_FUNCTION=');
    } catch {
      return false;
    }
  });
  return atMost('resident between ticks', 'processes', ours.length, 0);
}

/** `web` is delegated under a steady load; the phases are the saga's own figures, without waits. */
async function division(garden: Garden): Promise<readonly Measure[]> {
  const { first, dnsPort } = garden;
  const load = startLoad({
    domain: 'www.bench.test',
    path: '/',
    rate: 200,
    dns: { address: '127.0.0.1', port: dnsPort, ttlMs: 1_000 },
    httpPort: first.reach.httpPort,
    random: systemRandom,
  });
  const tick = '$CELL_ROOT/opt/cell/bin/cell divide';
  garden.cell('ssh', first.name, '--', `${tick} --now web`);
  const file = join(first.reach.root, 'var/lib/cell/last-division.json');
  for (let tries = 0; tries < 30; tries++) {
    await sleep(1_000);
    garden.cell('ssh', first.name, '--', tick);
    if (readdirSync(join(first.reach.root, 'var/lib/cell')).includes('last-division.json')) break;
  }
  const report = await load.stop();
  const { phases, figures } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Record<string, number>>;
  const steps = Object.entries(phases ?? {});
  const sum = steps.reduce((total, [, ms]) => total + ms, 0);
  return [
    ...steps.map(([name, ms]) => ({
      ...atMost(`division: ${name}`, 'ms', ms, Number.POSITIVE_INFINITY),
      goal: 'reported',
      ok: null,
    })),
    atMost('division: sum of own phases', 'ms', sum, 5_000),
    {
      ...atMost(
        'division: pause of the function',
        'ms',
        figures?.['pauseMs:web'] ?? Number.NaN,
        Number.POSITIVE_INFINITY,
      ),
      goal: 'reported',
      ok: null,
    },
    atMost(`requests failed of ${report.sent} while a function moved, at 200/s`, 'requests', report.failed, 0),
  ];
}
