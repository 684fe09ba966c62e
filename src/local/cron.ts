/**
 * Cron of a local machine: at each full minute it reads etc/cron.d and runs what is due, as cron does.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CRON_FILE, type CronJob, isDue, parseCrontab } from './crontab.ts';
import { namesIn } from './files.ts';
import type { GroupSpawner } from './groups.ts';
import { appendJournal } from './journal.ts';

export interface CronOptions {
  readonly root: string;
  readonly env: Readonly<Record<string, string>>;
  readonly spawn: GroupSpawner;
  readonly now?: () => number;
}

const MINUTE = 60_000;

/** Runs `@reboot` jobs now and the others as time passes. Returns what stops it; jobs under way go on. */
export function startCron(options: CronOptions): () => void {
  const now = options.now ?? Date.now;
  let timer: NodeJS.Timeout;
  const arm = () => {
    // A little after the full minute: timers may fire a millisecond early.
    timer = setTimeout(
      () => {
        const at = new Date(now());
        for (const job of readJobs(options.root)) if (isDue(job, at)) runJob(job, options);
        arm();
      },
      MINUTE - (now() % MINUTE) + 5,
    );
  };
  for (const job of readJobs(options.root)) if (job.pattern === '@reboot') runJob(job, options);
  arm();
  return () => clearTimeout(timer);
}

function readJobs(root: string): CronJob[] {
  const folder = join(root, 'etc/cron.d');
  const jobs: CronJob[] = [];
  for (const name of namesIn(folder)) {
    if (!CRON_FILE.test(name)) continue;
    try {
      const { jobs: found, errors } = parseCrontab(readFileSync(join(folder, name), 'utf8'));
      jobs.push(...found);
      for (const { line, why } of errors) appendJournal(root, 'cron.service', 0, `${name}:${line}: ${why}`);
    } catch {
      // Removed between the listing and the reading.
    }
  }
  return jobs;
}

function runJob(job: CronJob, { root, env, spawn }: CronOptions): void {
  const all = { ...env, ...job.env };
  const shell = job.env.SHELL ?? '/bin/sh';
  const child = spawn(shell, ['-c', job.command], { cwd: all.HOME, env: all, stdio: ['pipe', 'pipe', 'pipe'] });
  const tell = (data: Buffer | string) => appendJournal(root, 'cron.service', child.pid ?? 0, String(data));
  child.on('error', (error) => tell(`${job.command}: ${error.message}`));
  child.stdin?.on('error', () => {});
  child.stdin?.end(job.stdin);
  child.stdout?.on('data', tell);
  child.stderr?.on('data', tell);
}
