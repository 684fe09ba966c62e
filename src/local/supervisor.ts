/**
 * The service manager of a local machine: which units there are, which are enabled, and what runs.
 *
 * Unit files are read when first asked for and kept until `daemon-reload`, as in systemd.
 */
import { mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import { layout } from '../layout.ts';
import { writeCgroup } from './cgroup.ts';
import { namesIn } from './files.ts';
import type { GroupSpawner } from './groups.ts';
import { appendJournal } from './journal.ts';
import { Service } from './service.ts';
import { Timer } from './timer.ts';
import { parseUnit } from './unitfile.ts';

export interface SupervisorOptions {
  readonly root: string;
  readonly env: Readonly<Record<string, string>>;
  readonly spawn: GroupSpawner;
}

/** How often the lists of a unit's pids are brought up to date while any unit runs; ms. */
const PIDS_EVERY = 1_000;
const UNIT_NAME = /^[A-Za-z0-9:_.\\@-]+\.(?:service|timer)$/;

/** `web` means `web.service`. Throws on a name that no unit can have. */
export function unitName(text: string): string {
  const name =
    /\.[a-z]+$/.test(text) && /\.(?:service|timer|target|socket|mount)$/.test(text) ? text : `${text}.service`;
  if (!UNIT_NAME.test(name)) throw new Error(`Invalid unit name "${text}"`);
  return name;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #bootedAt = Date.now();
  readonly #units = new Map<string, Service | Timer>();
  readonly #stale = new Set<string>();
  #pidTimer: NodeJS.Timeout | null = null;
  #off = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Starts what is enabled. One that fails does not keep the others. */
  boot(): void {
    for (const name of this.#enabled()) this.start(name).catch((thrown: unknown) => this.#note(name, thrown));
  }

  /** Stops everything, each unit in its own way but in `limit` ms at most. */
  async powerOff(limit: number): Promise<void> {
    this.#off = true;
    const units = [...this.#units.values()];
    for (const unit of units) if (unit instanceof Timer) unit.stop();
    const stopped = Promise.all(units.map((unit) => (unit instanceof Service ? unit.stop() : null)));
    await Promise.race([stopped, new Promise((resolve) => setTimeout(resolve, limit))]);
    if (this.#pidTimer !== null) clearInterval(this.#pidTimer);
  }

  async start(name: string): Promise<void> {
    if (this.#off) throw new Error('the machine is powering off');
    await this.get(name).start();
  }

  async stop(name: string): Promise<void> {
    await this.get(name).stop();
  }

  async restart(name: string): Promise<void> {
    await this.stop(name);
    await this.start(name);
  }

  async reload(name: string): Promise<void> {
    const unit = this.get(name);
    if (!(unit instanceof Service)) throw new Error(`Job type reload is not applicable for unit ${name}.`);
    await unit.reload();
  }

  /** Units read before are read again when next asked for; what runs goes on. */
  daemonReload(): void {
    for (const name of this.#units.keys()) this.#stale.add(name);
    for (const [name, unit] of this.#units) {
      if (unit instanceof Timer && unit.active) {
        this.find(name);
        unit.arm();
      }
    }
  }

  enable(name: string): string[] {
    const { unit } = this.get(name);
    if (unit.wantedBy.length === 0) throw new Error(`${name} has no [Install] section with WantedBy=.`);
    return unit.wantedBy.flatMap((target) => {
      const folder = join(this.#folder, `${target}.wants`);
      mkdirSync(folder, { recursive: true });
      const link = join(folder, name);
      try {
        symlinkSync(join('..', name), link);
        return [`Created symlink ${link} -> ${join(this.#folder, name)}.`];
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
        return [];
      }
    });
  }

  disable(name: string): string[] {
    return this.#links()
      .filter((link) => link.name === name)
      .map((link) => {
        rmSync(link.path, { force: true });
        return `Removed "${link.path}".`;
      });
  }

  isEnabled(name: string): boolean {
    return this.#enabled().includes(name);
  }

  /** The unit; throws an Error in systemd's words when there is none, or when its file is wrong. */
  get(name: string): Service | Timer {
    const unit = this.find(name);
    if (unit === null) throw new Error(`Unit ${name} not found.`);
    return unit;
  }

  /** The unit, or null. One whose file is gone stays for as long as it runs. */
  find(name: string): Service | Timer | null {
    const known = this.#units.get(name);
    if (known !== undefined && !this.#stale.has(name)) return known;
    let text: string;
    try {
      text = readFileSync(join(this.#folder, name), 'utf8');
    } catch {
      if (known === undefined || isIdle(known)) {
        this.#units.delete(name);
        this.#stale.delete(name);
        return null;
      }
      return known;
    }
    const unit = parseUnit(name, text);
    this.#stale.delete(name);
    if (known instanceof Service && unit.kind === 'service') known.unit = unit;
    else if (known instanceof Timer && unit.kind === 'timer') known.unit = unit;
    else if (known === undefined)
      this.#units.set(name, unit.kind === 'service' ? this.#service(unit) : this.#timer(unit));
    return this.#units.get(name) as Service | Timer;
  }

  /** Every unit that was read or has a file, by name. Files that make no sense are left out. */
  list(): (Service | Timer)[] {
    const files = namesIn(this.#folder).filter((name) => UNIT_NAME.test(name));
    const names = [...new Set([...files, ...this.#units.keys()])].sort();
    return names.flatMap((name) => {
      try {
        const unit = this.find(name);
        return unit === null ? [] : [unit];
      } catch {
        return [];
      }
    });
  }

  get #folder(): string {
    return layout(this.#options.root).units;
  }

  #service(unit: Service['unit']): Service {
    const { root, env, spawn } = this.#options;
    return new Service(unit, { root, env, spawn, changed: (service) => this.#changed(service) });
  }

  #timer(unit: Timer['unit']): Timer {
    const timer: Timer = new Timer(unit, {
      bootedAt: this.#bootedAt,
      now: Date.now,
      service: () => {
        const service = this.#units.get(timer.unit.unit);
        return service instanceof Service ? service : null;
      },
      trigger: () => {
        this.start(timer.unit.unit).catch((thrown: unknown) => this.#note(timer.unit.name, thrown));
      },
    });
    return timer;
  }

  #changed(service: Service): void {
    const { name } = service.unit;
    for (const unit of this.#units.values()) if (unit instanceof Timer && unit.unit.unit === name) unit.arm();
    if (service.mainPid !== 0 && this.#pidTimer === null) {
      this.#pidTimer = setInterval(() => this.#refreshPids(), PIDS_EVERY);
    }
  }

  #refreshPids(): void {
    let any = false;
    for (const unit of this.#units.values()) {
      if (!(unit instanceof Service) || unit.mainPid === 0) continue;
      any = true;
      writeCgroup(this.#options.root, unit.unit.name, unit.pids());
    }
    if (!any && this.#pidTimer !== null) {
      clearInterval(this.#pidTimer);
      this.#pidTimer = null;
    }
  }

  #links(): { path: string; name: string }[] {
    return namesIn(this.#folder)
      .filter((name) => name.endsWith('.wants'))
      .flatMap((folder) =>
        namesIn(join(this.#folder, folder)).map((name) => ({ path: join(this.#folder, folder, name), name })),
      );
  }

  #enabled(): string[] {
    return [...new Set(this.#links().map((link) => link.name))].sort();
  }

  #note(name: string, thrown: unknown): void {
    appendJournal(this.#options.root, name, 0, messageOf(thrown));
  }
}

function isIdle(unit: Service | Timer): boolean {
  return unit instanceof Timer ? !unit.active : unit.state === 'inactive' || unit.state === 'failed';
}
