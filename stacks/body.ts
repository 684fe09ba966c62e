/**
 * The body: the Pulumi program of the stack that holds one cell's machine.
 */
import { type Program, program } from './program.ts';
import type { Bindings, StackPlan } from './stack.ts';

/** Machines of a slow cloud take minutes to start; a create that takes longer than this has failed. */
const customTimeouts = { create: '15m', update: '15m', delete: '10m' };

/** The program of a body plan. Throws CellError STACK_FAILED when a binding is missing. */
export function body(plan: StackPlan, bindings: Bindings): Program {
  return program(plan, bindings, { customTimeouts });
}
