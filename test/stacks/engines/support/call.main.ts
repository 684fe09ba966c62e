/**
 * One engine call in a process of its own, to be killed, or to meet another one. Argument: JSON of `Call`. Prints one
 * JSON line: `{changes}`, or `{code}` of the error.
 */
import type { CellError } from '../../../../src/errors.ts';
import { engine } from '../../../../stacks/engines/index.ts';
import type { Bindings, EngineName, Json, StackPlan } from '../../../../stacks/stack.ts';

export interface Call {
  readonly engine: EngineName;
  readonly home: string;
  readonly credentials: Readonly<Record<string, Json>>;
  readonly handlers: string;
  readonly plan: StackPlan;
  readonly bindings: Bindings;
}

const call = JSON.parse(process.argv[2] ?? '') as Call;
try {
  const { home, credentials, handlers } = call;
  const { changes } = await (await engine(call.engine, { home, credentials, handlers })).up(call.plan, call.bindings);
  console.log(JSON.stringify({ changes }));
} catch (thrown) {
  console.log(JSON.stringify({ code: (thrown as CellError).code ?? String(thrown) }));
}
