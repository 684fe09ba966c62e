/**
 * What cron runs every beat: the bundle of a tick loads neither Pulumi nor an SSH library before something asks for it.
 * Held on the bundle itself, by its static imports; what is imported late (`import(…)`) is followed for comparison.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

const DIST = join(import.meta.dirname, '../../dist');
const STATIC = /\b(?:from|import)\s*"(\.[^"]+\.js)"/g;
const LATE = /\bimport\("(\.[^"]+\.js)"\)/g;
/** Words that only the library's own code holds. */
const MARKS = {
  pulumi: 'pulumirpc',
  ssh2: 'hmac-sha2-512-etm@openssh.com',
  yaml: 'YAMLParseError',
  zod: 'invalid_union',
};

function loaded(entry: string, ways: readonly RegExp[]): ReadonlyMap<string, string> {
  const seen = new Map<string, string>();
  const walk = (file: string): void => {
    if (seen.has(file)) return;
    const text = readFileSync(file, 'utf8');
    seen.set(file, text);
    for (const way of ways) for (const [, path] of text.matchAll(way)) walk(join(dirname(file), path as string));
  };
  walk(join(DIST, entry));
  return seen;
}

const holding = (files: ReadonlyMap<string, string>, mark: string) =>
  [...files].filter(([, text]) => text.includes(mark)).map(([file]) => file);

describe('the bundle of a tick', () => {
  const early = loaded('tick.js', [STATIC]);
  const all = loaded('tick.js', [STATIC, LATE]);

  it.each(Object.entries(MARKS))('loads %s late or never', (_, mark) => {
    expect(holding(early, mark)).toEqual([]);
    expect(holding(all, mark)).not.toEqual([]);
  });

  it('is small', () => {
    const bytes = [...early.values()].reduce((sum, text) => sum + text.length, 0);
    expect(bytes).toBeLessThan(300_000);
  });
});
