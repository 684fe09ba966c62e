/**
 * A no-change `up` on both engines, side by side: the same plan, the same handlers, turn by turn in one process, so that
 * both see the same computer. Measured after a first `up`, which makes the resources and loads each engine's modules.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '../stacks/engines/engine.ts';
import { engine } from '../stacks/engines/index.ts';
import { findPulumi } from '../stacks/engines/pulumi.find.ts';
import type { EngineName, StackPlan } from '../stacks/stack.ts';
import type { Measure } from './measure.ts';

const HANDLERS = join(import.meta.dirname, '..', 'test', 'stacks', 'engines', 'support', 'folder.handler.ts');
const GOAL = 0.1;

/** The median of `rounds` no-change `up`s on each engine, in ms. */
export async function measureEngines(rounds = 5): Promise<readonly Measure[]> {
  const base = mkdtempSync(join(tmpdir(), 'cell-bench-'));
  try {
    const folder = join(base, 'things');
    mkdirSync(folder);
    const open = (name: EngineName): Promise<Engine> =>
      engine(name, {
        home: join(base, 'home'),
        credentials: { folder: { folder, token: 'bench' } },
        handlers: HANDLERS,
      });
    const names: readonly EngineName[] = findPulumi() === null ? ['embedded'] : ['embedded', 'pulumi'];
    const engines = await Promise.all(names.map(open));
    const times = engines.map((): number[] => []);
    for (const one of engines) await one.up(planFor(one.name), {});
    for (let round = 0; round < rounds; round++) {
      for (const [at, one] of engines.entries()) {
        const start = performance.now();
        const { changes } = await one.up(planFor(one.name), {});
        times[at]!.push(performance.now() - start);
        if (changes.some(({ operation }) => operation !== 'same')) throw new Error(`${one.name} changed something`);
      }
    }
    for (const one of engines) await one.destroy('bench');
    const value = median(times[0]!);
    const baseline = times[1] === undefined ? null : median(times[1]);
    const ratio = baseline === null ? null : value / baseline;
    const ok = ratio === null ? null : ratio < GOAL;
    return [
      {
        name: 'no-change up, embedded against pulumi',
        unit: 'ms',
        value,
        baseline,
        ratio,
        goal: `ratio < ${GOAL}`,
        ok,
      },
    ];
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

/** A machine and what hangs on it, as a body has; each engine has things of its own. */
function planFor(name: EngineName): StackPlan {
  const type = 'cell:folder:Thing';
  return {
    name: 'bench',
    kind: 'body',
    cell: 'bench',
    engine: name,
    resources: [
      { type, name: 'machine', inputs: { name: `${name}-machine`, size: 1 } },
      { type, name: 'firewall', inputs: { name: `${name}-firewall`, machine: { $ref: 'machine.address' } } },
      { type, name: 'key', inputs: { name: `${name}-key` } },
    ],
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
