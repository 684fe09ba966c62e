/**
 * Command transcripts: Markdown that is the documentation and a test at once.
 *
 * In a block ```console, a line `$ …` is a command (`> ` goes on with it), what follows is what it prints, stdout and
 * stderr together, closed by `[exit N]` when N is not 0. A block with `file=NAME` behind its language is written to a
 * file first. In what is expected, `[..]` stands for anything within a line, a line `...` for any lines, and `<name>`,
 * for names that the caller lists, for one word: bound where it first appears, the same from there on, in commands too.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export interface Command {
  readonly kind: 'command';
  readonly text: string;
  /** What it should print: lines `from` to `to` of the document, `to` not included. */
  readonly expected: readonly string[];
  readonly from: number;
  readonly to: number;
}

export interface FileBlock {
  readonly kind: 'file';
  readonly name: string;
  readonly text: string;
}

/** The commands and files of a document, in order. */
export function parseTranscript(markdown: string): readonly (Command | FileBlock)[] {
  const lines = markdown.split('\n');
  const found: (Command | FileBlock)[] = [];
  for (let at = 0; at < lines.length; at++) {
    const open = /^```(\S+)(?: file=(\S+))?$/.exec(lines[at] as string);
    if (open === null) continue;
    const end = lines.indexOf('```', at + 1);
    if (end < 0) throw new Error(`the block at line ${at + 1} has no end`);
    const [, language, name] = open;
    if (name !== undefined) found.push({ kind: 'file', name, text: `${lines.slice(at + 1, end).join('\n')}\n` });
    else if (language === 'console') found.push(...commandsIn(lines, at + 1, end));
    at = end;
  }
  return found;
}

function commandsIn(lines: readonly string[], from: number, to: number): Command[] {
  const found: Command[] = [];
  for (let at = from; at < to; ) {
    const first = lines[at] as string;
    if (!first.startsWith('$ ')) throw new Error(`line ${at + 1} should be a command: ${first}`);
    const text = [first.slice(2)];
    at += 1;
    for (; at < to && lines[at]?.startsWith('> '); at++) text.push((lines[at] as string).slice(2));
    const begin = at;
    while (at < to && !lines[at]?.startsWith('$ ')) at += 1;
    found.push({ kind: 'command', text: text.join('\n'), expected: lines.slice(begin, at), from: begin, to: at });
  }
  return found;
}

export type Names = Map<string, string>;

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Whether a line is as expected. Names that are not bound yet are, when it is. */
function lineMatches(pattern: string, line: string, names: readonly string[], bound: Names): boolean {
  const seen = new Set<string>();
  const source = pattern.split(/(\[\.\.\]|<[a-z]+>)/).map((part) => {
    if (part === '[..]') return '.*';
    const name = part.slice(1, -1);
    if (!/^<.+>$/.test(part) || !names.includes(name)) return escaped(part);
    const known = bound.get(name);
    if (known !== undefined) return escaped(known);
    if (seen.has(name)) return `\\k<${name}>`;
    seen.add(name);
    return `(?<${name}>[\\w.-]+)`;
  });
  const match = new RegExp(`^${source.join('')}$`).exec(line);
  for (const name of match === null ? [] : seen) bound.set(name, match?.groups?.[name] as string);
  return match !== null;
}

/** Whether what was printed is what was expected. */
export function outputMatches(
  expected: readonly string[],
  actual: readonly string[],
  names: readonly string[] = [],
  bound: Names = new Map(),
): boolean {
  const [pattern, ...rest] = expected;
  if (pattern === undefined) return actual.length === 0;
  if (pattern === '...') {
    return [...actual, null].some((_, skipped) => {
      const trial = new Map(bound);
      const fits = outputMatches(rest, actual.slice(skipped), names, trial);
      for (const [name, value] of fits ? trial : []) bound.set(name, value);
      return fits;
    });
  }
  const [line, ...others] = actual;
  return line !== undefined && lineMatches(pattern, line, names, bound) && outputMatches(rest, others, names, bound);
}

/** What was printed, with the patterns of the old text kept on the lines that they still fit. */
export function rewritten(
  expected: readonly string[],
  actual: readonly string[],
  names: readonly string[],
  bound: Names,
) {
  let next = 0;
  return actual.map((line) => {
    const at = expected.findIndex(
      (old, index) => index >= next && old !== '...' && lineMatches(old, line, names, bound),
    );
    if (at < 0) return line;
    next = at + 1;
    return expected[at] as string;
  });
}

export interface Stage {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly names: readonly string[];
}

export interface Played {
  readonly command: Command;
  readonly actual: readonly string[];
  readonly ok: boolean;
}

/** Performs a document in a folder. Gives what each command printed, and the document as it would be right. */
export async function play(markdown: string, stage: Stage): Promise<{ played: readonly Played[]; markdown: string }> {
  const bound: Names = new Map();
  const played: Played[] = [];
  const lines = markdown.split('\n');
  let cwd = stage.folder;
  for (const step of parseTranscript(markdown)) {
    if (step.kind === 'file') {
      mkdirSync(dirname(join(cwd, step.name)), { recursive: true });
      writeFileSync(join(cwd, step.name), step.text);
      continue;
    }
    const text = stage.names.reduce(
      (line, name) => line.replaceAll(`<${name}>`, bound.get(name) ?? `<${name}>`),
      step.text,
    );
    const folder = /^cd (\S+)$/.exec(text)?.[1];
    if (folder !== undefined) {
      cwd = resolve(cwd, folder);
      continue;
    }
    const actual = await printed(text, cwd, stage.env);
    played.push({ command: step, actual, ok: outputMatches(step.expected, actual, stage.names, bound) });
  }
  const fresh: Names = new Map();
  const replacements = played.map(({ command, actual, ok }) => {
    // Binds the names in the same order, whether or not the rest was right.
    const text = ok && outputMatches(command.expected, actual, stage.names, fresh) ? command.expected : null;
    return { ...command, text: text ?? rewritten(command.expected, actual, stage.names, fresh) };
  });
  for (const { from, to, text } of replacements.reverse()) lines.splice(from, to - from, ...text);
  return { played, markdown: lines.join('\n') };
}

/** The lines that a command prints, the temporary folder's path taken out. */
function printed(text: string, cwd: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  return new Promise((done, failed) => {
    const child = spawn('/bin/sh', ['-c', `exec 2>&1\n${text}`], { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      out += piece;
    });
    child.on('error', failed);
    child.on('close', (code) => {
      const lines = out
        .replace(/\n$/, '')
        .split('\n')
        .map((line) => line.trimEnd());
      const shown = out === '' ? [] : lines;
      done(code === 0 ? shown : [...shown, `[exit ${code}]`]);
    });
  });
}

/** An environment in which `cell` is this checkout's, plain, with no organism of the reader's in sight. */
export function stageEnvironment(bin: string, cli: string): NodeJS.ProcessEnv {
  mkdirSync(bin, { recursive: true });
  writeFileSync(
    join(bin, 'cell'),
    `#!/bin/sh\nexec "${process.execPath}" --disable-warning=ExperimentalWarning "${cli}" "$@"\n`,
    { mode: 0o755 },
  );
  const { CELL_HOME, CELL_FAULT, CELL_ROOT, FORCE_COLOR, ...env } = process.env;
  return { ...env, PATH: `${bin}:${env.PATH}`, NO_COLOR: '1', NODE_ENV: 'production', LC_ALL: 'C' };
}
