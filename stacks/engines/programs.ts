/** The program of a plan. Loads Pulumi, so it is itself called late. */
import type { Program } from '../program.ts';
import type { Bindings, StackPlan } from '../stack.ts';

/** Throws CellError STACK_FAILED when the plan cannot be run with these bindings. */
export async function programOf(plan: StackPlan, bindings: Bindings): Promise<Program> {
  if (plan.kind === 'body') return (await import('../body.ts')).body(plan, bindings);
  return (await import('../voice.ts')).voice(plan, bindings);
}
