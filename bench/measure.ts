/**
 * What every measurement has in common: a figure beside a baseline taken in the same run, in turn with it, so that a busy
 * computer is busy for both. Medians, for one late run says nothing.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Measure {
  readonly name: string;
  readonly unit: string;
  /** Null: it could not be measured, and stderr says why. */
  readonly value: number | null;
  /** In the same unit; null where there is nothing to compare with. */
  readonly baseline: number | null;
  /** `value / baseline`. */
  readonly ratio: number | null;
  /** In words: `ratio <= 4`, `value <= 80`; `reported` where there is none. */
  readonly goal: string;
  /** Null where there is no goal, or nothing to compare with. */
  readonly ok: boolean | null;
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

export interface Ran {
  /** Wall time from the start to the end of the process, ms. */
  readonly ms: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The least that any Node does. */
export const EMPTY_NODE: Command = { file: process.execPath, args: ['-e', '0'] };

/** Runs to the end. Throws when it fails: a command that ends early is quick for the wrong reason. */
export function run({ file, args, env, cwd }: Command): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const child = spawn(file, [...args], { env: env ?? process.env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let [ms, stdout, stderr] = [0, '', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString('utf8');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString('utf8');
    });
    child.on('error', reject);
    child.on('exit', () => {
      ms = performance.now() - began;
    });
    child.on('close', (code, signal) => {
      if (code === 0) resolve({ ms, stdout, stderr });
      else
        reject(new Error(`${file} ${args.join(' ')} ended with ${code ?? signal}: ${(stderr || stdout).slice(-800)}`));
    });
  });
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] = [sorted[middle - 1], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

/** For times that fall into two heaps, between which a median jumps from run to run: a middle of the quicker heap. */
export function lowerQuartile(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 2] ?? Number.NaN;
}

/** Medians (or another middle) of two things in turn, A B B A A B …, after one of each that does not count (caches, first accesses). */
export async function inTurn(
  a: () => Promise<number> | number,
  b: () => Promise<number> | number,
  rounds: number,
  middle: (values: readonly number[]) => number = median,
): Promise<readonly [a: number, b: number]> {
  const [as, bs]: [number[], number[]] = [[], []];
  for (let round = -1; round < rounds; round++) {
    const order = round % 2 === 0 ? [a, b] : [b, a];
    for (const one of order) {
      const ms = await one();
      if (round >= 0) (one === a ? as : bs).push(ms);
    }
  }
  return [middle(as), middle(bs)];
}

/** Wall time of a command, for `inTurn`. */
export const wall = (command: Command) => async (): Promise<number> => (await run(command)).ms;

/**
 * Peak resident memory of the largest Node process of a command, MB, as each says of itself when it ends (peak.cjs). The
 * kernel's figure for finished children would be wrong: a child begins with the peak of whoever started it.
 */
export async function peakMemory(command: Command): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'cell-bench-'));
  try {
    const file = join(folder, 'peaks');
    const hook = `--require=${JSON.stringify(join(import.meta.dirname, 'peak.cjs'))}`;
    await run({ ...command, env: { ...(command.env ?? process.env), NODE_OPTIONS: hook, CELL_BENCH_PEAK: file } });
    return Math.max(...readFileSync(file, 'utf8').trim().split('\n').map(Number)) / 1024;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A goal for the ratio. */
export function ratioOf(
  name: string,
  unit: string,
  [value, baseline]: readonly [number, number],
  most: number,
): Measure {
  const ratio = value / baseline;
  return { name, unit, value, baseline, ratio, goal: `ratio <= ${most}`, ok: ratio <= most };
}

/** A goal for the figure itself. */
export function atMost(
  name: string,
  unit: string,
  value: number,
  most: number,
  baseline: number | null = null,
): Measure {
  const ratio = baseline === null ? null : value / baseline;
  return { name, unit, value, baseline, ratio, goal: `value <= ${most}`, ok: value <= most };
}

/** A figure without a goal. */
export function reported(name: string, unit: string, value: number, baseline: number | null = null): Measure {
  return {
    name,
    unit,
    value,
    baseline,
    ratio: baseline === null ? null : value / baseline,
    goal: 'reported',
    ok: null,
  };
}
