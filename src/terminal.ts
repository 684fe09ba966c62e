/** Questions and Ctrl-C: what a command needs of a person, and what it says when the person goes. */
import { CellError } from './errors.ts';

/**
 * Asks, unless --yes was given. Throws USAGE where there is no terminal to ask on, INTERRUPTED on no.
 */
export async function confirmed(question: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) {
    throw new CellError('USAGE', 'There is no terminal to ask on', {
      why: question,
      suggestion: 'Give --yes to do it without being asked.',
    });
  }
  const { default: confirm } = await import('@inquirer/confirm');
  const answer = await confirm({ message: question, default: false }, { output: process.stderr });
  if (!answer) throw new CellError('INTERRUPTED', 'Nothing was done');
}

/** A signal that Ctrl-C (or SIGTERM) aborts; the first says how to go on, the second ends the process at once. */
export function untilInterrupted(howToGoOn: string): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    process.stderr.write(`\n${howToGoOn}\n`);
    controller.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}

/** For work that may simply be cut off, because the same command goes on from there. */
export function onInterrupt(howToGoOn: string): void {
  const stop = () => {
    process.stderr.write(`\n${howToGoOn}\n`);
    process.exit(130);
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}

/** One line on stderr that is drawn over on a terminal; elsewhere nothing, for a log has no use for it. */
export function progressLine(): { draw(text: string): void; clear(): void } {
  const out = process.stderr;
  if (out.isTTY !== true) return { draw() {}, clear() {} };
  return {
    draw: (text) => out.write(`\r\u001b[2K${text.slice(0, (out.columns ?? 80) - 1)}`),
    clear: () => out.write('\r\u001b[2K'),
  };
}

const WIDTH = 24;

/** `[######······] 42%  3.1 of 7.4 MB` */
export function bar(done: number, total: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.round(share * WIDTH);
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  return `[${'#'.repeat(filled)}${'·'.repeat(WIDTH - filled)}] ${Math.round(share * 100)}%  ${megabytes(done)} of ${megabytes(total)} MB`;
}
