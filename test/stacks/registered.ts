/**
 * What a plan registers with Pulumi, seen by mocks: every resource is awaited, each with the inputs, provider, version and
 * options that the engine would get. Outputs are the inputs and what `outputs` says,
 * ids `NAME-id` unless that says otherwise.
 */
import * as pulumi from '@pulumi/pulumi';
import { MockMonitor } from '@pulumi/pulumi/runtime/mocks.js';
import { programOf } from '../../stacks/engines/programs.ts';
import type { Bindings, StackPlan } from '../../stacks/stack.ts';

export interface Registered {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Keys of the inputs that are secret. */
  readonly secret: readonly string[];
  /** The name of its provider, where it has one of its own. */
  readonly provider: string | null;
  /** What the plugin's version must be, of a provider. */
  readonly version: string;
  readonly ignores: readonly string[];
}

type Outputs = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

interface Request {
  getName(): string;
  getVersion(): string;
  getIgnorechangesList(): readonly string[];
}

/** In the order in which they were registered. */
export async function registered(
  plan: StackPlan,
  bindings: Bindings,
  outputs: Outputs = {},
): Promise<readonly Registered[]> {
  const found: Registered[] = [];
  const asked = new Map<string, Request>();
  const mocks: pulumi.runtime.Mocks = {
    call: ({ token }) => {
      throw new Error(`a stack looks nothing up, and asked ${token}`);
    },
    async newResource({ type, name, inputs, provider = '', custom }) {
      if (custom === false) return { id: undefined, state: inputs };
      const secret = Object.keys(inputs).filter((key) => pulumi.runtime.isRpcSecret(inputs[key]));
      const bare = Object.fromEntries(
        Object.entries(inputs).map(([key, value]) => [key, pulumi.runtime.unwrapRpcSecret(value)]),
      );
      found.push({
        ...{ type, name, inputs: bare, secret },
        provider: provider === '' ? null : (provider.split('::').at(-2) ?? null),
        version: asked.get(name)?.getVersion() ?? '',
        ignores: asked.get(name)?.getIgnorechangesList() ?? [],
      });
      return { id: String(outputs[name]?.id ?? `${name}-id`), state: { ...bare, ...outputs[name] } };
    },
  };
  const monitor = MockMonitor.prototype;
  const { registerResource } = monitor;
  // The mocks are not told everything that the engine is.
  monitor.registerResource = function (request: Request, callback) {
    asked.set(request.getName(), request);
    return registerResource.call(this, request, callback);
  };
  try {
    await pulumi.runtime.setMocks(mocks, 'cell', plan.name, false);
    await pulumi.runtime.runInPulumiStack(await programOf(plan, bindings));
    // What the stack gives is said last, and would reach the monitor of the next.
    await pulumi.runtime.disconnect();
  } finally {
    monitor.registerResource = registerResource;
  }
  return found;
}
