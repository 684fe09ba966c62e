/**
 * The body: the Pulumi program of the stack that holds one cell's machine.
 */
import { type Program, program } from './program.ts';
import type { Bindings, StackPlan } from './stack.ts';

/** The program of a body plan. Throws CellError STACK_FAILED when a binding is missing. */
export function body(plan: StackPlan, bindings: Bindings): Program {
  return program(plan, bindings, {});
}
