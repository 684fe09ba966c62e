/**
 * The Pulumi engine: the Automation API with an inline program and a `file://` backend, our resources served by
 * bin/pulumi-resource-cell. For stacks with resources of any package.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Stack } from '@pulumi/pulumi/automation/index.js';
import { CellError } from '../../src/errors.ts';
import type { Registry } from '../handlers.ts';
import type { Program } from '../program.ts';
import type { Bindings, StackPlan } from '../stack.ts';
import type { Change, Engine, Portable, StackResult } from './engine.ts';
import { carried, failed, interrupted } from './failures.ts';
import { holding, passphraseOf, stackHome, writeDurably } from './home.ts';
import type { EngineSetup } from './index.ts';
import { keysThatDiffer } from './json.ts';
import { programOf } from './programs.ts';
import { demanded } from './pulumi.credentials.ts';
import { Events } from './pulumi.events.ts';
import { findPulumi, missing } from './pulumi.find.ts';
import { clearLeftovers } from './pulumi.leftovers.ts';
import { outputsIn, resourcesIn, secretsIn, settle } from './pulumi.state.ts';
import { PulumiWorkspace } from './pulumi.workspace.ts';
import { textsOfCredentials } from './secrets.ts';

const NOTHING: StackResult = { changes: [], outputs: {} };

interface CallOptions {
  readonly onEvent: (event: import('@pulumi/pulumi/automation/index.js').EngineEvent) => void;
  readonly color: 'never';
  readonly signal: AbortSignal;
}

export class PulumiEngine implements Engine {
  readonly name = 'pulumi';
  private readonly setup: EngineSetup;
  private readonly registry: Registry;
  private readonly cli: string;

  private constructor(setup: EngineSetup, registry: Registry, cli: string) {
    this.setup = setup;
    this.registry = registry;
    this.cli = cli;
  }

  /** Throws CellError ENGINE_MISSING. */
  static open(setup: EngineSetup, registry: Registry): PulumiEngine {
    const cli = findPulumi();
    if (cli === null) throw missing();
    return new PulumiEngine(setup, registry, cli);
  }

  async preview(plan: StackPlan, bindings: Bindings): Promise<StackResult> {
    const program = await programOf(plan, bindings);
    const secrets = Object.values(bindings.secrets ?? {});
    const look = async (workspace: PulumiWorkspace) => {
      workspace.use(demanded(plan.resources, this.setup.credentials));
      const outputs = workspace.exists() ? outputsIn(await workspace.export(true)) : {};
      const result = await this.call(workspace, program, 'preview', secrets, (stack, options) =>
        stack.preview(options),
      );
      return { ...result, outputs };
    };
    const workspace = this.workspace(plan.name);
    if (workspace.exists()) return look(workspace);
    // Pulumi previews only stacks that exist, and a preview must not make one.
    const aside = mkdtempSync(join(tmpdir(), 'cell-preview-'));
    try {
      return await look(this.workspace(plan.name, aside));
    } finally {
      rmSync(aside, { recursive: true, force: true });
    }
  }

  async up(plan: StackPlan, bindings: Bindings): Promise<StackResult> {
    const program = await programOf(plan, bindings);
    const secrets = Object.values(bindings.secrets ?? {});
    return this.changing(plan.name, async (workspace, lost) => {
      workspace.use(demanded(plan.resources, this.setup.credentials));
      const result = await this.call(
        workspace,
        program,
        'update',
        secrets,
        (stack, options) => stack.up(options),
        lost,
      );
      return { ...result, outputs: outputsIn(await workspace.export(true)) };
    });
  }

  async destroy(stack: string): Promise<StackResult> {
    if (!existsSync(this.workspace(stack).home.folder)) return NOTHING;
    return this.changing(stack, async (workspace, lost) => {
      workspace.use(demanded(workspace.known(), this.setup.credentials));
      const secrets = workspace.exists() ? secretsIn(await workspace.export(true)) : [];
      const result = workspace.exists()
        ? await this.call(
            workspace,
            undefined,
            'destroy',
            secrets,
            (one, options) => one.destroy({ ...options, refresh: workspace.usesPlugins }),
            lost,
          )
        : NOTHING;
      rmSync(workspace.home.folder, { recursive: true, force: true });
      return result;
    });
  }

  async refresh(stack: string): Promise<StackResult> {
    if (!this.workspace(stack).exists()) return NOTHING;
    return this.changing(stack, async (workspace, lost) => {
      workspace.use(demanded(workspace.known(), this.setup.credentials));
      const exported = await workspace.export(true);
      const before = outputsIn(exported);
      const secrets = secretsIn(exported);
      await this.call(
        workspace,
        undefined,
        'refresh',
        secrets,
        (one, options) => one.refresh(options),
        lost,
        () => undefined,
      );
      const outputs = outputsIn(await workspace.export(true));
      // Pulumi's events call a resource unchanged when only its outputs drifted, so the two deployments are compared.
      const changes = resourcesIn(exported).map(({ type, name }): Change => {
        const now = outputs[name];
        const keys = now === undefined ? [] : keysThatDiffer(before[name] ?? {}, now);
        return { operation: now === undefined ? 'delete' : keys.length > 0 ? 'update' : 'same', type, name, keys };
      });
      for (const change of changes) if (change.operation !== 'same') this.setup.onChange?.(change);
      return { changes, outputs };
    });
  }

  async forget(stack: string): Promise<void> {
    const { folder } = this.workspace(stack).home;
    if (!existsSync(folder)) return;
    await this.changing(stack, async () => rmSync(folder, { recursive: true, force: true }), false);
  }

  async export(stack: string): Promise<Portable | null> {
    const workspace = this.workspace(stack);
    if (!workspace.exists()) return null;
    const checkpoint = (await workspace.export(false)) as unknown as Portable['checkpoint'];
    return { v: 1, engine: this.name, stack, passphrase: passphraseOf(workspace.home), checkpoint };
  }

  async import(stack: string, portable: Portable): Promise<void> {
    carried(portable, this.name);
    await this.changing(stack, async (workspace) => {
      for (const name of ['state', 'work']) rmSync(join(workspace.home.folder, name), { recursive: true, force: true });
      writeDurably(workspace.home.passphraseFile, `${portable.passphrase}\n`);
      try {
        await workspace.open();
        await workspace.import(portable.checkpoint);
      } catch (thrown) {
        throw failed(stack, 'take in the checkpoint of', null, thrown, [portable.passphrase]);
      }
    });
  }

  async list(): Promise<readonly string[]> {
    const folder = join(this.setup.home, this.name);
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((stack) => this.workspace(stack).exists())
      .sort();
  }

  private workspace(stack: string, home = this.setup.home): PulumiWorkspace {
    return new PulumiWorkspace(stack, stackHome(home, this.name, stack), this.cli, this.setup);
  }

  /** With the lease, after what an earlier call may have left. */
  private changing<T>(
    stack: string,
    work: (workspace: PulumiWorkspace, lost: AbortSignal) => Promise<T>,
    settling = true,
  ): Promise<T> {
    const workspace = this.workspace(stack);
    return holding(stack, workspace.home, async (_lease, lost) => {
      await clearLeftovers(workspace);
      if (settling && workspace.wasCutOff()) await settle(workspace, this.registry, this.setup.credentials);
      try {
        return await work(workspace, lost);
      } finally {
        workspace.dropHistory();
      }
    });
  }

  /** One call of the CLI, its events as changes, its failure as a CellError without secrets. */
  private async call(
    workspace: PulumiWorkspace,
    program: Program | undefined,
    doing: string,
    secrets: readonly string[],
    work: (stack: Stack, options: CallOptions) => Promise<unknown>,
    lost: AbortSignal = new AbortController().signal,
    onChange = this.setup.onChange,
  ): Promise<StackResult> {
    const { signal, credentials } = this.setup;
    const any = signal === undefined ? lost : AbortSignal.any([signal, lost]);
    const events = new Events(workspace.diffsFile, doing === 'preview', (change) => onChange?.(change));
    try {
      if (any.aborted) throw interrupted(workspace.stack);
      const stack = await workspace.open(program);
      await work(stack, { onEvent: (event) => events.take(event), color: 'never', signal: any });
      return { changes: events.changes, outputs: {} };
    } catch (thrown) {
      if (lost.aborted) throw lost.reason;
      if (signal?.aborted) throw interrupted(workspace.stack);
      if (thrown instanceof CellError) throw thrown;
      const hidden = [...secrets, ...textsOfCredentials(credentials)];
      const failure = events.failure();
      if (failure === null) throw failed(workspace.stack, doing, null, thrown, hidden);
      throw failed(workspace.stack, doing, failure.resource, new Error(failure.message, { cause: thrown }), hidden);
    }
  }
}
