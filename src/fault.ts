/**
 * Fault injection for drills, said in the environment of one process only. `CELL_FAULT=kill-after:STEP` ends this
 * process with SIGKILL once STEP of a saga is written down, `kill-in:STEP` once it is done but not yet written down.
 * `stop-after` and `stop-in` stop it at the same places with SIGSTOP instead, so that something else can be made to
 * happen meanwhile (a power cut, a full disk), and SIGCONT lets it go on.
 */
import { CellError } from './errors.ts';
import type { RunContext } from './journal.ts';

type Faults = Pick<RunContext, 'afterStep' | 'beforeRecord'>;

/** Throws for a fault that is not understood: a drill that tests nothing is worse than none. */
export function faultsFrom(text: string | undefined): Faults {
  if (text === undefined || text === '') return {};
  const match = /^(kill|stop)-(after|in):([A-Za-z]+)$/.exec(text);
  if (match === null) {
    throw new CellError('USAGE', `CELL_FAULT is not ${text}`, {
      suggestion: 'Say kill-after:STEP, kill-in:STEP, stop-after:STEP or stop-in:STEP.',
    });
  }
  const [, how, when, step] = match;
  const strike = (done: string) => {
    if (done === step) process.kill(process.pid, how === 'kill' ? 'SIGKILL' : 'SIGSTOP');
  };
  return when === 'after' ? { afterStep: strike } : { beforeRecord: strike };
}
