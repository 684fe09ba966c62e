/**
 * The journal of sagas: what is under way, written before it is done, so that any process may be killed at any moment.
 *
 * A saga is a file `journal/<id>.json` (0600: it holds the imprint key) with the name of the step that comes next.
 * `run` performs steps in order and writes the journal after each; a step is idempotent, for it is done again when the
 * process died between doing it and writing that down. The file goes when the last step is done.
 */
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from './effects/files.ts';
import { advise } from './errors.ts';
import { STEP_RETRY_CAP_MS, STEP_RETRY_MS } from './limits.ts';
import type { OpenSaga } from './model.ts';

export interface Saga<Kind extends OpenSaga['kind'] = OpenSaga['kind']> {
  readonly v: 1;
  readonly id: string;
  readonly kind: Kind;
  /** The step that comes next. */
  step: string;
  /** When it may run, ms since the epoch. */
  due: number;
  /** Failures of this step in a row, and the last one's message. */
  failures: number;
  lastFailure: string | null;
  readonly startedAt: number;
  /** ms each finished step took, waits left out. */
  phases: Record<string, number>;
}

/** A step may ask for a pause before the next: a TTL that has to pass. Gives the time at which to go on. */
export type Step<S extends Saga> = (saga: S) => Promise<void> | Promise<Pause | undefined>;
export interface Pause {
  readonly goOnAt: number;
  /** The same step again then, and not the next one. */
  readonly again?: true;
}
export type Steps<S extends Saga> = readonly (readonly [name: string, step: Step<S>])[];

/** A saga before its first step. */
export function newSaga<Kind extends Saga['kind']>(now: number, id: string, kind: Kind, step: string): Saga<Kind> {
  return { v: 1, id, kind, step, due: 0, failures: 0, lastFailure: null, startedAt: now, phases: {} };
}

export interface Journal {
  save(saga: Saga): Promise<void>;
  remove(id: string): Promise<void>;
  open(): Promise<readonly Saga[]>;
}

/** The journal in a cell's home. A file that is not JSON was never whole and is set aside, not obeyed. */
export function journalIn(home: string): Journal {
  const folder = join(home, 'journal');
  return {
    async save(saga) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeAtomic(join(folder, `${saga.id}.json`), JSON.stringify(saga, null, 1), 0o600);
    },
    async remove(id) {
      await rm(join(folder, `${id}.json`), { force: true });
    },
    async open() {
      const names = await readdir(folder).catch(() => []);
      const sagas: Saga[] = [];
      for (const name of names.filter((entry) => entry.endsWith('.json')).sort()) {
        const file = join(folder, name);
        const saga = parse(await readFile(file, 'utf8'));
        if (saga === null) await rename(file, `${file}.damaged`);
        else sagas.push(saga);
      }
      return sagas;
    },
  };
}

/** Null for what is no saga. What it had begun is found by the lineage: an attempt without a saga is reclaimed. */
function parse(text: string): Saga | null {
  try {
    const saga = JSON.parse(text) as Partial<Saga> | null;
    return typeof saga?.id === 'string' && typeof saga.step === 'string' ? (saga as Saga) : null;
  } catch {
    return null;
  }
}

export interface RunContext {
  readonly journal: Journal;
  readonly now: () => number;
  /** Told as a step begins and ends; what progress bars and logs are made from. */
  readonly onStep?: ((saga: Saga, step: string, ms: number | null) => void) | undefined;
  /** Called when a step is done and not yet written down, and after it was: where drills end the process. */
  readonly beforeRecord?: ((step: string) => void) | undefined;
  readonly afterStep?: ((step: string) => void) | undefined;
}

export type RunOutcome =
  | { readonly kind: 'done' }
  /** A step asked to wait. */
  | { readonly kind: 'waiting'; readonly until: number; readonly step: string }
  /** A step threw; it is tried again at `due`, unless the caller takes the saga back. */
  | { readonly kind: 'failed'; readonly step: string; readonly failures: number; readonly error: unknown };

/** Performs a saga from where it is. Never throws for a failing step. */
export async function run<S extends Saga>(saga: S, steps: Steps<S>, context: RunContext): Promise<RunOutcome> {
  let index = steps.findIndex(([name]) => name === saga.step);
  if (index < 0) throw new Error(`saga ${saga.id} stands at an unknown step: ${saga.step}`);
  for (; index < steps.length; index++) {
    const [name, step] = steps[index] as Steps<S>[number];
    const began = context.now();
    context.onStep?.(saga, name, null);
    let pause: number | undefined;
    let again = false;
    try {
      const asked = await step(saga);
      if (typeof asked === 'object') ({ goOnAt: pause, again = false } = asked);
    } catch (error) {
      saga.failures += 1;
      saga.lastFailure = advise(error);
      saga.due = context.now() + Math.min(STEP_RETRY_CAP_MS, STEP_RETRY_MS * 2 ** (saga.failures - 1));
      await context.journal.save(saga);
      return { kind: 'failed', step: name, failures: saga.failures, error };
    }
    const ms = context.now() - began;
    saga.phases[name] = (saga.phases[name] ?? 0) + ms;
    saga.failures = 0;
    saga.lastFailure = null;
    context.onStep?.(saga, name, ms);
    context.beforeRecord?.(name);
    const next = again ? steps[index] : steps[index + 1];
    if (next === undefined) break;
    saga.step = next[0];
    saga.due = pause ?? 0;
    await context.journal.save(saga);
    context.afterStep?.(name);
    if (pause !== undefined && pause > context.now()) return { kind: 'waiting', until: pause, step: next[0] };
  }
  await context.journal.remove(saga.id);
  return { kind: 'done' };
}
