/**
 * How often the service manager had to start a function again. It is asked only when the program that runs is another one
 * than at the last look, so a tick in which nothing crashed starts no process for it.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { askSystemctl } from './systemctl.ts';

export interface Restarts {
  /** Names the run of the program that was seen last; empty when none ran. */
  readonly run: string;
  /** What the service manager had counted then, since somebody last started the unit. */
  readonly counted: number;
  /** When restarts were seen (ms since the epoch), and how many at once; within the window. */
  readonly seen: readonly { readonly at: number; readonly count: number }[];
  /** How the last one ended, in systemd's words; empty when it did not say. */
  readonly how: string;
}

/** What is longer ago than this is no longer told. */
const WINDOW_MS = 60 * 60_000;

/** What is known after a look, given how often the manager counts now; pure. A count that went down was begun anew. */
export function counted(
  previous: Restarts | null,
  now: { readonly run: string; readonly counted: number; readonly how: string; readonly at: number },
): Restarts {
  const kept = (previous?.seen ?? []).filter(({ at }) => now.at - at < WINDOW_MS);
  // At the first look there is nothing to compare with: it counts from here.
  const before = previous === null ? now.counted : previous.counted <= now.counted ? previous.counted : 0;
  const count = now.counted - before;
  return {
    run: now.run,
    counted: now.counted,
    seen: count === 0 ? kept : [...kept, { at: now.at, count }],
    how: count === 0 ? (previous?.how ?? '') : now.how,
  };
}

/** One line for people, or null when there was none within the window; pure. */
export function restartsWhy(restarts: Restarts | null, now: number): string | null {
  const seen = (restarts?.seen ?? []).filter(({ at }) => now - at < WINDOW_MS);
  const first = seen[0];
  if (first === undefined) return null;
  const total = seen.reduce((sum, { count }) => sum + count, 0);
  const minutes = Math.max(1, Math.ceil((now - first.at) / 60_000));
  const how = restarts?.how === '' ? '' : ` (${restarts?.how})`;
  return `restarted ${total === 1 ? 'once' : `${total} times`} in the last ${minutes} min${how}`;
}

/** Looks again, if the program is not the one it was. What cannot be asked now is asked at the next look. */
export async function restartsOf(
  unit: string,
  run: string,
  previous: Restarts | null,
  now: number,
): Promise<Restarts | null> {
  if (previous !== null && previous.run === run && run !== '') return previous;
  const { stdout } = await askSystemctl(['show', '-p', 'NRestarts', unit]).catch(() => ({ stdout: '' }));
  const count = /^NRestarts=(\d+)$/m.exec(stdout)?.[1];
  if (count === undefined) return previous;
  const after = counted(previous, { run, counted: Number(count), how: '', at: now });
  return after.seen.at(-1)?.at === now ? { ...after, how: await howItEnded(unit) } : after;
}

async function howItEnded(unit: string): Promise<string> {
  const args = ['-u', unit, '-n', '40', '-o', 'cat', '--no-pager'];
  const { stdout } = await promisify(execFile)('journalctl', args, { timeout: 10_000 }).catch(() => ({ stdout: '' }));
  const lines = stdout.split('\n').flatMap((line) => /Main process exited, (.+)$/.exec(line)?.[1] ?? []);
  return lines.at(-1) ?? '';
}
