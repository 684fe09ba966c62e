/**
 * Lines for a log: a sentence for people, then key=value for programs. On a journal each begins with its priority, which
 * the journal takes off (sd-daemon(3)), so `journalctl -p warning` finds what matters; elsewhere it is plain text.
 */
import { fstatSync } from 'node:fs';

/** The names of syslog, by their numbers. */
const PRIORITIES = { err: 3, warning: 4, notice: 5, info: 6, debug: 7 } as const;
export type Level = keyof typeof PRIORITIES;

export type Fields = Readonly<Record<string, string | number | undefined>>;

/** A line with its fields; pure. What could be taken for more than one value is quoted as in JSON. */
export function withFields(line: string, fields: Fields = {}): string {
  const pairs = Object.entries(fields).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${word(value)}`],
  );
  return [line, ...pairs].join(' ');
}

const word = (value: string | number): string => {
  const text = String(value);
  return /^[\w.:@/+-]+$/.test(text) ? text : JSON.stringify(text);
};

/** A text as a journal takes it: each of its lines with the priority; pure. */
export function withPriority(text: string, level: Level): string {
  return text
    .split('\n')
    .map((line) => `<${PRIORITIES[level]}>${line}`)
    .join('\n');
}

/** Whether standard error is a journal's: systemd says which file that is (systemd.exec(5), $JOURNAL_STREAM). */
export function onJournal(stream: string | undefined): boolean {
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(2);
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

export type Log = (line: string, level?: Level, fields?: Fields) => void;

/** A log on standard error; `notice` where nothing else is said. */
export function logTo(write: (text: string) => void, journal: boolean): Log {
  return (line, level = 'notice', fields) => {
    const text = withFields(line, fields);
    write(`${journal ? withPriority(text, level) : text}\n`);
  };
}
