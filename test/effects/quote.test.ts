import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  environmentFile,
  parseEnvironmentFile,
  shellCommand,
  shellQuote,
  systemdPath,
  systemdQuote,
} from '../../src/effects/quote.ts';

/** Text as a command or variable may hold it: any characters but NUL and halves of surrogate pairs. */
const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((each) => !each.includes('\0') && each.isWellFormed());
const nasty = fc
  .array(
    fc.constantFrom(
      '$',
      '%',
      '"',
      "'",
      '\\',
      '`',
      '\n',
      '\r',
      '\t',
      ' ',
      ';',
      '#',
      '$HOME',
      '%n',
      '\\n',
      'a',
      '=',
      '\x1b',
    ),
  )
  .map((parts) => parts.join(''));
const any = fc.oneof(nasty, text);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cell-quote-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function sh(script: string): string {
  return execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8', env: { HOME: '/nowhere' } });
}

/** One double-quoted argument as systemd reads it: specifiers, then C escapes, then variables. By its manual pages. */
function readSystemd(quoted: string): string {
  expect(quoted).toMatch(/^"[^\n]*"$/);
  const specified = quoted.slice(1, -1).replace(/%(.)/gs, (_all, next) => (next === '%' ? '%' : '<specifier>'));
  const named: Record<string, string> = { n: '\n', t: '\t', r: '\r', '\\': '\\', '"': '"' };
  const unescaped = specified.replace(/\\(?:x([0-9a-f]{2})|(.)|$)/gs, (_all, hex, next) =>
    hex === undefined ? (named[next] ?? '<bad escape>') : String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return unescaped.replace(/\$(.|$)/gs, (_all, next) => (next === '$' ? '$' : '<variable>'));
}

describe('quoting', () => {
  it('a word comes out of /bin/sh as it went in', () => {
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 5 }), (words) => {
        const out = sh(`printf '%s\\0' ${words.map(shellQuote).join(' ')}`);
        expect(out.split('\0').slice(0, -1)).toEqual(words);
      }),
      { numRuns: 60 },
    );
  });

  it('a program is run by its name, whatever the name means to a shell', () => {
    for (const name of ['if', 'A=b', "it's", 'plain']) {
      writeFileSync(join(folder, name), '#!/bin/sh\nprintf "%s " "$0" "$@"\n', { mode: 0o755 });
      expect(sh(`PATH="${folder}"; ${shellCommand([name, 'A=b', "it's"])}`)).toBe(`${join(folder, name)} A=b it's `);
    }
    expect(shellCommand([])).toBe('');
  });

  it('a command line goes through systemd into /bin/sh as it was', () => {
    fc.assert(
      fc.property(any, (value) => {
        const line = `printf '%s' ${shellQuote(value)}`;
        const arrived = readSystemd(systemdQuote(line));
        expect(arrived).toBe(line);
        expect(sh(arrived)).toBe(value);
      }),
      { numRuns: 60 },
    );
  });

  it('variables come back from the file, and a shell that sources it has them too', () => {
    const name = fc.constantFrom('A', 'B_2', 'LONG_NAME');
    fc.assert(
      fc.property(fc.dictionary(name, any), (variables) => {
        const file = environmentFile(variables);
        expect(parseEnvironmentFile(file)).toEqual({ ...variables });
        writeFileSync(join(folder, 'env'), file);
        for (const [key, value] of Object.entries(variables)) {
          expect(sh(`. ${shellQuote(join(folder, 'env'))}; printf '%s' "$${key}"`)).toBe(value);
        }
      }),
      { numRuns: 40 },
    );
  });

  it.each([
    ['A=1\nB="x \\"y\\""\nC=\'$z\'\nbad\nD = spaced \n', { A: '1', B: 'x "y"', C: '$z', D: 'spaced' }],
    ['# A=1\n; B=2\n  # C=3\n\nD=4 # not a comment', { D: '4 # not a comment' }],
    ['A="one\ntwo\n"\nB=\'three\n\\four\'\n', { A: 'one\ntwo\n', B: 'three\n\\four' }],
    ['A="a"\'b\' "c" \nB=d"e"\n', { A: 'abc', B: 'd"e"' }],
    ['A=one \\\n two\nB="three \\\nfour"\nC=\\"\\ \n', { A: 'one  two', B: 'three four', C: '" ' }],
    ['A="\\d \\$ \\` \\\\"\r\nB=2\r\n', { A: '\\d $ ` \\', B: '2' }],
    ['A=\nB=""\n1C=x\nexport D=x\n=x\n', { A: '', B: '' }],
    ['A="no end\nB=1', { A: 'no end\nB=1' }],
    ['# a comment \\\nA=1\n# "\nB=2', { A: '1', B: '2' }],
    ['A=1\nA=2', { A: '2' }],
  ])('reads %j as systemd does', (text, variables) => {
    expect(parseEnvironmentFile(text)).toEqual(variables);
  });

  it('refuses what cannot be carried', () => {
    for (const quote of [shellQuote, systemdQuote, systemdPath]) expect(() => quote('a b\0')).toThrow(/NUL/);
    expect(() => environmentFile({ A: '\0' })).toThrow(/NUL/);
    expect(() => environmentFile({ 'A=B': '' })).toThrow(/name/);
    expect(() => systemdPath('a\nb')).toThrow(/line break/);
  });
});
