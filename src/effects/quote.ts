/**
 * How text gets through the three parsers between us and a function: the shell's, systemd's unit files' and systemd's
 * environment files'. Pure. Each throws USAGE for a NUL, which none of them can carry.
 */
import { CellError } from '../errors.ts';

function noNul(text: string): string {
  if (text.includes('\0')) throw new CellError('USAGE', 'A NUL character cannot be part of a command or a variable');
  return text;
}

/** One word of /bin/sh. Left as it is where nothing in it means anything to a shell. */
export function shellQuote(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  return `'${noNul(word).replaceAll("'", `'\\''`)}'`;
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

/** Reads what environmentFile wrote. Lines it could not have written are passed over. */
export function parseEnvironmentFile(text: string): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const match of text.matchAll(/^([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\[\s\S])*)"$/gm)) {
    variables[match[1] as string] = (match[2] as string).replace(/\\([\\"`$])/g, '$1');
  }
  return variables;
}
