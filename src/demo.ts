/**
 * `cell demo`: the whole story on this computer, with the crawler that comes as an example.
 *
 *   seed     one cell performs everything
 *   load     a client that knows a domain name only asks more than one cell can bear: throttle, divide, divide again
 *   heal     one cell is killed like a machine; its parent notices, fences, and goes on
 *   calm     the load goes; the children hand back what they have and go
 *   destroy  everything is taken apart, and that nothing is left is looked at
 */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readGenome } from '../genome/read.ts';
import type { Genome } from '../genome/schema.ts';
import { destroyedText, destroyOrganism } from './destroy.ts';
import { freePort } from './effects/services.ts';
import { CellError } from './errors.ts';
import { genomeOf, type Here, lineageOf, openHome, systemRandom } from './here.ts';
import { type Load, type LoadReport, startLoad } from './load.ts';
import { narrate } from './narrate.ts';
import { powerOff } from './power.ts';
import { packageRoot } from './programs.ts';
import { pulsesOf } from './pulse.ts';
import { seed } from './seed.ts';
import { type Status, statusOf } from './status.ts';
import { syncEverybody } from './sync.ts';

export interface DemoOptions {
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
  /** Requests a second at the height of the load. */
  readonly rate: number;
  readonly kill: boolean;
}

export interface DemoReport {
  readonly cellsAtMost: number;
  readonly planned: LoadReport;
  readonly seconds: number;
}

const PATIENCE_MS = 180_000;

export async function demo(options: DemoOptions): Promise<DemoReport> {
  const { say, signal } = options;
  const began = Date.now();
  const folder = await mkdtemp(join(tmpdir(), 'cell-demo-'));
  const home = join(folder, '.cell');
  let load: Load | null = null;
  let watch: Watch | null = null;
  try {
    const { genome, file } = await prepare(folder);
    say('A genome: one file. Six small programs, one machine, and at most three cells.');
    const first = await seed({
      home,
      genomeFile: file,
      genome,
      log: () => {},
      onStep: (_, step, ms) => ms !== null && say(`  ${step} (${ms} ms)`),
    });
    say(`Seeded: ${first.name} at ${first.reach.address} performs everything. From here on nobody is in charge.`);

    const here = await openHome(home, () => {});
    watch = watchOver(here, say, signal);
    load = startLoad({ ...client(genome), rate: options.rate, random: systemRandom });
    say(`Load: ${options.rate} requests a second, from a client that knows only ${client(genome).domain}.`);
    await watch.until(
      `${genome.body.maxCells} cells`,
      (status) => status.cells.length === genome.body.maxCells && settled(status),
    );
    const planned = load.report();
    say(`Grown: ${planned.sent} requests so far, ${planned.failed} failed.`);

    let lost = { sent: 0, failed: 0 };
    if (options.kill) {
      const victim = (watch.last?.cells ?? []).at(-1);
      if (victim !== undefined) {
        say(`Now ${victim.name} is killed, like a machine whose power fails.`);
        await powerOff(here, victim.id);
        await watch.until('the dead cell fenced', (status) => !status.cells.some((cell) => cell.id === victim.id));
        const after = load.report();
        lost = { sent: after.sent - planned.sent, failed: after.failed - planned.failed };
        say(`Healed: ${lost.failed} of ${lost.sent} requests failed until its records were gone.`);
      }
    }
    say('The load goes.');
    load.rate(1);
    await watch.until('one cell', (status) => status.cells.length === 1);
    const all = await load.stop();
    load = null;
    const report = { ...all, failed: all.failed - lost.failed, sent: all.sent - lost.sent };
    say(`Back to one cell. ${report.sent} requests during planned moves, ${report.failed} failed.`);
    await watch.stop();
    const gone = await destroyOrganism(here);
    say(`Taken apart: ${destroyedText(gone)}; the sweep finds nothing left.`);
    if (report.failed > 0) {
      throw new CellError('UNHEALTHY', `${report.failed} requests failed during planned moves`, {
        why: report.failures.join('\n'),
      });
    }
    return { cellsAtMost: watch.most, planned: report, seconds: Math.round((Date.now() - began) / 1000) };
  } catch (error) {
    await load?.stop();
    await watch?.stop();
    say('Something went wrong, or you stopped it: taking everything apart.');
    await openHome(home, () => {}).then(destroyOrganism, () => {});
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The example's demo genome in a folder of its own, on ports that are free now. */
async function prepare(folder: string): Promise<{ genome: Genome; file: string }> {
  const example = join(packageRoot(), 'genome', 'examples', 'crawler');
  await cp(example, folder, { recursive: true });
  const text = await readFile(join(example, 'genome.demo.yaml'), 'utf8');
  const file = join(folder, 'genome.yaml');
  await writeFile(file, text.replace(/^( *port: )5381$/m, `$1${await freePort('127.0.0.1')}`));
  return { genome: (await readGenome(file)).genome, file };
}

function client(genome: Genome) {
  const [cloud] = Object.values(genome.clouds);
  const { dns } = genome;
  if (cloud?.provider !== 'local' || dns.provider !== 'local')
    throw new Error('the demonstration lives on this computer');
  return {
    domain: genome.functions.api?.domain ?? genome.zone,
    path: '/search?q=cell',
    dns: { address: '127.0.0.1', port: dns.port, ttlMs: dns.ttl },
    httpPort: cloud.httpPort,
  };
}

function settled(status: Status): boolean {
  return status.cells.every((cell) => cell.state === 'living' && cell.functions.length > 0);
}

export interface Watch {
  readonly last: Status | null;
  readonly most: number;
  until(what: string, holds: (status: Status) => boolean): Promise<void>;
  stop(): Promise<void>;
}

/** Looks at the organism each second, as its seeder, and tells what changed. */
function watchOver(here: Here, say: (line: string) => void, signal: AbortSignal): Watch {
  const began = Date.now();
  let last: Status | null = null;
  let most = 0;
  let on = true;
  const looking = (async () => {
    while (on) {
      await syncEverybody(here).catch(() => {});
      const [lineage, genome] = [await lineageOf(here), await genomeOf(here)];
      const pulses = pulsesOf(here);
      const status = statusOf({ lineage, genome, pulses, self: here.identity.id, now: Date.now() });
      for (const line of narrate(last, status))
        say(`  ${((Date.now() - began) / 1000).toFixed(0).padStart(3)} s  ${line}`);
      last = status;
      most = Math.max(most, status.cells.length);
      await sleep(700);
    }
  })();
  return {
    get last() {
      return last;
    },
    get most() {
      return most;
    },
    async until(what, holds) {
      const deadline = Date.now() + PATIENCE_MS;
      while (last === null || !holds(last)) {
        if (signal.aborted)
          throw new CellError('INTERRUPTED', 'Stopped', { suggestion: 'Run it again whenever you like.' });
        if (Date.now() > deadline) {
          throw new CellError('TIMEOUT', `${what}: not within ${PATIENCE_MS / 1000} s`, {
            why: last?.cells.map((cell) => `${cell.name}: ${cell.why}`).join('\n') ?? 'nothing was heard',
          });
        }
        await sleep(100);
      }
    },
    async stop() {
      on = false;
      await looking;
    },
  };
}
