/**
 * How text gets through the three parsers between us and a function: the shell's, systemd's unit files' and systemd's
 * environment files'. Pure. Each throws USAGE for a NUL, which none of them can carry.
 */
import { CellError } from '../errors.ts';

function noNul(text: string): string {
  if (text.includes('\0')) throw new CellError('USAGE', 'A NUL character cannot be part of a command or a variable');
  return text;
}

const inQuotes = (word: string): string => `'${noNul(word).replaceAll("'", `'\\''`)}'`;

/** One word of /bin/sh, behind a program. Left as it is where nothing in it means anything to a shell. */
export function shellQuote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : inQuotes(word);
}

/** A program and its arguments as a line of /bin/sh. The first would else be a keyword (`if`) or set a variable (`A=b`). */
export function shellCommand(words: readonly string[]): string {
  return words.map((word, index) => (index === 0 ? inQuotes(word) : shellQuote(word))).join(' ');
}

const ESCAPES: Record<string, string> = { '\n': '\\n', '\t': '\\t', '\r': '\\r', '\\': '\\\\', '"': '\\"' };

/**
 * One argument of ExecStart= in double quotes (systemd.service(5), "Command lines"): C escapes for what is special in
 * quotes, `%%` for a per cent sign (else a specifier), `$$` for a dollar (else a variable of the unit, not of the shell).
 */
export function systemdQuote(argument: string): string {
  let out = '';
  for (const character of noNul(argument)) {
    const code = character.charCodeAt(0);
    if (character === '%' || character === '$') out += character + character;
    else if (ESCAPES[character] !== undefined) out += ESCAPES[character];
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, '0')}`;
    else out += character;
  }
  return `"${out}"`;
}

/** A path as the value of a setting such as WorkingDirectory=: to the end of the line, only specifiers mean something. */
export function systemdPath(path: string): string {
  if (/[\n\r]/.test(path)) throw new CellError('USAGE', 'A path with a line break cannot stand in a unit');
  return noNul(path).replaceAll('%', '%%');
}

/**
 * Variables as EnvironmentFile= reads them (systemd.exec(5)); the same text can be sourced by a shell. Sorted, so that
 * the same variables give the same bytes.
 */
export function environmentFile(variables: Readonly<Record<string, string>>): string {
  return Object.keys(variables)
    .sort()
    .map((name) => {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new CellError('USAGE', `${name} cannot be a variable's name`);
      return `${name}="${noNul(variables[name] as string).replace(/[\\"`$]/g, '\\$&')}"\n`;
    })
    .join('');
}

type State = 'key' | 'comment' | 'before' | 'plain' | 'single' | 'double';

/**
 * The variables of an EnvironmentFile=, by the rules of systemd.exec(5): a value may be quoted, in parts, and go over
 * several lines then; `\` escapes `"`, `\`, `` ` `` and `$` in double quotes and everything outside of quotes, and joins
 * lines in both. Lines that set nothing, and names that no variable can have, are passed over.
 */
export function parseEnvironmentFile(text: string): Record<string, string> {
  const variables: Record<string, string> = {};
  let state: State = 'key';
  let name = '';
  let value = '';
  /** How much of the value must stay when spaces at its end are cut off. */
  let kept = 0;
  const end = () => {
    const key = name.trim();
    const whole = state === 'plain' ? value.slice(0, kept) + value.slice(kept).trimEnd() : value;
    if (state !== 'key' && state !== 'comment' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) variables[key] = whole;
    [state, name, value, kept] = ['key', '', '', 0];
  };
  for (let i = 0; i < text.length; i++) {
    const character = text[i] as string;
    const quoted = state === 'single' || state === 'double';
    if (!quoted && (character === '\n' || character === '\r')) end();
    else if (state === 'key') {
      if (character === '=') state = 'before';
      else if (name.trim() === '' && (character === '#' || character === ';')) state = 'comment';
      else name += character;
    } else if ((state === 'single' && character === "'") || (state === 'double' && character === '"')) {
      state = 'before';
    } else if (character === '\\' && state !== 'single' && state !== 'comment') {
      const next = text[++i] ?? '';
      if (state === 'double' && !'\\"`$\n'.includes(next)) value += character;
      if (next !== '\n') value += next;
      if (state !== 'double') [state, kept] = ['plain', value.length];
    } else if (state === 'before' && (character === "'" || character === '"')) {
      state = character === '"' ? 'double' : 'single';
    } else if (quoted || state === 'plain' || (state === 'before' && !/\s/.test(character))) {
      if (!quoted) state = 'plain';
      value += character;
    }
  }
  // A quote without an end: systemd takes what there is.
  end();
  return variables;
}

/** Characters with a meaning to the shell. */
const SCRIPT = /[$`;|&<>()\\\n#]/;

/** Whether a command line is a program and its arguments, and nothing that only a shell can do. */
export function isPlainCommand(line: string): boolean {
  return !SCRIPT.test(line);
}
