/**
 * Files of /etc/cron.d: comments, `NAME=value` lines, and `m h dom mon dow user command`. Pure but for the matching,
 * which croner does.
 */
import { Cron } from 'croner';

export interface CronJob {
  /** Five fields or a nickname such as `@hourly`; `@reboot` for once at boot. */
  readonly pattern: string;
  readonly user: string;
  readonly command: string;
  /** What follows the first unescaped `%`, its later `%` being new lines. */
  readonly stdin: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface Crontab {
  readonly jobs: readonly CronJob[];
  /** Lines that make no sense, by number: they are left out and the others run. */
  readonly errors: readonly { readonly line: number; readonly why: string }[];
}

/** Cron only reads files with such names, so that editors' and packages' leftovers do not run. */
export const CRON_FILE = /^[A-Za-z0-9_-]+$/;

const ASSIGNMENT = /^([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/;
const NICKNAME = /^(@[a-z]+)\s+(\S+)\s+(.+)$/;
const FIELDS = /^((?:\S+\s+){4}\S+)\s+(\S+)\s+(.+)$/;

export function parseCrontab(text: string): Crontab {
  const jobs: CronJob[] = [];
  const errors: { line: number; why: string }[] = [];
  let env: Record<string, string> = {};
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return;
    const assignment = ASSIGNMENT.exec(line);
    if (assignment !== null) {
      env = { ...env, [assignment[1] as string]: unquote(assignment[2] as string) };
      return;
    }
    const match = NICKNAME.exec(line) ?? FIELDS.exec(line);
    if (match === null) {
      errors.push({ line: index + 1, why: 'expected five time fields, a user and a command' });
      return;
    }
    const [, pattern = '', user = '', rest = ''] = match;
    try {
      if (pattern !== '@reboot') compile(pattern);
      jobs.push({ pattern, user, ...splitPercent(rest), env });
    } catch (thrown) {
      errors.push({ line: index + 1, why: thrown instanceof Error ? thrown.message : String(thrown) });
    }
  });
  return { jobs, errors };
}

/** Whether a job is due in the minute that `at` lies in. */
export function isDue(job: CronJob, at: Date): boolean {
  if (job.pattern === '@reboot') return false;
  const minute = new Date(at);
  minute.setSeconds(0, 0);
  return compile(job.pattern).match(minute);
}

function compile(pattern: string): Cron {
  return new Cron(pattern, { paused: true, mode: '5-part' });
}

function splitPercent(text: string): { command: string; stdin: string } {
  const parts = text.split(/(?<!\\)%/).map((part) => part.replaceAll('\\%', '%'));
  return { command: parts[0] as string, stdin: parts.length > 1 ? `${parts.slice(1).join('\n')}\n` : '' };
}

function unquote(text: string): string {
  return /^(["'])(.*)\1$/.exec(text)?.[2] ?? text;
}
