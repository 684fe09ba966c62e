/**
 * Fault injection for drills: `CELL_FAULT=kill-after:STEP` ends this process with SIGKILL once STEP of a saga is written
 * down, `kill-in:STEP` once it is done but not yet written down. Said in the environment of one process only.
 */
import { CellError } from './errors.ts';
import type { RunContext } from './journal.ts';

type Faults = Pick<RunContext, 'afterStep' | 'beforeRecord'>;

/** Throws for a fault that is not understood: a drill that tests nothing is worse than none. */
export function faultsFrom(text: string | undefined): Faults {
  if (text === undefined || text === '') return {};
  const match = /^(kill-after|kill-in):([A-Za-z]+)$/.exec(text);
  if (match === null) throw new CellError('USAGE', `CELL_FAULT is kill-after:STEP or kill-in:STEP, not ${text}`);
  const [, when, step] = match;
  const die = (done: string) => {
    if (done === step) process.kill(process.pid, 'SIGKILL');
  };
  return when === 'kill-after' ? { afterStep: die } : { beforeRecord: die };
}
