/**
 * The organism in virtual time. `SIM_RUNS=5000` runs more seeds, `SEED=42` one of them; a seed that fails says so.
 */
import { describe, expect, test } from 'vitest';
import { Queue } from './queue.ts';
import { between, seeded } from './random.ts';
import { PERFECT, scenario } from './scenario.ts';
import { type Outcome, simulate } from './simulate.ts';

const ONE = process.env.SEED;
const RUNS = Number(process.env.SIM_RUNS ?? 300);
const seeds = ONE === undefined ? Array.from({ length: RUNS }, (_, index) => index + 1) : [Number(ONE)];

function replay(seed: number, title: string): string {
  return `SEED=${seed} npx vitest run test/sim/simulator.test.ts -t '${title}'`;
}

/** Runs each seed; the failures, each with the command that replays it. */
function all(title: string, run: (seed: number) => void): void {
  const failures: string[] = [];
  for (const seed of seeds) {
    try {
      run(seed);
    } catch (error) {
      failures.push(`${error instanceof Error ? error.message : String(error)}\nreplay: ${replay(seed, title)}`);
    }
  }
  if (failures.length > 0)
    throw new Error(`${failures.length} of ${seeds.length} seeds fail\n\n${failures.slice(0, 3).join('\n\n')}`);
}

describe('simulator', () => {
  const faulty = 'an organism under load and faults';
  test(faulty, { timeout: 60_000 + RUNS * 500 }, () => {
    const total: Record<string, number> = {};
    all(faulty, (seed) => {
      for (const [kind, count] of Object.entries(simulate(scenario(seed)).counts))
        total[kind] = (total[kind] ?? 0) + count;
    });
    // What never happens in any run is not tested by it.
    if (ONE !== undefined || RUNS < 100) return;
    for (const kind of [
      'divide',
      'wilt',
      'absorb',
      'fence',
      'bury',
      'abandon',
      'throttle',
      'relax',
      'resume',
      'crash',
      'stem',
      'differentiate',
      'release',
      'grant',
    ]) {
      expect(total[kind] ?? 0, kind).toBeGreaterThan(10);
    }
  });

  test('a hundred cells', { timeout: 120_000 }, () => {
    const title = 'a hundred cells';
    const grown: Outcome[] = [];
    for (const seed of ONE === undefined ? [1] : [Number(ONE)]) {
      try {
        grown.push(simulate(scenario(seed, { maxCells: 100, large: true })));
      } catch (error) {
        throw new Error(`${error instanceof Error ? error.message : String(error)}\nreplay: ${replay(seed, title)}`);
      }
    }
    for (const outcome of grown) expect(outcome.most).toBeGreaterThan(40);
  });

  test('without faults nothing is ever taken back, fenced or lost', { timeout: 60_000 }, () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const { counts, cells } = simulate(scenario(seed, { faults: PERFECT }));
      expect(cells).toBe(1);
      expect({ seed, fence: counts.fence ?? 0, abandon: counts.abandon ?? 0 }).toEqual({
        seed,
        fence: 0,
        // Before its keeper goes.
        abandon: counts.release ?? 0,
      });
    }
  });

  test('a seed always gives the same run', () => {
    const [first, again] = [7, 7].map((seed) => simulate(scenario(seed)));
    expect(again).toEqual(first);
    expect(simulate(scenario(8)).counts).not.toEqual(first?.counts);
  });
});

describe('its parts', () => {
  test('events come in order of time, then of making', () => {
    const queue = new Queue(0);
    const random = seeded(1);
    const made = Array.from({ length: 500 }, (_, order) => ({ at: between(random, 0, 40), order }));
    const ran: typeof made = [];
    for (const event of made) queue.after(event.at, () => ran.push(event));
    while (queue.step(100)) expect(queue.now).toBe(ran.at(-1)?.at);
    expect(ran).toEqual([...made].sort((a, b) => a.at - b.at || a.order - b.order));
    expect(queue.now).toBe(100);
  });

  test('a failing seed is told with the command that replays it', () => {
    expect(() => all('title', () => expect.fail('why'))).toThrow(`SEED=${seeds[0]} npx vitest run`);
  });
});
