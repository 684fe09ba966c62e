/**
 * One changing call of the embedded engine: makes what exists into what is wanted, one operation at a time.
 *
 * Around each operation: 1. write down that it begins; 2. let the handler do it; 3. write down what is now. Killed
 * between any two of these, the next run knows what may be there and adopts it (create is idempotent by identity) or
 * does it again (update, delete).
 *
 * A replaced resource is deleted first: its successor has the same identity, and create would adopt the old one.
 */
import { CellError } from '../../src/errors.ts';
import { credentialFor, type HandlerContext, type Inputs, type Live, type ResourceHandler } from '../handler.ts';
import type { Registry } from '../handlers.ts';
import type { Checkpoint, Known, Pending, Values } from './checkpoint.ts';
import type { Change, EngineOptions, Operation, StackResult } from './engine.ts';
import { failed, interrupted, refusedInputs } from './failures.ts';
import { canonical, keysThatDiffer } from './json.ts';
import type { Registered, Registration } from './runtime.ts';
import { secretInputs, secretOutputs, textsOf, textsOfCredentials } from './secrets.ts';

export interface RunSetup {
  readonly stack: string;
  readonly registry: Registry;
  readonly options: EngineOptions;
  /** Writes the checkpoint. Throws when the lease is lost. */
  readonly save: (checkpoint: Checkpoint) => void;
}

type Key = Pick<Known, 'type' | 'name'>;
const sameKey = (a: Key, b: Key) => a.type === b.type && a.name === b.name;

export class Run {
  private readonly setup: RunSetup;
  private resources: readonly Known[];
  private pending: readonly Pending[];
  private readonly changes: Change[] = [];
  private readonly wanted: Registration[] = [];
  private readonly secretTexts = new Set<string>();
  private failure: Error | null = null;
  private queue: Promise<unknown> = Promise.resolve();

  constructor(setup: RunSetup, checkpoint: Checkpoint) {
    this.setup = setup;
    this.resources = checkpoint.resources;
    this.pending = checkpoint.pending;
    for (const text of textsOfCredentials(setup.options.credentials)) this.secretTexts.add(text);
    for (const known of checkpoint.resources) this.remember(known.inputs, known.outputs);
    for (const pending of checkpoint.pending) this.remember(pending.inputs);
  }

  /** For the runtime: brings one resource about. Never throws; after a failure the rest is only looked at. */
  register(registration: Registration): Promise<Registered> {
    const answer = this.queue.then(async () => {
      this.wanted.push(registration);
      try {
        if (this.failure === null) return shown(await this.bring(registration));
      } catch (thrown) {
        this.failure = thrown as Error;
      }
      return { id: `${registration.name}-unmade`, outputs: registration.inputs, secret: registration.secret };
    });
    this.queue = answer;
    return answer;
  }

  /** After the program: deletes what it no longer registers, newest first. Throws the first failure of the run. */
  async finish(): Promise<StackResult> {
    if (this.failure !== null) throw this.failure;
    const isWanted = (key: Key) => this.wanted.some((registration) => sameKey(registration, key));
    for (const pending of this.pending.filter((one) => one.operation === 'create' && !isWanted(one))) {
      await this.takeBack(pending);
    }
    for (const known of this.resources.filter((one) => !isWanted(one)).reverse()) await this.remove(known);
    return this.result();
  }

  /** Deletes everything. */
  async destroy(): Promise<StackResult> {
    for (const pending of this.pending.filter((one) => one.operation === 'create')) await this.takeBack(pending);
    for (const known of [...this.resources].reverse()) await this.remove(known);
    return this.result();
  }

  /** Reads everything; what is gone is forgotten. */
  async refresh(): Promise<StackResult> {
    for (const known of this.resources) {
      const handler = await this.handlerOf(known);
      const context = this.context(handler, known.inputs.values);
      const live = await this.attempt('read', known, () => handler.read(known.id, known.inputs.values, context));
      const rest = this.resources.filter((one) => !sameKey(one, known));
      if (live === null) {
        this.keep(rest, this.pending);
        this.changed('delete', known, []);
        continue;
      }
      const keys = keysThatDiffer(known.outputs.values, live.outputs);
      if (keys.length > 0 || live.id !== known.id)
        this.put(this.knownOf(handler, known, known.inputs, live), this.pending);
      this.changed(keys.length > 0 ? 'update' : 'same', known, keys);
    }
    return this.result();
  }

  private async bring(registration: Registration): Promise<Known> {
    const handler = await this.handlerOf(registration);
    const values = registration.inputs;
    const inputs: Values = { values, secret: secretInputs(handler, values, registration.secret) };
    this.remember(inputs);
    const findings = handler.check(values);
    if (findings.length > 0) throw refusedInputs(this.setup.stack, registration.name, findings);
    const cutOff = this.pending.find((one) => one.operation === 'create' && sameKey(one, registration));
    if (cutOff !== undefined && canonical(cutOff.inputs.values) !== canonical(values))
      await this.adopt(handler, cutOff, values);

    const known = this.resources.find((one) => sameKey(one, registration));
    if (known === undefined) return this.create(handler, registration, inputs, 'create', []);
    const unfinished = this.pending.some((one) => one.operation !== 'create' && sameKey(one, registration));
    const keys = keysThatDiffer(known.inputs.values, values);
    if (keys.some((key) => handler.replaceOn.includes(key))) {
      await this.remove(known, true);
      return this.create(handler, registration, inputs, 'replace', keys);
    }
    if (keys.length > 0 || unfinished) return this.update(handler, known, inputs, keys);
    if (canonical([...known.inputs.secret]) !== canonical([...inputs.secret]))
      this.put({ ...known, inputs }, this.pending);
    this.changed('same', known, []);
    return known;
  }

  private async create(
    handler: ResourceHandler,
    key: Key,
    inputs: Values,
    as: 'create' | 'replace',
    keys: readonly string[],
  ): Promise<Known> {
    this.begin('create', key, inputs);
    const live = await this.attempt('create', key, () =>
      handler.create(inputs.values, this.context(handler, inputs.values)),
    );
    const known = this.knownOf(handler, key, inputs, live);
    this.put(known, this.without(key));
    this.changed(as, key, keys);
    return known;
  }

  private async update(
    handler: ResourceHandler,
    known: Known,
    inputs: Values,
    keys: readonly string[],
  ): Promise<Known> {
    this.begin('update', known, inputs);
    const before = known.inputs.values;
    const context = this.context(handler, inputs.values);
    const live = await this.attempt('update', known, () => handler.update(known.id, before, inputs.values, context));
    const updated = this.knownOf(handler, known, inputs, live);
    this.put(updated, this.without(known));
    this.changed('update', known, keys);
    return updated;
  }

  private async remove(known: Known, silent = false): Promise<void> {
    const handler = await this.handlerOf(known);
    this.begin('delete', known, known.inputs);
    const { values } = known.inputs;
    await this.attempt('delete', known, () => handler.delete(known.id, values, this.context(handler, values)));
    const rest = this.resources.filter((one) => !sameKey(one, known));
    this.keep(rest, this.without(known));
    if (!silent) this.changed('delete', known, []);
  }

  /** A create that was cut off, of something that is not wanted any more: finds it, or finishes it, and deletes it. */
  private async takeBack(pending: Pending): Promise<void> {
    const handler = await this.handlerOf(pending);
    const context = this.context(handler, pending.inputs.values);
    const find = async () =>
      handler.find === undefined
        ? handler.create(pending.inputs.values, context)
        : handler.find(pending.inputs.values, context);
    const live = await this.attempt('take back', pending, find);
    if (live === null) this.keep(this.resources, this.without(pending));
    else await this.remove(this.discovered(handler, pending, live));
  }

  /**
   * A create that was cut off, wanted with other inputs now. What it left becomes known and is then updated (so it is
   * finished first) or replaced like anything else. If it cannot be finished, its inputs may have been what was wrong
   * with it: it is made anew.
   */
  private async adopt(handler: ResourceHandler, pending: Pending, wanted: Inputs): Promise<void> {
    const { values } = pending.inputs;
    const context = this.context(handler, values);
    const finished = () => handler.create(values, context).catch(() => null);
    const find = handler.find;
    const found = find && (await this.attempt('find', pending, () => find.call(handler, values, context)));
    const replaced = keysThatDiffer(values, wanted).some((key) => handler.replaceOn.includes(key));
    const live = found === null || (found !== undefined && replaced) ? found : await finished();
    if (live !== null) this.discovered(handler, pending, live);
    else if (found) await this.remove(this.discovered(handler, pending, found), true);
    else this.keep(this.resources, this.without(pending));
  }

  /** What a create that was cut off left is in the checkpoint from here on, whatever becomes of it. */
  private discovered(handler: ResourceHandler, pending: Pending, live: Live): Known {
    const known = this.knownOf(handler, pending, pending.inputs, live);
    this.put(known, this.without(pending));
    return known;
  }

  private async attempt<T>(doing: string, key: Key, work: () => Promise<T>): Promise<T> {
    const { stack, options } = this.setup;
    if (options.signal?.aborted) throw interrupted(stack);
    try {
      return await work();
    } catch (thrown) {
      throw failed(stack, doing, key.name, thrown, [...this.secretTexts]);
    }
  }

  private begin(operation: Pending['operation'], { type, name }: Key, inputs: Values): void {
    if (this.setup.options.signal?.aborted) throw interrupted(this.setup.stack);
    this.keep(this.resources, [...this.without({ type, name }), { operation, type, name, inputs }]);
  }

  private put(known: Known, pending: readonly Pending[]): void {
    const at = this.resources.findIndex((one) => sameKey(one, known));
    this.keep(at < 0 ? [...this.resources, known] : this.resources.with(at, known), pending);
  }

  private keep(resources: readonly Known[], pending: readonly Pending[]): void {
    this.setup.save({ resources, pending });
    this.resources = resources;
    this.pending = pending;
  }

  private without(key: Key): readonly Pending[] {
    return this.pending.filter((one) => !sameKey(one, key));
  }

  private knownOf(handler: ResourceHandler, { type, name }: Key, inputs: Values, live: Live): Known {
    const secret = secretOutputs(handler, live.outputs, inputs.values, inputs.secret);
    const outputs: Values = { values: live.outputs, secret };
    this.remember(outputs);
    return { type, name, id: live.id, inputs, outputs };
  }

  private remember(...all: readonly Values[]): void {
    for (const { values, secret } of all) for (const text of textsOf(values, secret)) this.secretTexts.add(text);
  }

  private async handlerOf({ type, name }: Key): Promise<ResourceHandler> {
    try {
      return await this.setup.registry.get(type);
    } catch (thrown) {
      if (!(thrown instanceof CellError)) throw thrown;
      throw failed(this.setup.stack, 'handle', name, thrown, []);
    }
  }

  private context(handler: ResourceHandler, inputs: Inputs): HandlerContext {
    const { credentials, signal } = this.setup.options;
    return { credential: credentialFor(handler, inputs, credentials), signal };
  }

  private changed(operation: Operation, { type, name }: Key, keys: readonly string[]): void {
    const change: Change = { operation, type, name, keys };
    this.changes.push(change);
    if (operation !== 'same') this.setup.options.onChange?.(change);
  }

  private result(): StackResult {
    const outputs = Object.fromEntries(this.resources.map((known) => [known.name, known.outputs.values]));
    return { changes: this.changes, outputs };
  }
}

function shown({ id, outputs }: Known): Registered {
  return { id, outputs: outputs.values, secret: outputs.secret };
}
