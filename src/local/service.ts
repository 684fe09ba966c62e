/**
 * The life of one service: started, restarted when it crashes, stopped with everything it started.
 *
 * States are systemd's: inactive -> activating -> active -> deactivating -> inactive, or failed. A service that waits
 * for its next try is `activating (auto-restart)`.
 */
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseEnvironmentFile } from '../effects/quote.ts';
import { messageOf } from '../errors.ts';
import { clearCgroup, writeCgroup } from './cgroup.ts';
import type { GroupSpawner } from './groups.ts';
import { appendJournal, lineWriter } from './journal.ts';
import { descendants, hasProc, processesWith, signalTo, UNIT } from './processes.ts';
import type { CommandLine, ServiceUnit } from './unitfile.ts';
import { expandWords } from './words.ts';

export type ActiveState = 'inactive' | 'activating' | 'active' | 'deactivating' | 'failed';

export interface ServiceWorld {
  readonly root: string;
  readonly env: Readonly<Record<string, string>>;
  readonly spawn: GroupSpawner;
  /** Told after each change of state. */
  readonly changed: (service: Service) => void;
}

/** The longest pause before a crashed service is tried again, unless its RestartSec is longer; ms. */
const MAX_RESTART_DELAY = 10_000;
/** A run of at least this long forgets the crashes before it; ms. */
const STEADY = 10_000;
/** How systemd counts an end by these signals: as asked for, not as a crash. */
const CLEAN_SIGNALS = new Set(['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGPIPE']);
const MAX_TIMER = 2 ** 31 - 1;

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Service {
  unit: ServiceUnit;
  state: ActiveState = 'inactive';
  sub = 'dead';
  result = 'success';
  mainPid = 0;
  restarts = 0;
  lastExit: Exit = { code: 0, signal: null };
  /** When it was last started, in ms since the epoch. */
  startedAt: number | null = null;
  readonly #world: ServiceWorld;
  #child: ChildProcess | null = null;
  #token = '';
  #crashes = 0;
  #ending = false;
  #retry: NodeJS.Timeout | null = null;
  /** Ends when the present run has, with everything of it. */
  #run: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | null = null;

  constructor(unit: ServiceUnit, world: ServiceWorld) {
    this.unit = unit;
    this.#world = world;
  }

  /**
   * As `systemctl start`: returns at once for a simple service, after the end of a oneshot one. Rejects when a oneshot
   * fails. Starting what runs is fine.
   */
  async start(): Promise<void> {
    while (this.#stopping !== null) await this.#stopping;
    this.#cancelRetry();
    // The last run is over but for its leftovers: this start is a new one, not a part of it.
    if (this.#ending) await this.#run;
    this.#cancelRetry();
    if (this.#child === null && this.state !== 'active') this.#begin();
    if (this.unit.type === 'simple') return;
    await this.#run;
    if (this.state === 'failed') throw new Error(`Job for ${this.unit.name} failed: ${this.result}`);
  }

  /** Stops it and everything it started: SIGTERM, and SIGKILL for what is left after TimeoutStopSec. */
  async stop(): Promise<void> {
    if (this.#stopping !== null) return this.#stopping;
    this.#cancelRetry();
    if (this.#child === null && this.state !== 'deactivating') {
      if (this.state !== 'failed') this.#to('inactive', 'dead');
      return;
    }
    this.#stopping = this.#stopRun().finally(() => {
      this.#stopping = null;
    });
    return this.#stopping;
  }

  async reload(): Promise<void> {
    if (this.unit.reload.length === 0) throw new Error(`${this.unit.name} has no ExecReload=`);
    for (const command of this.unit.reload) await this.#helper(command);
  }

  /** Forgets a failure. */
  reset(): void {
    this.#crashes = 0;
    if (this.state === 'failed') this.#to('inactive', 'dead');
  }

  /** Pids of the service as far as they are cheaply known: its main process and that one's descendants. */
  pids(): number[] {
    return this.mainPid === 0 ? [] : descendants(this.mainPid);
  }

  signal(name: NodeJS.Signals): void {
    for (const pid of this.#members()) signalTo(pid, name);
  }

  #begin(): void {
    this.#token = `${this.unit.name}:${randomBytes(6).toString('hex')}`;
    this.startedAt = Date.now();
    this.result = 'success';
    this.#run = this.unit.type === 'simple' ? this.#runSimple() : this.#runOneshot();
  }

  async #runSimple(): Promise<void> {
    const exit = this.#execute(this.unit.start[0] as CommandLine);
    this.#to('active', 'running');
    await this.#ended(await exit, this.unit.start[0]?.ignoreFailure === true);
  }

  async #runOneshot(): Promise<void> {
    this.#to('activating', 'start');
    let exit: Exit = { code: 0, signal: null };
    let forgiven = false;
    for (const command of this.unit.start) {
      const pending = this.#execute(command);
      this.#to('activating', 'start');
      exit = await pending;
      forgiven = command.ignoreFailure;
      if (this.#stopping !== null || !(isClean(exit) || forgiven)) break;
    }
    await this.#ended(exit, forgiven);
  }

  /** One command with its output in the journal. Never rejects: what cannot start ended with code 203, as in systemd. */
  #execute(command: CommandLine): Promise<Exit> {
    const { root } = this.#world;
    return new Promise((resolve) => {
      let child: ChildProcess;
      try {
        const env = { ...this.#environment(), [UNIT]: this.#token };
        const [program = '', ...args] = expandWords(command.words, env);
        const cwd = this.unit.workingDirectory?.replace(/^-/, '') ?? root;
        child = this.#world.spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
      } catch (thrown) {
        appendJournal(root, this.unit.name, 0, messageOf(thrown));
        resolve({ code: 203, signal: null });
        return;
      }
      child.once('error', (error) => {
        appendJournal(root, this.unit.name, 0, `cannot start: ${error.message}`);
        this.#child = null;
        resolve({ code: 203, signal: null });
      });
      if (child.pid === undefined) return;
      this.#child = child;
      this.mainPid = child.pid;
      writeCgroup(root, this.unit.name, [child.pid]);
      for (const stream of [child.stdout, child.stderr]) {
        const lines = lineWriter(root, this.unit.name, child.pid);
        stream?.on('data', (data: Buffer) => lines.write(data));
        stream?.on('close', () => lines.end());
      }
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
  }

  /** The main process is gone: end the rest of it, then be done, failed or tried again. */
  async #ended(exit: Exit, forgiven: boolean): Promise<void> {
    const asked = this.#stopping !== null;
    this.lastExit = exit;
    this.#ending = true;
    if (!asked) await this.#endMembers('SIGTERM', this.unit.stopTimeout);
    this.#ending = false;
    this.#child = null;
    this.mainPid = 0;
    clearCgroup(this.#world.root, this.unit.name);
    const failed = !asked && !forgiven && !isClean(exit);
    if (failed) {
      this.result = exit.signal === null ? 'exit-code' : 'signal';
      const how = exit.signal === null ? `code ${exit.code}` : `signal ${exit.signal}`;
      appendJournal(this.#world.root, this.unit.name, 0, `main process exited, ${how}`);
    }
    const again = !asked && this.#stopping === null && this.#wantsRestart(failed);
    if (again) this.#retryLater();
    else if (this.unit.remainAfterExit && !failed && !asked) this.#to('active', 'exited');
    else this.#to(failed ? 'failed' : 'inactive', failed ? 'failed' : 'dead');
  }

  #wantsRestart(failed: boolean): boolean {
    if (this.unit.restart === 'on-failure') return failed;
    // systemd refuses `always` for oneshot; an end without failure is what a oneshot is for.
    return this.unit.restart === 'always' && (this.unit.type === 'simple' || failed);
  }

  #retryLater(): void {
    const steady = Date.now() - (this.startedAt ?? 0) >= STEADY;
    this.#crashes = steady ? 0 : this.#crashes + 1;
    const delay = this.unit.restartDelay * 2 ** Math.min(Math.max(this.#crashes - 1, 0), 16);
    this.#to('activating', 'auto-restart');
    this.#retry = setTimeout(
      () => {
        this.#retry = null;
        this.restarts++;
        this.#begin();
      },
      Math.min(delay, Math.max(this.unit.restartDelay, MAX_RESTART_DELAY), MAX_TIMER),
    );
  }

  #cancelRetry(): void {
    if (this.#retry === null) return;
    clearTimeout(this.#retry);
    this.#retry = null;
    this.state = 'inactive';
  }

  async #stopRun(): Promise<void> {
    this.#to('deactivating', 'stop-sigterm');
    for (const command of this.unit.stop) await this.#helper(command).catch(() => {});
    const forced = await this.#endMembers('SIGTERM', this.unit.stopTimeout);
    if (forced) this.result = 'timeout';
    await this.#run;
    this.#to('inactive', 'dead');
  }

  /** Whether it took SIGKILL. */
  async #endMembers(first: NodeJS.Signals, grace: number): Promise<boolean> {
    const main = this.mainPid;
    const alone = this.unit.killMode === 'mixed' && hasProc && main !== 0;
    for (const pid of alone ? [main] : this.#members()) signalTo(pid, first);
    const until = Date.now() + grace;
    for (let pause = 2; ; pause = Math.min(pause * 2, 50)) {
      const left = this.#members();
      if (left.length === 0) return Date.now() > until;
      const over = Date.now() > until || (alone && !left.includes(main));
      if (over) for (const pid of left) signalTo(pid, 'SIGKILL');
      await sleep(pause);
    }
  }

  /** Every process of this run, also those that left its session. Where there is no /proc: its group. */
  #members(): number[] {
    if (hasProc) return processesWith({ [UNIT]: this.#token });
    const group = this.#child?.pid;
    return group !== undefined && signalTo(-group, 'SIGCONT') ? [-group] : [];
  }

  async #helper(command: CommandLine): Promise<void> {
    const env = { ...this.#environment(), [UNIT]: `${this.#token}-control`, MAINPID: String(this.mainPid) };
    const [program = '', ...args] = expandWords(command.words, env);
    const cwd = this.unit.workingDirectory?.replace(/^-/, '') ?? this.#world.root;
    const child = this.#world.spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const lines = lineWriter(this.#world.root, this.unit.name, child.pid ?? 0);
    child.stdout?.on('data', (data: Buffer) => lines.write(data));
    child.stderr?.on('data', (data: Buffer) => lines.write(data));
    const limit = setTimeout(() => child.kill('SIGKILL'), Math.min(this.unit.stopTimeout, MAX_TIMER));
    try {
      await new Promise<void>((resolve, reject) => {
        child.once('error', reject);
        child.once('close', (code) => {
          if (code === 0 || command.ignoreFailure) resolve();
          else reject(new Error(`${program} exited with code ${code}`));
        });
      });
    } finally {
      clearTimeout(limit);
      lines.end();
    }
  }

  #environment(): Record<string, string> {
    const env = { ...this.#world.env, ...this.unit.environment };
    for (const { path, optional } of this.unit.environmentFiles) {
      try {
        Object.assign(env, parseEnvironmentFile(readFileSync(path, 'utf8')));
      } catch (thrown) {
        if (!optional) throw new Error(`cannot read EnvironmentFile=${path}: ${messageOf(thrown)}`);
      }
    }
    return env;
  }

  #to(state: ActiveState, sub: string): void {
    // A stop under way is not overtaken by what the run still has to say.
    if (this.#stopping !== null && state !== 'inactive' && state !== 'deactivating') return;
    this.state = state;
    this.sub = sub;
    this.#world.changed(this);
  }
}

function isClean({ code, signal }: Exit): boolean {
  return signal === null ? code === 0 : CLEAN_SIGNALS.has(signal);
}
