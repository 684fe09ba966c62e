/**
 * One stack's folder as the Pulumi CLI sees it: a `file://` backend, a project, a home, all below the stack's own
 * folder, so that two stacks share nothing and a destroyed one leaves nothing.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { LocalWorkspaceOptions, Stack } from '@pulumi/pulumi/automation/index.js';
import { packageRoot } from '../../src/programs.ts';
import type { Program } from '../program.ts';
import { nameOf } from '../provider.ts';
import type { Json } from '../stack.ts';
import { corrupt } from './failures.ts';
import { passphraseOf, type StackHome, writeDurably } from './home.ts';
import type { EngineSetup } from './index.ts';
import { commandOf } from './pulumi.command.ts';
import { environmentOf, type Provider } from './pulumi.credentials.ts';
import { pluginFolders } from './pulumi.plugins.ts';

const PROJECT = 'cell';

/** A deployment as `pulumi stack export` gives it. */
export interface Deployment {
  readonly version: number;
  readonly deployment: {
    readonly resources?: readonly DeployedResource[];
    readonly pending_operations?: readonly { readonly type: string; readonly resource: DeployedResource }[];
  };
}

export interface DeployedResource {
  readonly urn: string;
  readonly type: string;
  readonly custom: boolean;
  readonly id?: string;
  readonly inputs?: { readonly [key: string]: Json };
  readonly outputs?: { readonly [key: string]: Json };
}

export class PulumiWorkspace {
  readonly stack: string;
  readonly home: StackHome;
  private readonly cli: string;
  private readonly setup: EngineSetup;
  /** Providers of Pulumi's packages that the next call of the CLI starts, and the folders of their plugins. */
  private providers: readonly Provider[] = [];
  private plugins: readonly string[] = [];

  constructor(stack: string, home: StackHome, cli: string, setup: EngineSetup) {
    this.stack = stack;
    this.home = home;
    this.cli = cli;
    this.setup = setup;
  }

  /** The next calls start these. Throws CellError ENGINE_MISSING where the plugin of one is not here. */
  use(providers: readonly Provider[]): void {
    this.plugins = pluginFolders(providers);
    this.providers = providers;
  }

  get usesPlugins(): boolean {
    return this.providers.length > 0;
  }

  get stateFolder(): string {
    return join(this.home.folder, 'state', '.pulumi');
  }

  /** Where the plugin notes which keys differ. */
  get diffsFile(): string {
    return join(this.home.folder, 'diffs');
  }

  get pluginsFolder(): string {
    return join(this.home.folder, 'plugins');
  }

  exists(): boolean {
    return existsSync(this.stateFile());
  }

  /**
   * Whether the last call was cut off in an operation, by the state file itself: no CLI is started to know. A spoilt
   * state file is first replaced by the copy that the CLI keeps of the one before, so call it with the lease.
   * Throws CellError CHECKPOINT_CORRUPT when that is spoilt too.
   */
  wasCutOff(): boolean {
    if (!this.exists()) return false;
    const file = this.stateFile();
    let state = parse(file);
    if (state === null) {
      state = parse(`${file}.bak`);
      if (state === null) throw corrupt(file, 'it is not what the Pulumi CLI writes, and so is its copy');
      writeDurably(file, readFileSync(`${file}.bak`, 'utf8'));
    }
    return (state.checkpoint.latest?.pending_operations?.length ?? 0) > 0;
  }

  /** The providers that the state file names, without starting a CLI. */
  known(): readonly Provider[] {
    const resources = this.exists() ? (parse(this.stateFile())?.checkpoint.latest?.resources ?? []) : [];
    return resources.map(({ type, urn }) => ({ type, name: nameOf(urn) }));
  }

  /** The stack of the Automation API; made when there is none. */
  async open(program: Program = async () => ({})): Promise<Stack> {
    const { LocalWorkspace } = await import('@pulumi/pulumi/automation/index.js');
    const args = { stackName: this.stack, projectName: PROJECT, program };
    const options: LocalWorkspaceOptions = {
      workDir: this.folder('work'),
      pulumiHome: this.folder('cli'),
      pulumiCommand: await commandOf(this.cli, this.folder('cli')),
      secretsProvider: 'passphrase',
      envVars: this.environment(),
      projectSettings: { name: PROJECT, runtime: 'nodejs', backend: { url: this.backend() } },
    };
    return this.exists() ? LocalWorkspace.selectStack(args, options) : LocalWorkspace.createStack(args, options);
  }

  /** The deployment; with `secrets`, in the clear: never write that down. */
  async export(secrets: boolean): Promise<Deployment> {
    const show = secrets ? ['--show-secrets'] : [];
    return JSON.parse(await this.run(['stack', 'export', '--stack', this.stack, ...show])) as Deployment;
  }

  /** Takes a deployment in over stdin, as one with secrets in the clear must not touch a disk. */
  async import(deployment: Json | Deployment): Promise<void> {
    await this.run(['stack', 'import', '--stack', this.stack], JSON.stringify(deployment));
  }

  /** Update histories only grow, and the audit of an organism is its feeds. */
  dropHistory(): void {
    for (const name of ['history', 'backups']) rmSync(join(this.stateFolder, name), { recursive: true, force: true });
    rmSync(this.diffsFile, { force: true });
  }

  private stateFile(): string {
    return join(this.stateFolder, 'stacks', PROJECT, `${this.stack}.json`);
  }

  private backend(): string {
    return `file://${this.folder('state')}`;
  }

  private environment(): Record<string, string> {
    const passphrase = passphraseOf(this.home);
    return {
      PULUMI_BACKEND_URL: this.backend(),
      PULUMI_CONFIG_PASSPHRASE_FILE: this.home.passphraseFile,
      // One that the caller's environment happens to hold would go before the file.
      ...(process.env.PULUMI_CONFIG_PASSPHRASE === undefined ? {} : { PULUMI_CONFIG_PASSPHRASE: passphrase }),
      PULUMI_SKIP_UPDATE_CHECK: 'true',
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: 'true',
      PULUMI_DISABLE_CHECKPOINT_BACKUPS: 'true',
      PATH: [join(packageRoot(), 'bin'), ...this.plugins, process.env.PATH ?? ''].join(delimiter),
      CELL_NODE: process.execPath,
      CELL_CREDENTIALS: JSON.stringify(this.setup.credentials),
      CELL_HANDLERS: this.setup.handlers ?? '',
      CELL_PLUGIN_PIDS: this.pluginsFolder,
      CELL_DIFFS: this.diffsFile,
      ...environmentOf(this.providers, this.setup.credentials),
    };
  }

  private run(args: readonly string[], stdin = ''): Promise<string> {
    return new Promise((resolve, reject) => {
      const env = { ...process.env, ...this.environment(), PULUMI_HOME: this.folder('cli') };
      const child = spawn(this.cli, [...args, '--non-interactive'], { cwd: this.folder('work'), env });
      const out: Buffer[] = [];
      const err: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
      child.stdin.on('error', () => undefined); // it ended without reading; its exit code says why
      child.stdin.end(stdin);
      child.on('error', reject);
      child.on('close', (code) => {
        if (code === 0) resolve(Buffer.concat(out).toString('utf8'));
        else reject(new Error(`pulumi ${args.slice(0, 2).join(' ')}: ${Buffer.concat(err).toString('utf8').trim()}`));
      });
    });
  }

  private folder(name: string): string {
    const folder = join(this.home.folder, name);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  }
}

interface State {
  readonly checkpoint: {
    readonly latest?: {
      readonly pending_operations?: readonly unknown[];
      readonly resources?: readonly DeployedResource[];
    } | null;
  };
}

function parse(file: string): State | null {
  try {
    const state = JSON.parse(readFileSync(file, 'utf8')) as State | null;
    return typeof state?.checkpoint === 'object' && state.checkpoint !== null ? state : null;
  } catch {
    return null;
  }
}
