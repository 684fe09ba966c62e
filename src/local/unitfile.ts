/**
 * systemd unit files, the part of them that cell writes: parsing, quoting and time spans. Pure.
 *
 * The rules are those of systemd.syntax(7), systemd.service(5), systemd.exec(5) and systemd.time(7): `\` at the end of
 * a line joins it with the next, a list setting is cleared by an empty assignment, words are split with quotes kept
 * together, `%%` is a percent sign. A key that this machine does not know is passed over, as systemd does.
 */
import { splitWords } from './words.ts';

export type Sections = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

export interface ServiceUnit {
  readonly kind: 'service';
  readonly name: string;
  readonly description: string;
  readonly type: 'simple' | 'oneshot';
  readonly start: readonly CommandLine[];
  readonly stop: readonly CommandLine[];
  readonly reload: readonly CommandLine[];
  readonly workingDirectory: string | null;
  readonly environment: Readonly<Record<string, string>>;
  readonly environmentFiles: readonly { readonly path: string; readonly optional: boolean }[];
  readonly restart: 'no' | 'always' | 'on-failure';
  /** ms */
  readonly restartDelay: number;
  /** ms */
  readonly stopTimeout: number;
  /** mixed: the main process alone is asked to stop, and what it leaves is ended. */
  readonly killMode: 'control-group' | 'mixed';
  readonly remainAfterExit: boolean;
  readonly wantedBy: readonly string[];
}

export interface TimerUnit {
  readonly kind: 'timer';
  readonly name: string;
  readonly description: string;
  /** ms after the timer was started, after boot, after the unit was last started; null when not set. */
  readonly onActive: number | null;
  readonly onBoot: number | null;
  readonly onUnitActive: number | null;
  readonly unit: string;
  readonly wantedBy: readonly string[];
}

export type Unit = ServiceUnit | TimerUnit;

export interface CommandLine {
  readonly words: readonly string[];
  /** `-` before the program: its failure does not count. */
  readonly ignoreFailure: boolean;
}

function parseSections(text: string): Sections {
  const sections = new Map<string, Map<string, string[]>>();
  let section = new Map<string, string[]>();
  // An even number of backslashes is escaped ones and joins nothing.
  const joined = text.replace(/((?<!\\)(?:\\\\)*)\\\r?\n/g, '$1 ');
  for (const raw of joined.split(/\r?\n/)) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    const heading = /^\[([^\]]+)\]$/.exec(line)?.[1];
    if (heading !== undefined) {
      section = sections.get(heading) ?? new Map();
      sections.set(heading, section);
      continue;
    }
    const equals = line.indexOf('=');
    if (equals < 1) throw new Error(`not a setting: ${line}`);
    const [key, value] = [line.slice(0, equals).trim(), line.slice(equals + 1).trim()];
    section.set(key, value === '' ? [] : [...(section.get(key) ?? []), value]);
  }
  return sections;
}

/** The unit of a file, by its name. Throws an Error that says what systemd would complain about. */
export function parseUnit(name: string, text: string): Unit {
  const sections = parseSections(text);
  const all = (section: string, key: string) => sections.get(section)?.get(key) ?? [];
  const last = (section: string, key: string) => all(section, key).at(-1) ?? null;
  const expand = (value: string) => specifiers(value, name);
  const common = {
    name,
    description: last('Unit', 'Description') ?? name,
    wantedBy: all('Install', 'WantedBy').flatMap((value) => value.split(/\s+/)),
  };
  const span = (section: string, key: string) => {
    const value = last(section, key);
    return value === null ? null : parseSpan(value);
  };
  if (name.endsWith('.timer')) {
    const onCalendar = last('Timer', 'OnCalendar');
    if (onCalendar !== null) throw new Error('OnCalendar= is not supported on a local machine; use OnUnitActiveSec=');
    return {
      kind: 'timer',
      ...common,
      onActive: span('Timer', 'OnActiveSec'),
      onBoot: span('Timer', 'OnBootSec'),
      onUnitActive: span('Timer', 'OnUnitActiveSec'),
      unit: last('Timer', 'Unit') ?? name.replace(/\.timer$/, '.service'),
    };
  }
  if (!name.endsWith('.service')) throw new Error('only .service and .timer units are supported on a local machine');
  const type = last('Service', 'Type') ?? 'simple';
  // exec and simple differ only in when start returns.
  if (type !== 'simple' && type !== 'oneshot' && type !== 'exec') throw new Error(`Type=${type} is not supported`);
  const restart = last('Service', 'Restart') ?? 'no';
  if (restart !== 'no' && restart !== 'always' && restart !== 'on-failure') {
    throw new Error(`Restart=${restart} is not supported`);
  }
  const killMode = last('Service', 'KillMode') ?? 'control-group';
  if (killMode !== 'control-group' && killMode !== 'mixed') throw new Error(`KillMode=${killMode} is not supported`);
  const commands = (key: string) => all('Service', key).map((value) => parseCommand(value, expand));
  const start = commands('ExecStart');
  if (start.length === 0) throw new Error('ExecStart= is missing');
  if (type !== 'oneshot' && start.length > 1) throw new Error('more than one ExecStart= needs Type=oneshot');
  const directory = last('Service', 'WorkingDirectory');
  return {
    kind: 'service',
    ...common,
    type: type === 'oneshot' ? 'oneshot' : 'simple',
    start,
    stop: commands('ExecStop'),
    reload: commands('ExecReload'),
    workingDirectory: directory === null ? null : expand(directory),
    environment: Object.fromEntries(
      all('Service', 'Environment').flatMap((value) => splitWords(value).map(expand).map(assignment)),
    ),
    environmentFiles: all('Service', 'EnvironmentFile').map((value) => ({
      path: expand(value.replace(/^-/, '')),
      optional: value.startsWith('-'),
    })),
    restart,
    restartDelay: span('Service', 'RestartSec') ?? 100,
    killMode,
    stopTimeout: span('Service', 'TimeoutStopSec') ?? 90_000,
    remainAfterExit: /^(?:yes|true|1|on)$/.test(last('Service', 'RemainAfterExit') ?? 'no'),
  };
}

function parseCommand(value: string, expand: (text: string) => string): CommandLine {
  const prefix = /^[-@:+!]*/.exec(value)?.[0] ?? '';
  const words = splitWords(value.slice(prefix.length)).map(expand);
  if (words.length === 0) throw new Error('a command line without a program');
  return { words, ignoreFailure: prefix.includes('-') };
}

const SPAN: Record<string, number> = {
  ms: 1,
  msec: 1,
  s: 1_000,
  sec: 1_000,
  second: 1_000,
  seconds: 1_000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hr: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000,
};

/** `1min 30s`, `250ms`, `5` (seconds), `infinity` -> ms. */
export function parseSpan(text: string): number {
  if (text === 'infinity') return Number.POSITIVE_INFINITY;
  let total = 0;
  let rest = text.trim();
  if (rest === '') throw new Error('an empty time span');
  while (rest !== '') {
    const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)\s*/.exec(rest);
    const unit = SPAN[match?.[2] || 's'];
    if (match === null || unit === undefined) throw new Error(`not a time span: ${text}`);
    total += Number(match[1]) * unit;
    rest = rest.slice(match[0].length);
  }
  return total;
}

function assignment(word: string): [string, string] {
  const equals = word.indexOf('=');
  if (equals < 1) throw new Error(`not an assignment: ${word}`);
  return [word.slice(0, equals), word.slice(equals + 1)];
}

function specifiers(value: string, name: string): string {
  const stem = name.replace(/\.[a-z]+$/, '');
  return value.replace(/%([%nN])/g, (_match, letter) => (letter === '%' ? '%' : letter === 'n' ? name : stem));
}
