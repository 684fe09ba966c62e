/** What a tick's metrics say of it, in base units, and that they are always well-formed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fold } from '../../src/decide/lineage.ts';
import { freshMemory } from '../../src/decide/memory.ts';
import { type Measured, metrics, NO_COUNTS } from '../../src/decide/metrics.ts';
import { openMetrics } from '../../src/decide/openmetrics.ts';
import type { Health, Level, Pulse } from '../../src/model.ts';
import { type Read, readOpenMetrics, readText } from './exposition.ts';
import { feeds, SEEDER } from './feeds.ts';
import { DIVIDED, genome, NOW } from './view.ts';

const PRESSURE = {
  load: { http: '/', path: '$.x', bounds: [10, 100] },
  cpu: { bounds: ['5%', '80%'] },
  memory: { bounds: ['64MiB', '512MiB'] },
  delay: { command: './delay', bounds: ['5ms', '250ms'] },
  requests: { http: '/', path: '$.y', bounds: ['5/s', '100/s'] },
};

function pulse(functions: Pulse['functions'], more: Partial<Pulse> = {}): Pulse {
  return {
    ...{ v: 1, organism: 'o', cell: 'A', seq: 1, at: NOW, budget: 2, links: [], entries: 1, frozen: false },
    ...{ why: 'a secret place: see nothing', sig: 'x', functions, ...more },
  };
}

const reading = (value: number, low: number, high: number) => ({ value, low, high, level: 'one' as const });
const plain = { health: 'healthy', level: 'two', pressure: {}, throttle: 25, port: null } as const;

function measured(more: Partial<Measured> = {}): Measured {
  return {
    genome: genome({ web: { pressure: PRESSURE }, db: {} }),
    lineage: fold(feeds(DIVIDED), SEEDER),
    pulse: pulse({ web: plain }),
    memory: freshMemory(),
    counters: NO_COUNTS,
    sagas: [],
    now: NOW,
    tookMs: 250,
    ...more,
  };
}

function read(what: Measured): readonly Read[] {
  const text = openMetrics(metrics(what));
  const reads = readOpenMetrics(text);
  expect(readText(text)).toEqual(reads);
  return reads;
}

function value(what: Measured, name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
  const match = (one: Read) => Object.entries(labels).every(([key, text]) => one.labels[key] === text);
  const found = read(what).filter((one) => one.name === name && match(one));
  expect(found.length, name).toBeLessThan(2);
  return found[0]?.value;
}

describe('a tick', () => {
  it('says pressures in base units, with their bounds', () => {
    const of = pulse({
      web: {
        ...plain,
        pressure: {
          load: reading(50, 10, 100),
          cpu: reading(40, 5, 80),
          memory: reading(2 ** 27, 2 ** 26, 2 ** 29),
          delay: reading(125, 5, 250),
          requests: reading(7.5, 5, 100),
        },
      },
    });
    const what = measured({ pulse: of });
    const cases = [
      ['cell_pressure', 'load', 50, 100],
      ['cell_pressure_ratio', 'cpu', 0.4, 0.8],
      ['cell_pressure_bytes', 'memory', 2 ** 27, 2 ** 29],
      ['cell_pressure_seconds', 'delay', 0.125, 0.25],
      ['cell_pressure_hertz', 'requests', 7.5, 100],
    ] as const;
    for (const [name, measure, now, high] of cases) {
      expect(value(what, name, { function: 'web', measure })).toBe(now);
      const bound = name.replace('cell_pressure', 'cell_pressure_bound');
      expect(value(what, bound, { function: 'web', measure, bound: 'high' })).toBe(high);
    }
  });

  it('says how each function is', () => {
    const what = measured({ counters: { ...NO_COUNTS, restarts: { web: 3, gone: 1 } } });
    expect(value(what, 'cell_level', { function: 'web' })).toBe(2);
    expect(value(what, 'cell_throttle_ratio', { function: 'web' })).toBe(0.25);
    expect(value(what, 'cell_health', { function: 'web', health: 'healthy' })).toBe(1);
    expect(value(what, 'cell_health', { function: 'web', health: 'unhealthy' })).toBe(0);
    expect(value(what, 'cell_restarts_total', { function: 'web' })).toBe(3);
    expect(value(what, 'cell_restarts_total', { function: 'gone' })).toBeUndefined();
  });

  it('says how it went, and what there is', () => {
    const counters = { ...NO_COUNTS, ticks: 9, tickMs: 1500, divisions: 1, failedBirths: 2, merges: 3, fences: 4 };
    const sagas = [{ kind: 'divide' }];
    const what = measured({ counters, sagas, memory: { ...freshMemory(), heard: { B: { seq: 1, at: NOW - 2500 } } } });
    expect(value(what, 'cell_info')).toBe(1);
    expect(value(what, 'cell_last_tick_timestamp_seconds')).toBe(NOW / 1000);
    expect(value(what, 'cell_last_tick_duration_seconds')).toBe(0.25);
    expect(value(what, 'cell_ticks_total')).toBe(9);
    expect(value(what, 'cell_tick_seconds_total')).toBe(1.5);
    expect(value(what, 'cell_divisions_total')).toBe(1);
    expect(value(what, 'cell_failed_births_total')).toBe(2);
    expect(value(what, 'cell_merges_total')).toBe(3);
    expect(value(what, 'cell_fences_total')).toBe(4);
    expect(value(what, 'cell_budget')).toBe(2);
    expect(value(what, 'cell_cells', { state: 'living' })).toBe(2);
    expect(value(what, 'cell_sagas', { kind: 'divide' })).toBe(1);
    expect(value(what, 'cell_sync_age_seconds', { id: 'B' })).toBe(2.5);
    expect(value(what, 'cell_sync_age_seconds', { id: 'A' })).toBeUndefined();
  });

  it('carries no sentence that anybody wrote', () => {
    expect(openMetrics(metrics(measured()))).not.toContain('secret');
  });
});

it('is well-formed whatever is measured', () => {
  const number = fc.double({ noNaN: false });
  const any = fc.record({
    health: fc.constantFrom<Health>('healthy', 'starting', 'unhealthy', 'unknown'),
    level: fc.constantFrom<Level>('none', 'one', 'two', 'many'),
    throttle: fc.nat(100),
    port: fc.constant(null),
    pressure: fc.dictionary(
      fc.constantFrom('load', 'cpu', 'memory', 'delay', 'requests', 'not-in-the-genome'),
      fc.record({ value: number, low: number, high: number, level: fc.constantFrom<Level>('one', 'two') }),
    ),
  });
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom('web', 'db', 'not-in-the-genome'), any), (functions) => {
      expect(read(measured({ pulse: pulse(functions) })).length).toBeGreaterThan(20);
    }),
  );
});
