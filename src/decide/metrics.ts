/**
 * What a tick leaves for Prometheus, as families of metrics. Base units (seconds, bytes, ratios); no secret is among what
 * this is made from. Pure.
 */
import type { Genome } from '../../genome/schema.ts';
import type { BoundKind } from '../../genome/words.ts';
import type { CellState, FunctionName, Health, Level, Lineage, Pulse, TickMemory } from '../model.ts';
import type { Family, Sample } from './openmetrics.ts';

/** Counted since the cell began, or since the file with them was lost. */
export interface Counters {
  readonly v: 1;
  readonly ticks: number;
  /** ms of all ticks. */
  readonly tickMs: number;
  readonly syncs: number;
  readonly failedSyncs: number;
  readonly divisions: number;
  readonly failedBirths: number;
  readonly merges: number;
  readonly fences: number;
  /** Times a function's program was started again after it ended by itself. */
  readonly restarts: Readonly<Record<FunctionName, number>>;
}

export const NO_COUNTS: Counters = {
  v: 1,
  ticks: 0,
  tickMs: 0,
  syncs: 0,
  failedSyncs: 0,
  divisions: 0,
  failedBirths: 0,
  merges: 0,
  fences: 0,
  restarts: {},
};

export interface Measured {
  readonly genome: Genome;
  readonly lineage: Lineage;
  /** What this cell just said of itself. */
  readonly pulse: Pulse;
  readonly memory: TickMemory;
  readonly counters: Counters;
  /** Sagas that are not finished, by kind. */
  readonly sagas: readonly { readonly kind: string }[];
  /** ms since the epoch. */
  readonly now: number;
  /** ms this tick took. */
  readonly tookMs: number;
}

const LEVELS: readonly Level[] = ['none', 'one', 'two', 'many'];
const HEALTHS: readonly Health[] = ['healthy', 'starting', 'unhealthy', 'unknown'];
const STATES: readonly CellState[] = ['born', 'living', 'wilting', 'parted', 'gone'];

/** How a measure's kind becomes a base unit: what its name ends in, and what it is divided by. */
const UNITS: Readonly<Record<BoundKind, { readonly unit: string | null; readonly per: number }>> = {
  number: { unit: null, per: 1 },
  percent: { unit: 'ratio', per: 100 },
  size: { unit: 'bytes', per: 1 },
  duration: { unit: 'seconds', per: 1000 },
  rate: { unit: 'hertz', per: 1 },
};

export function metrics(what: Measured): readonly Family[] {
  const { lineage, pulse, counters, now, tookMs } = what;
  const self = lineage.cells[pulse.cell];
  const seconds = (ms: number) => ms / 1000;
  const info = { organism: pulse.organism, cell: self?.name ?? '', id: pulse.cell };
  return [
    gauge('cell_info', 'Who this cell is.', [{ labels: info, value: 1 }]),
    gauge(
      'cell_last_tick_timestamp_seconds',
      'When it last ticked, since the epoch.',
      [{ value: seconds(now) }],
      'seconds',
    ),
    gauge('cell_last_tick_duration_seconds', 'How long that tick took.', [{ value: seconds(tookMs) }], 'seconds'),
    counter('cell_ticks', 'Ticks.', [{ value: counters.ticks }]),
    counter('cell_tick_seconds', 'Time spent in ticks.', [{ value: seconds(counters.tickMs) }], 'seconds'),
    ...functionFamilies(what),
    gauge('cell_budget', 'How many more cells this one may bring about.', [{ value: pulse.budget }]),
    gauge(
      'cell_cells',
      'Cells of the organism by what this one knows of them.',
      STATES.map((state) => ({ labels: { state }, value: cellsIn(lineage, state) })),
    ),
    gauge('cell_frozen', 'Whether nothing is decided at present.', [{ value: pulse.frozen ? 1 : 0 }]),
    gauge('cell_quarantined', 'Feeds that are no longer believed.', [
      { value: Object.keys(lineage.quarantined).length },
    ]),
    gauge(
      'cell_sagas',
      'What was begun and is not finished.',
      ['divide', 'absorb', 'stem', 'seek'].map((kind) => ({
        labels: { kind },
        value: what.sagas.filter((saga) => saga.kind === kind).length,
      })),
    ),
    counter('cell_divisions', 'Cells that this one brought about.', [{ value: counters.divisions }]),
    counter('cell_failed_births', 'Divisions that were taken back.', [{ value: counters.failedBirths }]),
    counter('cell_merges', 'Cells that were taken in again.', [{ value: counters.merges }]),
    counter('cell_fences', 'Cells that died and were fenced.', [{ value: counters.fences }]),
    counter('cell_syncs', 'Sessions with other cells that this one began.', [{ value: counters.syncs }]),
    counter('cell_failed_syncs', 'Those of them that failed.', [{ value: counters.failedSyncs }]),
    gauge('cell_sync_age_seconds', 'How old the news of another cell is.', ages(what), 'seconds'),
  ];
}

/** What is known of each function that lives here. */
function functionFamilies({ pulse, genome, counters }: Measured): readonly Family[] {
  const functions = Object.entries(pulse.functions).sort(([one], [other]) => (one < other ? -1 : 1));
  const each = (make: (name: string, told: Pulse['functions'][string]) => readonly Sample[]) =>
    functions.flatMap(([name, told]) => make(name, told));
  const byUnit = Object.values(UNITS).flatMap(({ unit, per }) => {
    const of = (name: string, measure: string) =>
      UNITS[genome.functions[name]?.pressure[measure]?.bounds[0].kind ?? 'number'].unit === unit;
    const end = unit === null ? '' : `_${unit}`;
    const values = each((name, { pressure }) =>
      Object.entries(pressure).flatMap(([measure, { value }]) =>
        of(name, measure) ? [{ labels: { function: name, measure }, value: value / per }] : [],
      ),
    );
    const bounds = each((name, { pressure }) =>
      Object.entries(pressure).flatMap(([measure, reading]) =>
        of(name, measure)
          ? (['low', 'high'] as const).map((bound) => ({
              labels: { function: name, measure, bound },
              value: reading[bound] / per,
            }))
          : [],
      ),
    );
    return [
      gauge(`cell_pressure${end}`, 'Smoothed measure of a function.', values, unit ?? undefined),
      gauge(`cell_pressure_bound${end}`, 'The bounds in which that is healthy.', bounds, unit ?? undefined),
    ];
  });
  return [
    ...byUnit,
    gauge(
      'cell_level',
      'How much a function has to do: 0 too little, 1 enough, 2 too much, 3 far too much.',
      each((name, { level }) => [{ labels: { function: name }, value: LEVELS.indexOf(level) }]),
    ),
    gauge(
      'cell_throttle_ratio',
      'The share of its work that is held back.',
      each((name, { throttle }) => [{ labels: { function: name }, value: throttle / 100 }]),
      'ratio',
    ),
    gauge(
      'cell_health',
      'What the health check of a function says: 1 for that, 0 for the others.',
      each((name, { health }) =>
        HEALTHS.map((one) => ({ labels: { function: name, health: one }, value: one === health ? 1 : 0 })),
      ),
    ),
    counter(
      'cell_restarts',
      'Times a function was started again after it ended by itself.',
      each((name) => [{ labels: { function: name }, value: counters.restarts[name] ?? 0 }]),
    ),
  ];
}

function ages({ lineage, pulse, memory, now }: Measured): readonly Sample[] {
  return Object.entries(memory.heard ?? {})
    .filter(([id]) => id !== pulse.cell && lineage.cells[id] !== undefined && lineage.cells[id].state !== 'gone')
    .map(([id, { at }]) => ({
      labels: { cell: lineage.cells[id]?.name ?? id, id },
      value: Math.max(0, now - at) / 1000,
    }));
}

const cellsIn = (lineage: Lineage, state: CellState): number =>
  Object.values(lineage.cells).filter((cell) => cell.state === state).length;

function gauge(name: string, help: string, samples: readonly Sample[], unit?: string): Family {
  return { name, type: 'gauge', help, samples, ...(unit === undefined ? {} : { unit }) };
}

function counter(name: string, help: string, samples: readonly Sample[], unit?: string): Family {
  return { ...gauge(name, help, samples, unit), type: 'counter' };
}
