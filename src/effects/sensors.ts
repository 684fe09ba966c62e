/**
 * What a cell feels of one of its functions: how much it uses, what it says of itself, whether it is healthy.
 *
 * 1. usage: CPU, memory and disk of the function's processes and data
 * 2. measures: what the genome names under `pressure`, by the same names; one that cannot be read is in `missing` with
 *    its reason, so that nothing is decided on a wrong number
 * 3. health: probed no more often than `every`, remembered in between
 *
 * Smoothing and judging are decide/sense.ts.
 */
import { totalmem } from 'node:os';
import type { FunctionGene, Measure } from '../../genome/schema.ts';
import { messageOf } from '../errors.ts';
import type { Layout } from '../layout.ts';
import type { FunctionName, Health } from '../model.ts';
import { type DiskCount, diskOf } from './disk.ts';
import { firstNumber, httpGet, numberAt, type Outcome } from './probe.ts';
import {
  type CpuCount,
  cgroupOf,
  cpuBetween,
  cpuCount,
  memoryOf,
  processesOf,
  type Stat,
  uptimeMs,
} from './processes.ts';
import { type Restarts, restartsOf, restartsWhy } from './restarts.ts';
import { runCommand } from './run.ts';
import { preparedEnvironment } from './services.ts';
import { asFunction } from './users.ts';

export interface Where {
  readonly layout: Layout;
  readonly function: FunctionName;
  /** The unit that runs it. */
  readonly unit: string;
  /** Where its program listens. */
  readonly host: string;
  readonly port: number;
  readonly folder: string;
}

/** What one reading leaves for the next. Plain JSON; losing it costs one reading of CPU and one probe. */
export interface SensorMemory {
  readonly at: number;
  readonly cpu: CpuCount;
  readonly health: {
    readonly at: number;
    readonly value: Health;
    readonly why: string;
    readonly run: string;
    /** What was asked; not in what an earlier version left. */
    readonly asked?: string;
  } | null;
  readonly disk: DiskCount | null;
  readonly restarts: Restarts | null;
}

export interface Usage {
  /** Per cent of one core since the last reading. */
  readonly cpu: number | null;
  /** Bytes. */
  readonly memory: number | null;
  /** Bytes of its `data`; null unless `disk` is under `pressure`: counting files is not free. */
  readonly disk: number | null;
}

export interface Sensation {
  readonly usage: Usage;
  /** In the unit of their bounds: plain, per cent, bytes, ms or per second. */
  readonly measures: Readonly<Record<string, number>>;
  /** Why a measure is not there. */
  readonly missing: Readonly<Record<string, string>>;
  readonly health: Health;
  readonly healthWhy: string;
  /** How often it was started again of late, in words; null when it was not. */
  readonly restarted: string | null;
  readonly memory: SensorMemory;
}

/** For measures of functions without a health check, whose time-out would count. As in the genome's default. */
const TIMEOUT_MS = 2_000;

/** Two readings closer together than this say more about the clock's grain (10 ms) than about the load. */
const SHORTEST_CPU_MS = 200;

/** The processes of a unit at one moment. */
interface Body {
  readonly cgroup: string;
  readonly processes: ReadonlyMap<number, Stat>;
  readonly uptime: number;
  /** Names this run of the program: another after a restart. Empty when it does not run. */
  readonly run: string;
}

function bodyOf(where: Where): Body {
  const cgroup = cgroupOf(where.layout.cgroups, where.unit);
  const processes = processesOf(cgroup);
  const [pid, first] = processes.entries().next().value ?? [];
  return { cgroup, processes, uptime: uptimeMs(), run: first === undefined ? '' : `${pid}:${first.startedMs}` };
}

/** Reads everything of one function at once. Never throws for what a sensor does. */
export async function sense(
  gene: FunctionGene,
  where: Where & { readonly previous?: SensorMemory | undefined; readonly now: number },
): Promise<Sensation> {
  const { previous, now } = where;
  const body = bodyOf(where);
  const cpu = cpuSince(previous, body);
  const ownDisk = gene.pressure.disk;
  const counted = ownDisk !== undefined && !asks(ownDisk) ? diskOf(where.folder, gene.data, now, previous?.disk) : null;
  const memory = memoryOf(body.cgroup, body.processes);

  const names = Object.keys(gene.pressure);
  const [disk, restarts, health, ...outcomes] = await Promise.all([
    counted,
    restartsOf(where.unit, body.run, previous?.restarts ?? null, now),
    healthNow(gene, where, body, previous, now),
    ...names.map(async (name): Promise<Outcome<number>> => {
      const measure = gene.pressure[name] as Measure;
      try {
        if (asks(measure)) return await ask(measure, gene, where, body);
        if (name === 'cpu') return cpu;
        if (name === 'memory') return memory === null ? notRunning(body) : share(memory, measure, totalmem());
        if (name === 'disk') {
          const count = await counted;
          if (count === null || 'why' in count) return count ?? { why: 'not counted' };
          return share(count.bytes, measure, count.total);
        }
        return { why: 'it has neither http nor command' };
      } catch (thrown) {
        return { why: messageOf(thrown) };
      }
    }),
  ]);

  const measures: Record<string, number> = {};
  const missing: Record<string, string> = {};
  names.forEach((name, index) => {
    const outcome = outcomes[index] as Outcome<number>;
    if ('value' in outcome) measures[name] = outcome.value;
    else missing[name] = outcome.why;
  });
  const bytes = disk !== null && !('why' in disk) ? disk : null;
  return {
    usage: { cpu: 'value' in cpu ? cpu.value : null, memory, disk: bytes?.bytes ?? null },
    measures,
    missing,
    health: health.value,
    healthWhy: health.why,
    restarted: restartsWhy(restarts, now),
    memory: {
      at: now,
      cpu: cpu.count,
      health,
      disk: bytes,
      restarts,
    },
  };
}

/** Health alone, probed now. */
export async function probeHealth(gene: FunctionGene, where: Where): Promise<Health> {
  return (await healthNow(gene, where, bodyOf(where), undefined, 0)).value;
}

function asks(measure: Measure): boolean {
  return measure.http !== undefined || measure.command !== undefined;
}

function notRunning(body: Body): { readonly why: string } {
  return { why: body.run === '' ? 'it does not run' : 'the system does not say' };
}

/** Too soon after the last count, the last count stays what the next one is compared with. */
function cpuSince(previous: SensorMemory | undefined, body: Body): Outcome<number> & { readonly count: CpuCount } {
  const count = cpuCount(body.cgroup, body.processes, body.uptime);
  if (body.run === '') return { why: 'it does not run', count };
  if (previous === undefined) return { why: 'the first reading: CPU needs two', count };
  const elapsed = count.uptimeMs - previous.cpu.uptimeMs;
  // Less than before: the machine was booted in between.
  if (elapsed < 0) return { why: 'the first reading since boot: CPU needs two', count };
  if (elapsed < SHORTEST_CPU_MS) return { why: `only ${elapsed} ms since the last reading`, count: previous.cpu };
  const used = cpuBetween(previous.cpu, count);
  return used === null
    ? { why: 'the two readings cannot be compared', count }
    : { value: (100 * used) / elapsed, count };
}

/** Bytes, or per cent of the whole where the bounds are per cent. */
function share(bytes: number, measure: Measure, whole: number): Outcome<number> {
  return { value: measure.bounds[1].kind === 'percent' ? (100 * bytes) / whole : bytes };
}

async function ask(measure: Measure, gene: FunctionGene, where: Where, body: Body): Promise<Outcome<number>> {
  if (body.run === '') return { why: 'it does not run' };
  const timeoutMs = gene.health?.timeout ?? TIMEOUT_MS;
  const { kind } = measure.bounds[1];
  if (measure.http !== undefined) {
    const answer = await httpGet(where, measure.http, timeoutMs);
    if ('why' in answer) return answer;
    const { status, body: text } = answer.value;
    if (status < 200 || status > 299) return { why: `${measure.http} answered ${status}` };
    return measure.path === undefined ? firstNumber(text, kind) : numberAt(text, measure.path);
  }
  const result = await command(measure.command as string, where, timeoutMs);
  return result.why === null ? firstNumber(result.stdout, kind) : { why: result.why };
}

async function command(line: string, where: Where, timeoutMs: number) {
  const env = { ...process.env, ...(await preparedEnvironment(where.layout, where.function)) };
  const as = asFunction(where.layout, where.function);
  return runCommand(line, { cwd: where.folder, env, timeoutMs, as, reap: true });
}

async function healthNow(
  gene: FunctionGene,
  where: Where,
  body: Body,
  previous: SensorMemory | undefined,
  now: number,
): Promise<NonNullable<SensorMemory['health']>> {
  const { health } = gene;
  // A genome that asks otherwise is not answered by what was asked before it.
  const asked = `${health?.http ?? ''} ${JSON.stringify(health?.command ?? '')}`;
  const say = (value: Health, why: string) => ({ at: now, value, why, run: body.run, asked });
  if (body.run === '') return say('unhealthy', 'it does not run');
  if (health === undefined || (health.http === undefined && health.command === undefined)) {
    return say('healthy', 'its process is alive');
  }
  const last = previous?.health;
  const recent = last != null && last.run === body.run && now >= last.at && now - last.at < health.every;
  // While it starts, every reading may be the one that finds it ready.
  if (recent && last.asked === asked && last.value !== 'starting') return last;

  const why = await failureOf(health, where).catch(messageOf);
  if (why === null)
    return say('healthy', health.http === undefined ? 'its command ended well' : `${health.http} is well`);
  const first = body.processes.values().next().value as Stat;
  const wasHealthy = last?.run === body.run && (last.value === 'healthy' || last.value === 'unhealthy');
  return say(!wasHealthy && body.uptime - first.startedMs < health.within ? 'starting' : 'unhealthy', why);
}

/** Null when it is well. */
async function failureOf(health: NonNullable<FunctionGene['health']>, where: Where): Promise<string | null> {
  if (health.http !== undefined) {
    const answer = await httpGet(where, health.http, health.timeout, false);
    if ('why' in answer) return `${health.http}: ${answer.why}`;
    const { status } = answer.value;
    if (status < 200 || status > 299) return `${health.http} answered ${status}`;
  }
  return health.command === undefined ? null : (await command(health.command, where, health.timeout)).why;
}
