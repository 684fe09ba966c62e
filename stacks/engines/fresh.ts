/**
 * The preview of a stack of which nothing was made yet: its program is run in this process and everything in it would be
 * made. No CLI, no plugin and no credential is needed for it, so that a genome can be planned anywhere.
 */
import { isProvider } from '../holes.ts';
import type { Bindings, StackPlan } from '../stack.ts';
import type { Change, StackResult } from './engine.ts';
import { programOf } from './programs.ts';
import { runProgram } from './runtime.ts';

/** Throws CellError STACK_FAILED when the plan cannot be run with these bindings. */
export async function previewFresh(plan: StackPlan, bindings: Bindings): Promise<StackResult> {
  const changes: Change[] = [];
  const program = await programOf(plan, bindings);
  await runProgram(program, { stack: plan.name, preview: true }, async ({ type, name, inputs, secret }) => {
    if (!isProvider(type)) changes.push({ operation: 'create', type, name, keys: [] });
    return { id: '', outputs: inputs, secret };
  });
  return { changes, outputs: {} };
}
