/** What a run is made of, all of it from the seed: the genome, the load over time, the faults. */
import { type Genome, genomeSchema } from '../../genome/schema.ts';
import type { FunctionName } from '../../src/model.ts';
import { between, streams } from './random.ts';

const MINUTE = 60_000;

export interface Faults {
  /** Chances, 0 to 1. */
  readonly lostSession: number;
  readonly failedBirth: number;
  /** Before each effect of a tick: it ends there, with nothing after it done or written down. */
  readonly crash: number;
  /** ms. */
  readonly latency: number;
  readonly slowBirth: number;
  /** How many cells die, how often the network is cut, how often all is frozen, while the load moves. */
  readonly deaths: number;
  readonly cuts: number;
  readonly freezes: number;
  /** How far each clock may be off, ms. */
  readonly skew: number;
}

export interface Scenario {
  readonly seed: number;
  readonly genome: Genome;
  /** `maxCells` that it is born with, and when (ms after the start) cells begin to take that of the genome in. */
  readonly born: { readonly maxCells: number; readonly until: number };
  readonly faults: Faults;
  /** Load of a function, so many ms after the start; one cell can carry 100. */
  readonly load: (name: FunctionName, elapsed: number) => number;
  /** Ends of the three parts, ms after the start: moving load with faults, steady load, no load. */
  readonly moving: number;
  readonly steady: number;
  readonly quiet: number;
}

export const START = Date.UTC(2030, 0, 1);
export const PERFECT: Faults = {
  lostSession: 0,
  failedBirth: 0,
  crash: 0,
  latency: 0,
  slowBirth: 0,
  deaths: 0,
  cuts: 0,
  freezes: 0,
  skew: 0,
};

export interface Options {
  readonly maxCells?: number;
  readonly faults?: Faults;
  readonly stemCells?: number;
  /** Born with fewer, and raised while the load moves; left out: by chance. */
  readonly raised?: boolean;
  /** One replicated function with enough load for nearly all cells, beside the others. */
  readonly large?: boolean;
}

export function scenario(seed: number, options: Options = {}): Scenario {
  const random = streams(seed)('scenario');
  const maxCells = options.maxCells ?? between(random, 1, 14);
  const count = between(random, 1, 5);
  const functions: Record<string, object> = {};
  const peaks: Record<string, { from: number; rise: number; peak: number; wave: number; steady: number }> = {};
  for (let index = 0; index < count; index += 1) {
    const replicate = random() < 0.5;
    const name = `${replicate ? 'many' : 'sole'}-${index}`;
    const measure = replicate ? 'rate' : 'busy';
    functions[name] = {
      run: './run',
      pressure: { [measure]: { http: '/metrics', path: '$.value', bounds: [10, 100] } },
      divide: random() < 0.1 ? 'never' : replicate ? 'replicate' : 'delegate',
      ...(random() < 0.6 ? { throttle: { run: './throttle' } } : {}),
      needs: replicate && index > 0 && random() < 0.5 ? { [Object.keys(functions)[0] as string]: 'own' } : {},
    };
    const peak = between(random, 20, replicate ? Math.max(150, (60 * maxCells) / count) : 140);
    peaks[name] = {
      from: between(random, 0, 15) * MINUTE,
      rise: between(random, 1, 20) * MINUTE,
      peak,
      wave: between(random, 0, 1) * between(random, 5, 30) * MINUTE,
      steady: random() < 0.3 ? 0 : between(random, 0, peak),
    };
  }
  if (options.large === true) {
    const bounds = [10, 100];
    const pressure = { rate: { http: '/metrics', path: '$.value', bounds } };
    functions.wide = { run: './run', pressure, divide: 'replicate', throttle: { run: './throttle' } };
    peaks.wide = { from: 0, rise: 20 * MINUTE, peak: 75 * maxCells, wave: 0, steady: 50 * maxCells };
  }
  const moving = 60 * MINUTE;
  const steady = moving + 70 * MINUTE;
  const load = (name: FunctionName, elapsed: number): number => {
    const shape = peaks[name];
    if (shape === undefined || elapsed >= steady) return 0;
    if (elapsed >= moving) return shape.steady;
    const part = Math.min(1, Math.max(0, (elapsed - shape.from) / shape.rise));
    const wave = shape.wave === 0 ? 1 : 0.5 + 0.5 * Math.cos((2 * Math.PI * elapsed) / shape.wave);
    return shape.peak * part * wave;
  };
  const faults = options.faults ?? {
    lostSession: random() * 0.4,
    failedBirth: random() < 0.5 ? 0 : random() * 0.7,
    crash: random() * 0.25,
    latency: between(random, 0, 20_000),
    slowBirth: between(random, 0, 120_000),
    deaths: random() < 0.5 ? 0 : between(random, 1, 3),
    cuts: random() < 0.5 ? 0 : between(random, 1, 2),
    freezes: random() < 0.2 ? 1 : 0,
    skew: between(random, 0, 5_000),
  };
  const draw = streams(seed)('stems');
  const stemCells = options.stemCells ?? (draw() < 0.5 ? 0 : between(draw, 1, 4));
  const raise = streams(seed)('raise');
  const raised = options.raised ?? (options.maxCells === undefined && raise() < 0.4);
  const born = raised ? between(raise, 1, maxCells) : maxCells;
  return {
    seed,
    genome: genomeOf(maxCells, stemCells, functions),
    born: { maxCells: born, until: between(raise, 5, 45) * MINUTE },
    faults,
    load,
    moving,
    steady,
    quiet: steady + 6 * 60 * MINUTE,
  };
}

function genomeOf(maxCells: number, stemCells: number, functions: Record<string, object>): Genome {
  return genomeSchema.parse({
    organism: 'sim',
    zone: 'sim.test',
    body: { maxCells, stemCells, heartbeat: '20s' },
    rhythm: { settle: '20s', hold: '2m', refractory: '3m', calm: '8m', jitter: '30s' },
    healing: { suspectAfter: '2m', deadAfter: '5m' },
    clouds: { near: { provider: 'local' } },
    dns: { provider: 'local', ttl: '5s' },
    functions,
  });
}
