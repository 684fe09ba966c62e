/** Which heartbeats cron can keep. Pure. */

const MINUTE = 60_000;

/**
 * The five fields of crontab(5) that run every `heartbeatMs`, or null when there are none: a step only keeps its
 * distance over the hour when it divides 60 minutes, over the day when it divides 24 hours.
 */
export function cronFields(heartbeatMs: number): string | null {
  const minutes = heartbeatMs / MINUTE;
  if (!Number.isInteger(minutes) || minutes < 1) return null;
  if (minutes === 1) return '* * * * *';
  if (minutes < 60) return 60 % minutes === 0 ? `*/${minutes} * * * *` : null;
  const hours = minutes / 60;
  if (!Number.isInteger(hours)) return null;
  if (hours === 1) return '0 * * * *';
  if (hours < 24) return 24 % hours === 0 ? `0 */${hours} * * *` : null;
  return hours === 24 ? '0 0 * * *' : null;
}
