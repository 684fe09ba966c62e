/**
 * Runs a Pulumi program in this process, over Pulumi's mock runtime: every resource the program registers is shown to
 * `register`, whose answer becomes the resource's outputs.
 *
 * The mock runtime is state of the whole process, so programs take turns. `register` must not throw: a rejected
 * registration surfaces in Pulumi as an unhandled rejection, far from the call.
 */
import * as pulumi from '@pulumi/pulumi';
import type { Inputs } from '../handler.ts';
import type { Program } from '../program.ts';
import type { Json } from '../stack.ts';

export interface Registration {
  readonly type: string;
  readonly name: string;
  /** What is known of the inputs, secrets in the clear. */
  readonly inputs: Inputs;
  /** Keys that the program marked as secret. */
  readonly secret: readonly string[];
  /** Keys whose value only a change would tell. In a preview only. */
  readonly unknown: readonly string[];
}

export interface Registered {
  /** Empty while it is not known, in a preview. */
  readonly id: string;
  readonly outputs: Inputs;
  /** Output keys that are secret. */
  readonly secret: readonly string[];
}

let turn: Promise<unknown> = Promise.resolve();

/** Runs the program to its end, in its turn. Rejects with what the program itself throws. */
export function runProgram(
  program: Program,
  options: { readonly stack: string; readonly preview: boolean },
  register: (registration: Registration) => Promise<Registered>,
): Promise<void> {
  const run = turn.then(() => runNow(program, options, register));
  turn = run.catch(() => undefined);
  return run;
}

async function runNow(
  program: Program,
  { stack, preview }: { readonly stack: string; readonly preview: boolean },
  register: (registration: Registration) => Promise<Registered>,
): Promise<void> {
  const mocks: pulumi.runtime.Mocks = {
    call: ({ inputs }) => inputs,
    newResource: async ({ type, name, inputs, custom }) => {
      if (custom === false) return { id: undefined, state: inputs };
      const { id, outputs, secret } = await register(registration(type, name, inputs));
      return {
        id: id === '' ? undefined : id,
        state: Object.fromEntries(
          Object.entries(outputs).map(([key, value]) => [
            key,
            secret.includes(key) ? pulumi.secret<unknown>(value) : value,
          ]),
        ),
      };
    },
  };
  await pulumi.runtime.setMocks(mocks, 'cell', stack, preview);
  try {
    await pulumi.runtime.runInPulumiStack(program);
  } finally {
    // What a stack exports is told after its program has ended, and must not be told to the next one's mocks.
    await pulumi.runtime.disconnect();
  }
}

/** Pulumi hands a secret over in an envelope of its own, and an unknown value as undefined. */
function registration(type: string, name: string, wire: Record<string, unknown>): Registration {
  const inputs: Record<string, Json> = {};
  const secret: string[] = [];
  const unknown: string[] = [];
  for (const [key, value] of Object.entries(wire)) {
    const bare: unknown = pulumi.runtime.unwrapRpcSecret(value);
    if (hasUnknown(bare)) unknown.push(key);
    else inputs[key] = bare as Json;
    if (pulumi.runtime.isRpcSecret(value)) secret.push(key);
  }
  return { type, name, inputs, secret, unknown };
}

function hasUnknown(value: unknown): boolean {
  if (value === undefined) return true;
  return value !== null && typeof value === 'object' && Object.values(value).some(hasUnknown);
}
