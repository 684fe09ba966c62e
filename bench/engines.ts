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
import { inTurn, type Measure } from './measure.ts';

const HANDLERS = join(import.meta.dirname, '..', 'test', 'stacks', 'engines', 'support', 'folder.handler.ts');
const GOAL = 0.1;
const ROUNDS = 5;

export async function measureEngines(): Promise<readonly Measure[]> {
  const base = mkdtempSync(join(tmpdir(), 'cell-bench-'));
  const opened: Engine[] = [];
  const open = async (name: EngineName): Promise<() => Promise<number>> => {
    const one = await engine(name, {
      home: join(base, 'home'),
      credentials: { folder: { folder: join(base, 'things'), token: 'bench' } },
      handlers: HANDLERS,
    });
    opened.push(one);
    await one.up(planFor(name), {});
    return async () => {
      const began = performance.now();
      const { changes } = await one.up(planFor(name), {});
      const ms = performance.now() - began;
      if (changes.some(({ operation }) => operation !== 'same')) throw new Error(`${name} changed something`);
      return ms;
    };
  };
  try {
    mkdirSync(join(base, 'things'));
    const embedded = await open('embedded');
    const there = findPulumi() !== null;
    if (!there) process.stderr.write('  no pulumi on this computer: only the embedded engine is measured\n');
    const other = there ? await open('pulumi') : embedded;
    const [value, baseline] = await inTurn(embedded, other, ROUNDS);
    const ratio = value / baseline;
    const compared = there
      ? { baseline, ratio, goal: `ratio < ${GOAL}`, ok: ratio < GOAL }
      : { baseline: null, ratio: null, goal: `ratio < ${GOAL} (not run: there is no pulumi)`, ok: null };
    return [{ name: 'no-change up on the embedded engine, against pulumi', unit: 'ms', value, ...compared }];
  } finally {
    for (const one of opened) await one.destroy('bench').catch(() => undefined);
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
