/**
 * The voice: the Pulumi program of the stack that holds the DNS records that point at one cell.
 */
import { type Program, program } from './program.ts';
import type { Bindings, StackPlan } from './stack.ts';

/** Answers of DNS providers take seconds. */
const customTimeouts = { create: '2m', update: '2m', delete: '2m' };

/**
 * The program of a voice plan. A zone has one record set a name and type, so a replaced one is deleted first.
 * Throws CellError STACK_FAILED when a binding is missing.
 */
export function voice(plan: StackPlan, bindings: Bindings): Program {
  return program(plan, bindings, { customTimeouts, deleteBeforeReplace: true });
}
