/**
 * SIGKILL in the middle of every step of every saga, at several moments, while the organism ticks by itself: whoever
 * runs a step is killed once in it, and the next tick of the cell's own schedule goes on.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Cell } from '../../src/model.ts';
import type { Mitosis } from '../../src/saga.ts';
import { begin, end, expectDivided, expectOne, orderAway } from '../courses/drill.ts';
import { newOrganism, type Organism } from '../courses/organism.ts';
import { STEPS } from '../courses/steps.ts';

/** How long after a step began its process is killed, ms; one course each. */
const MOMENTS = [20, 120, 300];
const LOOK_EVERY_MS = 4;

interface Killer {
  /** The division's saga as it was last seen. */
  readonly saga: Mitosis | null;
  /** Ends it; gives the steps in which a process was killed. */
  stop(): Promise<readonly string[]>;
}

/** Kills the cell's tick in each step once, so long after the step was first seen. */
function killWithin(organism: Organism, cell: Cell, afterMs: number): Killer {
  const since = new Map<string, number>();
  const killed = new Set<string>();
  let on = true;
  let saga: Mitosis | null = null;

  function kill(): boolean {
    const ticks = organism
      .processes()
      .filter(({ line, env }) => env.get('CELL_ROOT') === cell.reach.root && /cell\.js divide/.test(line));
    for (const { pid } of ticks) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        return false; // It ended just now: the step is over.
      }
    }
    return ticks.length > 0;
  }

  const looking = (async () => {
    while (on) {
      for (const open of organism.sagas(cell)) {
        if (open.kind === 'divide') saga = open as Mitosis;
        const step = `${open.kind} ${open.step}`;
        if (killed.has(step) || open.due > Date.now()) continue;
        const first = since.get(step) ?? Date.now();
        since.set(step, first);
        if (Date.now() - first >= afterMs && kill()) killed.add(step);
      }
      await sleep(LOOK_EVERY_MS);
    }
  })();
  return {
    get saga() {
      return saga;
    },
    async stop() {
      on = false;
      await looking;
      return [...killed];
    },
  };
}

test.concurrent.for([
  ['web', 'as files'],
  ['api', 'as files'],
  ['web', 'by its dumps'],
] as const)(
  '%s moves and comes home %s, killed within every step',
  { timeout: 300_000 },
  async ([name, how], { onTestFinished }) => {
    const organism = await newOrganism({ dumps: how === 'by its dumps' });
    onTestFinished(organism.close);
    const drill = await begin(organism);
    const { first } = drill;
    const killed = new Set<string>();

    for (const moment of MOMENTS) {
      const killer = killWithin(organism, first, moment);
      await organism.until('a division', async () => {
        const ran = await organism.tick(first, { now: name });
        return ran.code === 0 || organism.sagas(first).length > 0;
      });
      await organism.until('the division to end', () => organism.sagas(first).length === 0, 60_000);
      if (killer.saga === null) throw new Error('no saga was ever open');
      const child = await expectDivided(organism, name, killer.saga);
      await orderAway(organism, child);
      await expectOne(organism, drill);
      for (const step of await killer.stop()) killed.add(step);
    }
    // Some are over sooner than anybody can look; most are not.
    expect(killed.size, [...killed].join(', ')).toBeGreaterThan(STEPS.length);
    await end(organism, drill);
  },
);
