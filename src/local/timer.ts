/**
 * One timer unit: starts its service after spans since its own start, since boot, or since the service last started. A
 * service that still runs is not started again; the timer then waits for its end.
 */
import type { TimerUnit } from './unitfile.ts';

export interface TimedUnit {
  /** ms since the epoch, or null when it never ran. */
  readonly startedAt: number | null;
  readonly state: string;
}

export interface TimerWorld {
  readonly bootedAt: number;
  readonly now: () => number;
  /** The service, or null when there is none. */
  readonly service: () => TimedUnit | null;
  readonly trigger: () => void;
}

const MAX_TIMER = 2 ** 31 - 1;

/** When a timer is next due (ms since the epoch), or null when nothing is left to wait for. Pure. */
export function nextDue(
  unit: TimerUnit,
  at: { readonly activatedAt: number; readonly bootedAt: number; readonly done: ReadonlySet<string> },
  lastRun: number | null,
): { readonly due: number; readonly base: string } | null {
  const all: { due: number; base: string }[] = [];
  if (unit.onActive !== null && !at.done.has('active'))
    all.push({ due: at.activatedAt + unit.onActive, base: 'active' });
  if (unit.onBoot !== null && !at.done.has('boot')) all.push({ due: at.bootedAt + unit.onBoot, base: 'boot' });
  if (unit.onUnitActive !== null && lastRun !== null) all.push({ due: lastRun + unit.onUnitActive, base: 'unit' });
  return all.reduce<{ due: number; base: string } | null>((a, b) => (a === null || b.due < a.due ? b : a), null);
}

export class Timer {
  unit: TimerUnit;
  active = false;
  readonly #world: TimerWorld;
  readonly #done = new Set<string>();
  #activatedAt = 0;
  #triggeredAt: number | null = null;
  #handle: NodeJS.Timeout | null = null;

  constructor(unit: TimerUnit, world: TimerWorld) {
    this.unit = unit;
    this.#world = world;
  }

  start(): void {
    if (this.active) return;
    this.active = true;
    this.#activatedAt = this.#world.now();
    this.#done.delete('active');
    this.arm();
  }

  stop(): void {
    this.active = false;
    if (this.#handle !== null) clearTimeout(this.#handle);
    this.#handle = null;
  }

  /** Works out the next time anew: its service changed, or the unit file did. */
  arm(): void {
    if (this.#handle !== null) clearTimeout(this.#handle);
    this.#handle = null;
    if (!this.active) return;
    const service = this.#world.service();
    const runs = [service?.startedAt ?? null, this.#triggeredAt].filter((time) => time !== null);
    const lastRun = runs.length === 0 ? null : Math.max(...runs);
    const busy = service !== null && !['inactive', 'failed'].includes(service.state);
    const at = { activatedAt: this.#activatedAt, bootedAt: this.#world.bootedAt, done: this.#done };
    const next = nextDue(busy ? { ...this.unit, onUnitActive: null } : this.unit, at, lastRun);
    if (next === null || next.due === Number.POSITIVE_INFINITY) return;
    const delay = Math.max(0, next.due - this.#world.now());
    this.#handle = setTimeout(
      () => {
        if (delay > MAX_TIMER) return this.arm();
        this.#done.add(next.base);
        this.#triggeredAt = this.#world.now();
        if (!busy) this.#world.trigger();
        this.arm();
      },
      Math.min(delay, MAX_TIMER),
    );
  }
}
