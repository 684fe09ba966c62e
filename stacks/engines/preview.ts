/**
 * What `up` would do, by comparing with the checkpoint. Calls no handler but `check`, and writes nothing.
 *
 * Outputs of what would change are unknown, as with the Pulumi CLI and providers without a preview of their own; an
 * input taken from such an output counts as changed.
 */
import type { Registry } from '../handlers.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Change, Operation, StackResult } from './engine.ts';
import { refusedInputs } from './failures.ts';
import { keysThatDiffer } from './json.ts';
import type { Registered, Registration } from './runtime.ts';
import { secretInputs } from './secrets.ts';

export class Preview {
  private readonly stack: string;
  private readonly registry: Registry;
  private readonly checkpoint: Checkpoint;
  private readonly changes: Change[] = [];
  private readonly wanted = new Set<string>();
  private failure: Error | null = null;

  constructor(stack: string, registry: Registry, checkpoint: Checkpoint) {
    this.stack = stack;
    this.registry = registry;
    this.checkpoint = checkpoint;
  }

  /** For the runtime. Never throws. */
  async register(registration: Registration): Promise<Registered> {
    const { type, name, inputs, unknown } = registration;
    this.wanted.add(`${type} ${name}`);
    try {
      const handler = await this.registry.get(type);
      const findings = handler.check(inputs).filter(({ key }) => !unknown.includes(key));
      if (findings.length > 0) throw refusedInputs(this.stack, name, findings);
      const known = this.checkpoint.resources.find((one) => one.type === type && one.name === name);
      const keys =
        known === undefined ? [] : [...new Set([...keysThatDiffer(known.inputs.values, inputs), ...unknown])].sort();
      const unfinished = this.checkpoint.pending.some((one) => one.type === type && one.name === name);
      const operation: Operation =
        known === undefined
          ? 'create'
          : keys.some((key) => handler.replaceOn.includes(key))
            ? 'replace'
            : keys.length > 0 || unfinished
              ? 'update'
              : 'same';
      this.changes.push({ operation, type, name, keys });
      if (known !== undefined && operation === 'same') {
        return { id: known.id, outputs: known.outputs.values, secret: known.outputs.secret };
      }
      const id = operation === 'update' ? known!.id : '';
      return { id, outputs: inputs, secret: secretInputs(handler, inputs, registration.secret) };
    } catch (thrown) {
      this.failure ??= thrown as Error;
      return { id: '', outputs: {}, secret: [] };
    }
  }

  /** After the program. Throws the first failure. */
  finish(): StackResult {
    if (this.failure !== null) throw this.failure;
    const gone = this.checkpoint.resources.filter(({ type, name }) => !this.wanted.has(`${type} ${name}`)).reverse();
    for (const { type, name } of gone) this.changes.push({ operation: 'delete', type, name, keys: [] });
    const outputs = Object.fromEntries(this.checkpoint.resources.map((one) => [one.name, one.outputs.values]));
    return { changes: this.changes, outputs };
  }
}
