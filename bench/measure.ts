/**
 * What every measurement has in common: a figure beside a baseline taken in the same run, interleaved, so that a noisy
 * machine is noisy for both. Medians; the goal is a property of the ratio or of the value.
 */
import { spawn, spawnSync } from 'node:child_process';

export interface Measure {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly baseline: number | null;
  readonly ratio: number | null;
  /** In words: `ratio <= 4`. */
  readonly goal: string;
  readonly ok: boolean | null;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] = [sorted[middle - 1], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** Wall time of one run, ms. Throws when it fails: a command that ends early is quick for the wrong reason. */
export function timed({ file, args, env, cwd }: Command): Promise<number> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const child = spawn(file, [...args], { env: env ?? process.env, cwd, stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString('utf8');
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(performance.now() - began);
      else reject(new Error(`${file} ${args.join(' ')} ended with ${code}: ${stderr.slice(-500)}`));
    });
  });
}

/** Two commands in turn, A B A B …, after one run of each that is not counted. */
export async function inTurn(
  a: Command,
  b: Command,
  rounds: number,
): Promise<{ readonly a: number; readonly b: number }> {
  await timed(a);
  await timed(b);
  const [as, bs]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    as.push(await timed(a));
    bs.push(await timed(b));
  }
  return { a: median(as), b: median(bs) };
}

/** Peak resident memory of one run, MB, as the system counts it for a finished child (rusage, by way of Python). */
export function peakMemory({ file, args, env, cwd }: Command): number {
  const python = `import resource,subprocess,sys
code=subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL,stderr=subprocess.DEVNULL).returncode
print(code,resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)`;
  const ran = spawnSync('python3', ['-c', python, file, ...args], { env: env ?? process.env, cwd, encoding: 'utf8' });
  const [code, kilobytes] = ran.stdout.trim().split(' ').map(Number);
  if (code !== 0 || kilobytes === undefined) throw new Error(`${file} ended with ${code}: its memory says nothing`);
  return kilobytes / 1024;
}

export function ratioOf(name: string, unit: string, value: number, baseline: number, goal: number): Measure {
  const ratio = value / baseline;
  return { name, unit, value, baseline, ratio, goal: `ratio <= ${goal}`, ok: ratio <= goal };
}

export function atMost(
  name: string,
  unit: string,
  value: number,
  goal: number,
  baseline: number | null = null,
): Measure {
  const ratio = baseline === null ? null : value / baseline;
  return { name, unit, value, baseline, ratio, goal: `value <= ${goal}`, ok: value <= goal };
}
