/** The file of a cell's metrics: whole at every moment, for all to read, its counters kept from tick to tick. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fold } from '../src/decide/lineage.ts';
import { freshMemory } from '../src/decide/memory.ts';
import { NO_COUNTS } from '../src/decide/metrics.ts';
import type { SensorMemory } from '../src/effects/sensors.ts';
import type { Here } from '../src/here.ts';
import { layout } from '../src/layout.ts';
import { counted, leaveMetrics, type Ticked } from '../src/leave.ts';
import { readOpenMetrics } from './decide/exposition.ts';
import { feeds, SEEDER } from './decide/feeds.ts';
import { DIVIDED, GENES, genome, NOW } from './decide/view.ts';

let root: string;
let said: string[];
let here: Here;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cell-leave-'));
  said = [];
  const at = layout(root);
  mkdirSync(at.home, { recursive: true });
  const lineage = fold(feeds(DIVIDED), SEEDER);
  here = {
    ...{ home: at.home, layout: at, clock: () => NOW, random: () => 0.5 },
    memory: { recall: async () => ({ lineage }) },
    log: (line: string) => said.push(line),
  } as unknown as Here;
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const ticked = (more: Partial<Ticked> = {}): Ticked => ({
  pulse: {
    ...{ v: 1, organism: 'o', cell: 'A', seq: 1, at: NOW, budget: 1, links: [], entries: 1, frozen: false },
    ...{ functions: {}, why: '', sig: '' },
  },
  decision: { actions: [], reasons: [], memory: freshMemory() },
  sensed: { senses: {}, readings: {}, memory: {}, notes: [] },
  sagas: [],
  links: [],
  events: [],
  tookMs: 20,
  ...more,
});

const restarted = (at: number, ...seen: { at: number; count: number }[]) =>
  ({ at, restarts: { run: 'x', counted: 9, seen, how: '' } }) as unknown as SensorMemory;
const read = () => {
  const reads = readOpenMetrics(readFileSync(here.layout.metricsFile, 'utf8'));
  return Object.fromEntries(
    reads.map(({ name, labels, value }) => [[name, ...Object.values(labels)].join(' '), value]),
  );
};

it('is there after a tick, and counts on', async () => {
  await leaveMetrics(here, genome(GENES), ticked({ events: ['division', 'failedBirth'] }));
  const links = [true, false].map((ok) => ({ cell: 'B', ok, why: null }));
  await leaveMetrics(here, genome(GENES), ticked({ links, events: ['merge', 'fence', 'division'] }));
  expect(said).toEqual([]);
  expect(read()).toMatchObject({
    cell_ticks_total: 2,
    cell_tick_seconds_total: 0.04,
    cell_divisions_total: 2,
    cell_failed_births_total: 1,
    cell_merges_total: 1,
    cell_fences_total: 1,
    cell_syncs_total: 2,
    cell_failed_syncs_total: 1,
  });
});

it('counts a restart once, in the tick that saw it', () => {
  const tick = (at: number) =>
    ticked({
      sensed: { ...ticked().sensed, memory: { web: restarted(at, { at: 5, count: 2 }, { at: 7, count: 1 }) } },
    });
  expect(counted(NO_COUNTS, tick(7)).restarts).toEqual({ web: 1 });
  expect(counted({ ...NO_COUNTS, restarts: { web: 3, db: 1 } }, tick(8)).restarts).toEqual({ web: 3, db: 1 });
});

it('is for all to read whatever the umask; the counters are not', async () => {
  const before = process.umask(0o077);
  try {
    await leaveMetrics(here, genome(GENES), ticked());
  } finally {
    process.umask(before);
  }
  const mode = (path: string) => statSync(path).mode & 0o777;
  expect(mode(here.layout.metricsFile)).toBe(0o644);
  expect(mode(join(here.layout.metricsFile, '..'))).toBe(0o755);
  expect(mode(join(here.home, 'counters.json'))).toBe(0o600);
  expect(readdirSync(join(here.layout.metricsFile, '..'))).toEqual(['cell.prom']);
});

it('begins anew when the counters are lost or of a cell that counted less', async () => {
  writeFileSync(join(here.home, 'counters.json'), '{"v":1,"ticks":4');
  await leaveMetrics(here, genome(GENES), ticked());
  expect(read()).toMatchObject({ cell_ticks_total: 1 });
  writeFileSync(join(here.home, 'counters.json'), '{"v":1,"ticks":4}');
  await leaveMetrics(here, genome(GENES), ticked());
  expect(read()).toMatchObject({ cell_ticks_total: 5, cell_fences_total: 0 });
});

it('fails no tick', async () => {
  mkdirSync(here.layout.metricsFile, { recursive: true });
  writeFileSync(join(here.layout.metricsFile, 'in the way'), '');
  await leaveMetrics(here, genome(GENES), ticked());
  expect(said).toEqual([expect.stringMatching(/^metrics not written: /)]);
  expect(existsSync(`${here.layout.metricsFile}.new`)).toBe(false);
});
