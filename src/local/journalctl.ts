/**
 * journalctl on a local machine: `-u UNIT`, `-n N`, `-f`, `-o cat`, `--no-pager`. Reads the files; needs no machine.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { namesIn, sizeOf } from './files.ts';

interface Options {
  units: string[];
  lines: number | null;
  follow: boolean;
  cat: boolean;
}

/** How often a followed journal is looked at, in ms. */
const FOLLOW_EVERY = 200;

export function parseOptions(args: readonly string[]): Options {
  const options: Options = { units: [], lines: null, follow: false, cat: false };
  for (let i = 0; i < args.length; i++) {
    const [word = '', inline] = (args[i] as string).split(/=(.*)/s);
    const value = () => inline ?? args[++i] ?? '';
    if (word === '-u' || word === '--unit') options.units.push(value());
    else if (/^-u./.test(word) && !word.startsWith('--')) options.units.push(word.slice(2));
    else if (word === '-n' || word === '--lines') options.lines = Number(value());
    else if (/^-n\d+$/.test(word)) options.lines = Number(word.slice(2));
    else if (word === '-o' || word === '--output') options.cat = value() === 'cat';
    else if (word === '-f' || word === '--follow') options.follow = true;
  }
  // As journalctl: following begins with the last ten lines.
  if (options.follow) options.lines ??= 10;
  return options;
}

export function journalctl(root: string, args: readonly string[], print: (text: string) => void): void {
  const options = parseOptions(args);
  const folder = `${root}/var/log/journal`;
  const asked = options.units.map((unit) => (/\.[a-z]+$/.test(unit) ? unit : `${unit}.service`));
  const there = namesIn(folder).flatMap((name) => (name.endsWith('.log') ? [name.slice(0, -4)] : []));
  const units = asked.length > 0 ? asked : there;
  const entries = units.flatMap((unit) =>
    [`${folder}/${unit}.log.1`, `${folder}/${unit}.log`].flatMap((file) =>
      linesOf(file).map((line) => ({ line, unit })),
    ),
  );
  // Each line begins with its time, so that the order of the text is the order in time; sorting is stable.
  entries.sort((a, b) =>
    a.line.slice(0, 24) < b.line.slice(0, 24) ? -1 : a.line.slice(0, 24) > b.line.slice(0, 24) ? 1 : 0,
  );
  const shown = options.lines === null ? entries : entries.slice(Math.max(0, entries.length - options.lines));
  print(shown.map(({ line, unit }) => format(line, unit, options.cat)).join(''));
  if (!options.follow) return;
  for (const unit of units) follow(`${folder}/${unit}.log`, (line) => print(format(line, unit, options.cat)));
}

function format(line: string, unit: string, cat: boolean): string {
  const [, time = '', pid = '', text = line] = /^(\S+) (\d+) (.*)$/s.exec(line) ?? [];
  const who = unit.replace(/\.service$/, '');
  return cat ? `${text}\n` : `${time} ${who}[${pid}]: ${text}\n`;
}

function follow(file: string, print: (line: string) => void): void {
  let at = sizeOf(file);
  let rest = '';
  setInterval(() => {
    const size = sizeOf(file);
    if (size < at) at = 0; // It was rotated away.
    if (size === at) return;
    const buffer = Buffer.alloc(size - at);
    const descriptor = openSync(file, 'r');
    const count = readSync(descriptor, buffer, 0, buffer.length, at);
    closeSync(descriptor);
    at += count;
    const lines = (rest + buffer.subarray(0, count).toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) print(line);
  }, FOLLOW_EVERY);
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(0, -1);
  } catch {
    return [];
  }
}
