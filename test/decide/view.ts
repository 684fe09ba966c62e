/** Views for the tests of decisions: an organism in a few words, the rest as it usually is. */
import { type Genome, genomeSchema } from '../../genome/schema.ts';
import { fold } from '../../src/decide/lineage.ts';
import { freshMemory } from '../../src/decide/memory.ts';
import { functionLevel } from '../../src/decide/sense.ts';
import type { CellId, FunctionName, Level, Pulse, Reading, TickMemory, View } from '../../src/model.ts';
import { feeds, SEEDER } from './feeds.ts';

export const NOW = 1_000_000_000;
export const S = 1000;
export const MIN = 60 * S;

/** settle 10 s, hold 60 s, refractory 3 min, calm 15 min, jitter 20 s, suspect 3 min, dead 15 min: the defaults. */
export function genome(functions: Record<string, object> = {}, more: Record<string, unknown> = {}): Genome {
  const plain = {
    run: './run',
    pressure: { load: { http: '/', path: '$.x', bounds: [10, 100] } },
    throttle: { run: './t' },
  };
  const all = Object.fromEntries(Object.entries(functions).map(([name, gene]) => [name, { ...plain, ...gene }]));
  return genomeSchema.parse({
    organism: 'o',
    zone: 'o.test',
    clouds: { near: { provider: 'local' } },
    dns: { provider: 'local' },
    functions: all,
    ...more,
  });
}

const VALUES: Record<Level, number> = { none: 1, one: 50, two: 120, many: 400 };

function reading(level: Level): Reading {
  return { value: VALUES[level], low: 10, high: 100, level };
}

export interface Sketch {
  /** In the language of feeds.ts. */
  readonly life: string;
  readonly self?: CellId;
  readonly genome?: Genome;
  /** The level of each function; null: it could not be sensed. */
  readonly levels?: Readonly<Record<FunctionName, Level | null>>;
  readonly memory?: Partial<TickMemory>;
  readonly pulses?: Readonly<Record<CellId, Pulse>>;
  readonly sagas?: View['sagas'];
  readonly health?: 'starting' | 'healthy';
  readonly monthlyCents?: View['monthlyCents'];
  readonly places?: NonNullable<View['places']>;
}

export const SEEDED = `
  S genesis 5 web,db
  S reserve a; S birth A 4; S give web A; S give db A; S weaned A
  A born S`;
export const DIVIDED = `${SEEDED}; A reserve b; A birth B 1; B born A; A give web B; A weaned B`;

export const GENES = { web: { divide: 'delegate' }, db: { divide: 'never' } };

export function view(sketch: Sketch): View {
  const lineage = fold(feeds(sketch.life), SEEDER);
  const self = lineage.cells[sketch.self ?? 'A'];
  if (self === undefined) throw new Error('no such cell');
  const senses: Record<string, View['senses'][string]> = {};
  for (const name of self.functions) {
    const level = sketch.levels?.[name] === undefined ? 'one' : sketch.levels[name];
    senses[name] = { health: sketch.health ?? 'healthy', readings: level === null ? {} : { load: reading(level) } };
  }
  return {
    genome: sketch.genome ?? genome(GENES),
    self,
    lineage,
    pulses: sketch.pulses ?? {},
    senses,
    memory: { ...freshMemory(), at: NOW - 10 * S, ...sketch.memory },
    sagas: sketch.sagas ?? [],
    monthlyCents: sketch.monthlyCents ?? { near: 0 },
    ...(sketch.places === undefined ? {} : { places: sketch.places }),
  };
}

export function pulse(
  cell: CellId,
  seq: number,
  levels: Readonly<Record<FunctionName, Level>> = {},
  throttle = 0,
): Pulse {
  const functions = Object.fromEntries(
    Object.entries(levels).map(([name, level]) => {
      const pressure = { load: reading(level) };
      return [
        name,
        { health: 'healthy' as const, level: functionLevel([reading(level)]), pressure, throttle, port: null },
      ];
    }),
  );
  return {
    v: 1,
    organism: 'o',
    cell,
    seq,
    at: NOW,
    functions,
    budget: 0,
    links: [],
    entries: 1,
    frozen: false,
    why: '',
    sig: '',
  };
}
