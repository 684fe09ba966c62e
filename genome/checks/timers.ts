/** Timers in an order that makes sense: a beat before a suspicion before a death; quick relief, slow merging. */
import { cronFields } from '../cron.ts';
import type { Genome } from '../schema.ts';
import { formatDuration } from '../units.ts';
import type { Report } from './complaint.ts';

const HOUR_MS = 3_600_000;

export function checkTimers(genome: Genome, report: Report): void {
  checkHealing(genome, report);
  checkRhythm(genome, report);
  for (const [name, { health }] of Object.entries(genome.functions)) {
    if (health === undefined) continue;
    const at = ['functions', name, 'health'];
    for (const timer of ['every', 'timeout', 'within'] as const) {
      if (health[timer] === 0)
        report({
          code: 'zero-timer',
          at: [...at, timer],
          message: `\`${timer}\` is no time at all`,
          expected: 'more than 0',
        });
    }
    if (health.timeout > health.every) {
      report({
        severity: 'warning',
        code: 'health-timers',
        at: [...at, 'timeout'],
        message: `a check may take ${formatDuration(health.timeout)}, and the next begins after ${formatDuration(health.every)}`,
        expected: 'a timeout no longer than `every`',
      });
    }
    if (health.within < health.timeout) {
      report({
        severity: 'warning',
        code: 'health-timers',
        at: [...at, 'within'],
        message: `a starting function has ${formatDuration(health.within)}, less than one check may take`,
        expected: `at least ${formatDuration(health.timeout)}`,
      });
    }
  }
  checkCredentials(genome, report);
  const { heartbeat, schedule } = genome.body;
  if (schedule === 'cron' && heartbeat > 0 && cronFields(heartbeat) === null) {
    report({
      code: 'cron-cannot',
      at: ['body', 'schedule'],
      message: `cron cannot keep a heartbeat of ${formatDuration(heartbeat)}`,
      expected: 'timer, or a heartbeat of whole minutes that divide an hour',
      suggestion: 'timer',
      because: [['body', 'heartbeat']],
    });
  }
}

/** A third of a credential's life is for whoever cannot be reached at once: an hour's, or some beats, at least. */
function checkCredentials(genome: Genome, report: Report): void {
  const least = Math.max(HOUR_MS, 10 * genome.body.heartbeat);
  if (genome.credentials.lifetime >= least) return;
  report({
    code: 'credentials-too-short',
    at: ['credentials', 'lifetime'],
    message: `credentials of ${formatDuration(genome.credentials.lifetime)} would end before a cell that was away gets others`,
    expected: `at least ${formatDuration(least)}`,
    suggestion: '7d',
    because: [['body', 'heartbeat']],
  });
}

function checkHealing(genome: Genome, report: Report): void {
  const { heartbeat } = genome.body;
  const { suspectAfter, deadAfter, aloneAfter, maxUnhealthy } = genome.healing;
  const code = 'healing-timers';
  const at = (timer: string) => ['healing', timer];
  const beat = [['body', 'heartbeat']];
  if (heartbeat === 0) {
    report({
      code: 'zero-timer',
      at: ['body', 'heartbeat'],
      message: 'a heartbeat of 0 never rests',
      expected: 'at least 1s',
    });
  }
  if (suspectAfter <= heartbeat) {
    const message = `every cell would be suspected between two heartbeats (${formatDuration(heartbeat)} apart)`;
    const expected = `more than ${formatDuration(heartbeat)}`;
    report({
      code,
      at: at('suspectAfter'),
      message,
      expected,
      suggestion: formatDuration(3 * heartbeat),
      because: beat,
    });
  } else if (suspectAfter < 2 * heartbeat) {
    const message = 'one late heartbeat is enough to be suspected';
    const expected = `at least two heartbeats: ${formatDuration(2 * heartbeat)}`;
    report({ severity: 'warning', code, at: at('suspectAfter'), message, expected, because: beat });
  }
  if (deadAfter <= suspectAfter) {
    const message = `a cell would be dead (${formatDuration(deadAfter)}) before it is suspected (${formatDuration(suspectAfter)})`;
    report({
      code,
      at: at('deadAfter'),
      message,
      expected: 'suspectAfter < deadAfter < aloneAfter',
      because: [at('suspectAfter')],
    });
  }
  if (aloneAfter <= deadAfter) {
    const message = `a cell would know itself cut off (${formatDuration(aloneAfter)}) before the others count as dead (${formatDuration(deadAfter)})`;
    report({
      code,
      at: at('aloneAfter'),
      message,
      expected: 'suspectAfter < deadAfter < aloneAfter',
      because: [at('deadAfter')],
    });
  }
  if (maxUnhealthy > 100) {
    report({
      code: 'over-the-whole',
      at: at('maxUnhealthy'),
      message: 'more than the whole organism',
      expected: '0% to 100%',
    });
  }
}

function checkRhythm(genome: Genome, report: Report): void {
  const { settle, hold, refractory, calm } = genome.rhythm;
  const severity = 'warning';
  const code = 'rhythm-timers';
  const at = (timer: string) => ['rhythm', timer];
  if (calm < settle + hold) {
    report({
      severity,
      code,
      at: at('calm'),
      message: `cells merge back after ${formatDuration(calm)}, sooner than they divide (${formatDuration(settle + hold)})`,
      expected: 'calm longer than settle and hold together: quick to take load off, slow to merge back',
      because: [at('settle'), at('hold')],
    });
  }
  if (hold === 0) {
    report({
      severity,
      code,
      at: at('hold'),
      message: 'throttling has no time to help before the division',
      expected: 'more than 0',
    });
  }
  if (refractory === 0) {
    report({
      severity,
      code,
      at: at('refractory'),
      message: 'a cell may divide again at once, before the first division helps',
      expected: 'some rest',
    });
  }
}
