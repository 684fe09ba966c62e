/**
 * What the processes of a unit use, read from cgroup v2 where the kernel keeps count for the unit, else summed up over
 * /proc. Synchronous on purpose: these files never touch a disk, and a promise costs more than the read.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Linux counts in hundredths of a second towards user space on every architecture (USER_HZ). */
const TICK_MS = 10;

function text(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

export interface Stat {
  readonly ppid: number;
  readonly state: string;
  /** User and system time so far, ms. */
  readonly cpuMs: number;
  /** When it began, ms since boot: with the pid, its identity. */
  readonly startedMs: number;
}

/** /proc/PID/stat; pure. The name in it may hold anything, also blanks and brackets: fields count from the last `)`. */
export function parseStat(line: string): Stat | null {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const at = (field: number) => Number(fields[field - 3]);
  const stat = { ppid: at(4), state: fields[0] ?? '', cpuMs: (at(14) + at(15)) * TICK_MS, startedMs: at(22) * TICK_MS };
  return Number.isFinite(stat.ppid + stat.cpuMs + stat.startedMs) && line.includes(')') ? stat : null;
}

function statOf(pid: number): Stat | null {
  const line = text(`/proc/${pid}/stat`);
  return line === null ? null : parseStat(line);
}

function childrenOf(pid: number): number[] {
  const out: number[] = [];
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      for (const child of (text(`/proc/${pid}/task/${thread}/children`) ?? '').split(' ')) {
        if (child !== '') out.push(Number(child));
      }
    }
  } catch {
    // It ended meanwhile.
  }
  return out;
}

/** The folder of a unit's counts: the first of the places where it is; the first of all when it is in none. */
export function cgroupOf(places: readonly [string, ...string[]], unit: string): string {
  const folders = places.map((place) => join(place, unit));
  return folders.find((folder) => existsSync(folder)) ?? join(places[0], unit);
}

/** The living processes of a unit and their descendants, by pid. Empty when it does not run. */
export function processesOf(cgroup: string): Map<number, Stat> {
  const found = new Map<number, Stat>();
  const queue = (text(join(cgroup, 'cgroup.procs')) ?? '')
    .split('\n')
    .filter((line) => /^\d+$/.test(line))
    .map(Number);
  for (const pid of queue) {
    if (found.has(pid)) continue;
    const stat = statOf(pid);
    if (stat === null || stat.state === 'Z' || stat.state === 'X') continue;
    found.set(pid, stat);
    queue.push(...childrenOf(pid));
  }
  return found;
}

/** CPU time used so far. `total` when the kernel counts for the unit; else by process, `PID:START`. */
export type CpuCount = { readonly uptimeMs: number } & (
  | { readonly totalMs: number }
  | { readonly byProcess: Readonly<Record<string, number>> }
);

export function cpuCount(cgroup: string, processes: ReadonlyMap<number, Stat>, uptimeMs: number): CpuCount {
  const usec = /^usage_usec (\d+)$/m.exec(text(join(cgroup, 'cpu.stat')) ?? '')?.[1];
  if (usec !== undefined) return { totalMs: Number(usec) / 1000, uptimeMs };
  const byProcess: Record<string, number> = {};
  for (const [pid, stat] of processes) byProcess[`${pid}:${stat.startedMs}`] = stat.cpuMs;
  return { byProcess, uptimeMs };
}

/**
 * CPU time used from one count to the next, ms, or null when they cannot be compared; pure. Never negative: what
 * ended in between is left out, and a process that began in between counts in full.
 */
export function cpuBetween(before: CpuCount, after: CpuCount): number | null {
  if ('totalMs' in before && 'totalMs' in after) {
    return after.totalMs >= before.totalMs ? after.totalMs - before.totalMs : null;
  }
  if ('totalMs' in before || 'totalMs' in after) return null;
  let sum = 0;
  for (const [key, ms] of Object.entries(after.byProcess)) {
    const was = before.byProcess[key];
    const startedMs = Number(key.split(':')[1]);
    if (was !== undefined) sum += Math.max(0, ms - was);
    // One tick of tolerance: both are rounded.
    else if (startedMs >= before.uptimeMs - TICK_MS) sum += ms;
  }
  return sum;
}

/** Bytes of memory in use: of the unit without cache that can be dropped, or the resident sets of its processes. */
export function memoryOf(cgroup: string, processes: ReadonlyMap<number, Stat>): number | null {
  const current = Number(text(join(cgroup, 'memory.current')) ?? Number.NaN);
  if (Number.isFinite(current)) {
    const droppable = Number(/^inactive_file (\d+)$/m.exec(text(join(cgroup, 'memory.stat')) ?? '')?.[1] ?? 0);
    return Math.max(0, current - droppable);
  }
  let sum = 0;
  let counted = false;
  for (const pid of processes.keys()) {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(text(`/proc/${pid}/status`) ?? '')?.[1];
    if (kib === undefined) continue;
    sum += Number(kib) * 1024;
    counted = true;
  }
  return counted ? sum : null;
}

/** ms since boot, on the clock that processes' starts are told in. */
export function uptimeMs(): number {
  return Math.round(Number((text('/proc/uptime') ?? '0').split(' ')[0]) * 1000);
}
