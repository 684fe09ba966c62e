/**
 * A small organism for drills on a ground of its own (local machines, or real ones in the lab): two functions that count
 * what they serve, `web` (moved by a division) and `api` (run in both cells).
 *
 * What is watched from outside, by the kernel's own lists: processes (/proc), ports (/proc/net/tcp), folders. `close`
 * ends all of it, whatever state a test left it in.
 */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stemsOf } from '../../src/decide/slots.ts';
import { dial } from '../../src/effects/ssh.ts';
import { CellError } from '../../src/errors.ts';
import { type Here, lineageOf, openHome } from '../../src/here.ts';
import type { Saga } from '../../src/journal.ts';
import { type Load, startLoad } from '../../src/load.ts';
import { sshArguments } from '../../src/memory/sync.ts';
import type { Cell, Lineage } from '../../src/model.ts';
import { pulsesOf } from '../../src/pulse.ts';
import { type Mitosis, readyIn, type Stem } from '../../src/saga.ts';
import { syncEverybody } from '../../src/sync.ts';
import { checkInvariants } from '../decide/invariants.ts';
import { type Ground, localGround, type Machine } from './ground.ts';

const ROOT = join(import.meta.dirname, '../..');
export const ORGANISM = 'drill';
export const MAX_CELLS = 4;
export const TTL_MS = 1_000;
const API_PORT = 7100;

export interface Ran {
  /** 128 + the signal's number for one that was killed, as a shell has it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Options {
  readonly heartbeat?: string;
  readonly suspectAfter?: string;
  /** Silence after which a cell is taken for dead. */
  readonly deadAfter?: string;
  readonly maxCells?: number;
  readonly stemCells?: number;
  /** What functions keep moves by hooks (functions/dump.js), not as files. */
  readonly dumps?: boolean;
  /** Functions like `web`, besides it. */
  readonly more?: readonly string[];
  /** MiB of data that `web` makes where it first runs, and goes on changing there. */
  readonly churn?: number;
  /** The Node that functions run on; that of their machines when left out. */
  readonly node?: string;
}

export interface Tick {
  readonly fault?: string;
  readonly now?: string;
  /** On top of the environment of its process. */
  readonly env?: Readonly<Record<string, string | number>>;
}

export interface Process {
  readonly pid: number;
  readonly line: string;
  readonly env: ReadonlyMap<string, string>;
}

export interface Organism {
  readonly ground: Ground;
  readonly home: string;
  readonly maxCells: number;
  /** A file with the name of the only cell on which functions become healthy. */
  readonly sick: string;
  /** The CLI as a user runs it. */
  cell(args: readonly string[], env?: Readonly<Record<string, string>>, killAfterMs?: number): Promise<Ran>;
  seed(fault?: string): Promise<Ran>;
  here(): Promise<Here>;
  /** The lineage with everybody's newest news. */
  lineage(): Promise<Lineage>;
  living(): Promise<readonly Cell[]>;
  /** A command line in a shell on a cell. */
  on(cell: Cell, command: string): Promise<Ran>;
  /** One tick of a cell as its cron runs it, after any that runs now. */
  tick(cell: Cell, options?: Tick): Promise<Ran>;
  /** Stops and starts a cell's own ticks. */
  pause(cell: Cell): Promise<void>;
  goOn(cell: Cell): Promise<void>;
  /** Sagas a cell has not finished. */
  sagas(cell: Cell): readonly Saga[];
  /** Stem cells it keeps ready. */
  stems(cell: Cell): readonly Stem[];
  /** Files of a function's data on a cell. */
  served(cell: Cell, name: string): readonly string[];
  load(name: string, rate: number): Load;
  until<T>(what: string, look: () => Promise<T | false> | T | false, within?: number, every?: number): Promise<T>;
  /** Everything of this organism that runs. */
  processes(): readonly Process[];
  /** Ports of its network, and its DNS, on which somebody listens. */
  listening(): readonly string[];
  /** What it keeps on this computer: its home, machines, claims of addresses, sockets. */
  files(): readonly string[];
  /** Names of machines on which a function's program runs. */
  running(name: string): readonly string[];
  /** What the functions noticed that must not be: two at once. */
  trace(): string;
  /** Ends a machine as a power cut does. */
  cutPower(one: { readonly reach: Machine['reach'] | null; readonly birth: string }): Promise<void>;
  /** Whether the key of an imprint still opens its machine. */
  opens(saga: Mitosis): Promise<boolean>;
  /** What is wrong with the organism as it is now. */
  unsound(lineage: Lineage): readonly string[];
  close(): Promise<void>;
}

export async function newOrganism(options: Options = {}, on_: () => Promise<Ground> = localGround): Promise<Organism> {
  const ground = await on_();
  const home = join(ground.folder, '.cell');
  const genomeFile = join(ground.folder, 'genome.yaml');
  cpSync(join(import.meta.dirname, 'functions'), join(ground.folder, 'functions'), { recursive: true });
  writeFileSync(genomeFile, genome(ground, options));
  const env = { ...process.env, ...ground.env, NO_COLOR: '1', CELL_HOME: home };
  const loads = new Set<Load>();
  let known: Here | null = null;

  const here = async () => (known ??= await openHome(home, () => {}));
  const lineage = async () => {
    await syncEverybody(await here());
    return lineageOf(await here());
  };
  const machine = (one: Machine, ...path: string[]) => join(ground.rootOf(one), ...path);
  const journalOf = (one: Cell): readonly Saga[] => {
    const journal = machine(one, 'var/lib/cell/journal');
    if (!existsSync(journal)) return [];
    const names = readdirSync(journal).filter((name) => name.endsWith('.json'));
    return names.flatMap((name) => {
      try {
        return [JSON.parse(readFileSync(join(journal, name), 'utf8')) as Saga];
      } catch {
        return []; // It ended just now.
      }
    });
  };
  const on = async (one: Cell, command: string) => run('ssh', ['-T', ...sshArguments(one, home), command], env);
  const processes = () => allProcesses().filter(ground.owns);
  const killAll = () => {
    for (const { pid } of processes()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended meanwhile.
      }
    }
  };
  // Also when the runner is interrupted.
  process.on('exit', killAll);
  const organism: Organism = {
    ground,
    home,
    maxCells: options.maxCells ?? MAX_CELLS,
    sick: ground.meeting.sick,
    cell: (args, more = {}, killAfterMs) =>
      run(process.execPath, [join(ROOT, 'bin/cell.js'), ...args], { ...env, ...more }, killAfterMs),
    seed: (fault) =>
      organism.cell(['seed', '--yes', '-g', genomeFile], fault === undefined ? {} : { CELL_FAULT: fault }),
    here,
    lineage,
    async living() {
      const now = Object.values((await lineage()).cells).filter((one) => one.state !== 'gone');
      return now.sort((a, b) => a.bornAt - b.bornAt);
    },
    on,
    async tick(one, { fault = '', now, env: more = {} } = {}) {
      const set = Object.entries({ ...more, CELL_FAULT: fault }).map(([name, value]) => `${name}=${value} `);
      // Not as the shell's last word, which it would become: sshd tells of a signal in another way than of a code.
      const command = `${set.join('')}"$CELL_ROOT/opt/cell/bin/cell" divide --json${now === undefined ? '' : ` --now ${now}`}; exit $?`;
      return organism.until(`a tick of ${one.name}`, async () => {
        const ran = await on(one, command);
        return ran.code === 0 && JSON.parse(ran.stdout).kind === 'busy' ? false : ran;
      });
    },
    async pause(one) {
      await on(one, 'systemctl stop cell-tick.timer');
    },
    async goOn(one) {
      await on(one, 'systemctl start cell-tick.timer');
    },
    sagas: (one) => journalOf(one).filter((saga) => readyIn(saga) === null),
    stems: (one) => journalOf(one).filter((saga): saga is Stem => readyIn(saga) !== null),
    served(one, name) {
      const file = machine(one, 'srv/cell', name, 'data/served');
      return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
    },
    load(name, rate) {
      const load = startLoad({
        domain: `${name}.${ORGANISM}.test`,
        path: '/',
        rate,
        dns: { ...ground.dns, ttlMs: TTL_MS },
        httpPort: ground.httpPort,
        random: Math.random,
      });
      loads.add(load);
      return load;
    },
    async until(what, look, within = 30_000, every = 150) {
      const patience = within * ground.patience;
      const end = Date.now() + patience;
      for (;;) {
        const found = await look();
        if (found !== false) return found;
        if (Date.now() > end) throw new Error(`not within ${patience} ms: ${what}\n${await told(organism)}`);
        await sleep(every);
      }
    },
    processes,
    listening: ground.listening,
    files: () => [home, ...ground.keeps].flatMap((path) => (existsSync(path) ? readdirSync(path).map(String) : [])),
    running(name) {
      const servers = allProcesses((line) => line.includes('server.js')).filter(ground.owns);
      const theirs = servers.filter((one) => one.env.get('CELL_FUNCTION') === name);
      return [...new Set(theirs.map((one) => one.env.get('CELL_NAME') ?? ''))];
    },
    trace: () => (existsSync(ground.meeting.trace) ? readFileSync(ground.meeting.trace, 'utf8') : ''),
    async cutPower({ reach, birth }) {
      if (reach === null) throw new Error('no machine was made');
      await ground.cutPower({ reach, birth });
    },
    async opens(saga) {
      if (saga.reach === null || saga.child === null) throw new Error('the saga has no child');
      const hostKeys = [saga.firstHostKey.publicKey, saga.child.hostKey];
      try {
        (await dial(saga.reach, { privateKey: saga.imprintKey.privateKey, hostKeys })).close();
        return true;
      } catch (error) {
        if (error instanceof CellError && error.code === 'NOT_ALLOWED') return false;
        throw error;
      }
    },
    unsound(now) {
      const cells = Object.values(now.cells).filter((one) => one.state !== 'gone');
      const budgets = cells.reduce((sum, one) => sum + one.budget + stemsOf(now, one).length, 0);
      return [
        ...checkInvariants(now),
        ...cells.flatMap((one) =>
          one.attempts.length > stemsOf(now, one).length ? [`${one.name} has an open attempt`] : [],
        ),
        ...cells.flatMap((one) => (one.weaned ? [] : [`${one.name} is not weaned`])),
        ...(budgets + cells.length === organism.maxCells ? [] : [`${budgets} of budget and ${cells.length} cells`]),
        ...Object.entries(now.quarantined).map(([id, { why }]) => `${id} is quarantined: ${why}`),
        ...Object.entries(now.waiting).map(([id, many]) => `${many} entries of ${id} wait`),
      ];
    },
    async close() {
      for (const load of loads) await load.stop();
      killAll();
      process.off('exit', killAll);
      await organism.until('its processes end', () => processes().length === 0);
      await ground.remove();
    },
  };
  return organism;
}

/** The organism in words, for a failure. */
async function told(organism: Organism): Promise<string> {
  try {
    const here = await organism.here();
    const now = await lineageOf(here);
    const pulses = pulsesOf(here);
    const cells = Object.values(now.cells).filter((one) => one.state !== 'gone');
    const lines = cells.map((one) => {
      const sagas = organism.sagas(one).map((saga) => `${saga.kind} at ${saga.step}: ${saga.lastFailure}`);
      return `${one.name} ${one.state} [${one.functions}] ${sagas.join(' ')} | ${pulses[one.id]?.why}`;
    });
    return lines.join('\n');
  } catch (error) {
    return String(error);
  }
}

function genome(
  { places, meeting }: Ground,
  {
    heartbeat,
    suspectAfter,
    deadAfter,
    maxCells,
    stemCells,
    more = [],
    node = 'node',
    dumps = false,
    churn = 0,
  }: Options,
): string {
  const hooks = dumps ? [`dump: ${node} dump.js`, `restore: ${node} restore.js`] : [];
  const common = (name: string, alone: string) => `
  ${name}:
    run: exec ${node} server.js
    source: ./functions
    domain: ${name}.${ORGANISM}.test
    health: { http: /health, every: 500ms, timeout: 2s, within: 4s }
    data: [${dumps ? '' : './data'}]
    env: { ALONE_AT: '${alone}', TRACE: '${meeting.trace}', SICK: '${meeting.sick}' }`;
  return `organism: ${ORGANISM}
zone: ${ORGANISM}.test
body: { maxCells: ${maxCells ?? MAX_CELLS}, stemCells: ${stemCells ?? 0}, heartbeat: ${heartbeat ?? '1s'} }
rhythm: { settle: 1s, hold: 2s, refractory: 1s, calm: 1h, jitter: 100ms }
healing: { suspectAfter: ${suspectAfter ?? '2s'}, deadAfter: ${deadAfter ?? '60s'}, aloneAfter: 5m }
${places(TTL_MS)}
functions:${common('web', meeting.aloneAt).replace(/ }$/, `, CHURN: '${churn}' }`)}
    divide: delegate
    handover: { ${hooks.join(', ')} }
${more
  .map(
    (name) => `${common(name, '')}
    divide: delegate
`,
  )
  .join('')}${common('api', '')}
    port: ${API_PORT}
    divide: replicate
    handover: { ${[...hooks, `merge: ${node} merge.js`].join(', ')} }
`;
}

/** Runs a program to its end; never throws for how it ended. */
export function run(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  killAfterMs?: number,
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => (stdout += String(chunk)));
    child.stderr.on('data', (chunk) => (stderr += String(chunk)));
    const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? (signal === 'SIGKILL' ? 137 : 255), stdout, stderr });
    });
  });
}

/** Those whose command line is such; this is asked all the time, and an environment costs more to read. */
function allProcesses(such: (line: string) => boolean = () => true): Process[] {
  const found: Process[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
      if (!such(line)) continue;
      const env = new Map(
        readFileSync(`/proc/${name}/environ`, 'utf8')
          .split('\0')
          .map((set) => [set.slice(0, set.indexOf('=')), set.slice(set.indexOf('=') + 1)] as const),
      );
      found.push({ pid: Number(name), line, env });
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}
