/** `systemctl`, found on PATH: systemd's own, or what a local machine has in its place. */
import { execFile } from 'node:child_process';
import { CellError } from '../errors.ts';

/** Beyond what systemd itself gives a unit to stop (TimeoutStopSec) and an ingress to finish its requests. */
const SYSTEMCTL_TIMEOUT_MS = 60_000;

export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it and gives its answer, whatever the exit code. Throws REMOTE_FAILED when it cannot be run or hangs. */
export function askSystemctl(args: readonly string[]): Promise<Answer> {
  return new Promise((resolve, reject) => {
    execFile('systemctl', [...args], { timeout: SYSTEMCTL_TIMEOUT_MS }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === 'number') return resolve({ code, stdout, stderr });
      reject(
        new CellError('REMOTE_FAILED', `systemctl ${args.join(' ')} did not run to its end`, {
          why: error?.killed === true ? `no answer within ${SYSTEMCTL_TIMEOUT_MS} ms` : (error?.message ?? ''),
          suggestion: 'A cell needs systemd; see whether `systemctl status` answers on this machine.',
          cause: error,
        }),
      );
    });
  });
}

/** Runs it; throws REMOTE_FAILED when it says no. */
export async function systemctl(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await askSystemctl(args);
  if (code === 0) return stdout;
  throw new CellError('REMOTE_FAILED', `systemctl ${args.join(' ')} failed`, {
    why: stderr.trim().split('\n').at(-1) || `exit code ${code}`,
    suggestion: `See \`journalctl -u ${args.at(-1) ?? ''} -n 50\` on this machine.`,
    fields: { code },
  });
}
