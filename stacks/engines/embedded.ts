/**
 * The embedded engine: the plan's Pulumi program in this process, our own handlers, a checkpoint in a file. For stacks
 * of `cell:*` resources only; needs no Pulumi CLI and starts nothing.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../src/errors.ts';
import type { Registry } from '../handlers.ts';
import type { Bindings, StackPlan } from '../stack.ts';
import {
  backupOf,
  type Checkpoint,
  readCheckpoint,
  sealCheckpoint,
  unsealCheckpoint,
  writeCheckpoint,
} from './checkpoint.ts';
import type { Engine, EngineOptions, Portable, StackResult } from './engine.ts';
import { carried, corrupt, locked } from './failures.ts';
import { holding, passphraseOf, type StackHome, stackHome } from './home.ts';
import { programOf } from './programs.ts';

const EMPTY: Checkpoint = { resources: [], pending: [] };

export class EmbeddedEngine implements Engine {
  readonly name = 'embedded';
  private readonly options: EngineOptions;
  private readonly registry: Registry;

  constructor(options: EngineOptions, registry: Registry) {
    this.options = options;
    this.registry = registry;
  }

  async preview(plan: StackPlan, bindings: Bindings): Promise<StackResult> {
    const program = await programOf(plan, bindings);
    const checkpoint = readCheckpoint(plan.name, this.home(plan.name)) ?? EMPTY;
    const [{ runProgram }, { Preview }] = await Promise.all([import('./runtime.ts'), import('./preview.ts')]);
    const preview = new Preview(plan.name, this.registry, checkpoint);
    await runProgram(program, { stack: plan.name, preview: true }, (one) => preview.register(one));
    return preview.finish();
  }

  async up(plan: StackPlan, bindings: Bindings): Promise<StackResult> {
    const program = await programOf(plan, bindings);
    const { runProgram } = await import('./runtime.ts');
    return this.run(plan.name, async (run) => {
      await runProgram(program, { stack: plan.name, preview: false }, (one) => run.register(one));
      return run.finish();
    });
  }

  async destroy(stack: string): Promise<StackResult> {
    const home = this.home(stack);
    if (!existsSync(home.folder)) return { changes: [], outputs: {} };
    return this.run(stack, async (run) => {
      const result = await run.destroy();
      // The checkpoint goes last: until then, a call that is cut off here finds an empty stack.
      for (const file of [backupOf(home.checkpointFile), home.checkpointFile]) rmSync(file, { force: true });
      rmSync(home.folder, { recursive: true, force: true });
      return result;
    });
  }

  async refresh(stack: string): Promise<StackResult> {
    if (!existsSync(this.home(stack).folder)) return { changes: [], outputs: {} };
    return this.run(stack, (run) => run.refresh());
  }

  async forget(stack: string): Promise<void> {
    const home = this.home(stack);
    if (!existsSync(home.folder)) return;
    await holding(stack, home, async () => rmSync(home.folder, { recursive: true, force: true }));
  }

  async export(stack: string): Promise<Portable | null> {
    const home = this.home(stack);
    const checkpoint = readCheckpoint(stack, home);
    if (checkpoint === null) return null;
    const passphrase = passphraseOf(home);
    return { v: 1, engine: this.name, stack, passphrase, checkpoint: sealCheckpoint(stack, checkpoint, passphrase) };
  }

  async import(stack: string, portable: Portable): Promise<void> {
    carried(portable, this.name);
    let checkpoint: Checkpoint;
    try {
      checkpoint = unsealCheckpoint(stack, portable.checkpoint, portable.passphrase);
    } catch (thrown) {
      throw corrupt(`of stack ${stack} that was sent`, messageOf(thrown));
    }
    const home = this.home(stack);
    // Sealed anew with the passphrase of this home: nobody who kept the sender's copy opens what comes later.
    await holding(stack, home, async () => writeCheckpoint(stack, home, checkpoint, passphraseOf(home)));
  }

  async list(): Promise<readonly string[]> {
    const folder = join(this.options.home, this.name);
    if (!existsSync(folder)) return [];
    const has = (stack: string) => {
      const file = join(folder, stack, 'checkpoint.json');
      return existsSync(file) || existsSync(backupOf(file));
    };
    return readdirSync(folder).filter(has).sort();
  }

  private async run(stack: string, work: (run: InstanceType<typeof import('./run.ts').Run>) => Promise<StackResult>) {
    const home = this.home(stack);
    const { Run } = await import('./run.ts');
    return holding(stack, home, async (lease) => {
      const checkpoint = readCheckpoint(stack, home) ?? EMPTY;
      const passphrase = passphraseOf(home);
      const save = (next: Checkpoint): void => {
        if (!lease.held()) throw locked(stack, 'its lock ran out while this computer was busy or asleep');
        writeCheckpoint(stack, home, next, passphrase);
      };
      return work(new Run({ stack, registry: this.registry, options: this.options, save }, checkpoint));
    });
  }

  private home(stack: string): StackHome {
    return stackHome(this.options.home, this.name, stack);
  }
}
