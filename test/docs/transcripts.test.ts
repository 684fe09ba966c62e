/** docs/commands/*.md is what the commands print. `UPDATE_TRANSCRIPTS=1` writes anew what they print now. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { outputMatches, parseTranscript, play, rewritten, stageEnvironment } from './transcript.ts';

const ROOT = join(import.meta.dirname, '../..');
const DOCS = join(ROOT, 'docs/commands');
/** It needs machines: test/e2e/transcripts.test.ts. */
const ELSEWHERE = ['organism.md'];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cell-docs-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('docs/commands', { timeout: 180_000 }, () => {
  const documents = readdirSync(DOCS).filter((name) => name.endsWith('.md') && !ELSEWHERE.includes(name));
  test.each(documents)('%s', async (name) => {
    const file = join(DOCS, name);
    const before = readFileSync(file, 'utf8');
    const env = stageEnvironment(join(folder, 'bin'), join(ROOT, 'bin/dev.js'));
    const { played, markdown } = await play(before, { folder: mkdtempSync(join(folder, 'at-')), env, names: [] });
    expect(played.length).toBeGreaterThan(0);
    if (process.env.UPDATE_TRANSCRIPTS === '1') writeFileSync(file, markdown);
    else expect(markdown).toBe(before);
  });
});

describe('the language of transcripts', () => {
  test.each([
    { expected: [], actual: [], ok: true },
    { expected: [], actual: ['a'], ok: false },
    { expected: ['a'], actual: [], ok: false },
    { expected: ['took [..] ms'], actual: ['took 13 ms'], ok: true },
    { expected: ['took [..] ms'], actual: ['took 13 s'], ok: false },
    { expected: ['a.b'], actual: ['axb'], ok: false },
    { expected: ['...'], actual: [], ok: true },
    { expected: ['a', '...', 'c'], actual: ['a', 'b', 'b', 'c'], ok: true },
    { expected: ['a', '...', 'c'], actual: ['a', 'b'], ok: false },
    { expected: ['<first> is <first>'], actual: ['fox is fox'], ok: true },
    { expected: ['<first> is <first>'], actual: ['fox is elk'], ok: false },
    { expected: ['<first>', '...', '<first>'], actual: ['fox', 'elk', 'fox'], ok: true },
    { expected: ['<first>', '<first>'], actual: ['fox', 'elk'], ok: false },
    { expected: ['<other>'], actual: ['fox'], ok: false },
  ])('$expected against $actual', ({ expected, actual, ok }) => {
    expect(outputMatches(expected, actual, ['first'])).toBe(ok);
  });

  test('an update keeps the patterns that still fit', () => {
    expect(rewritten(['took [..] ms', 'gone'], ['new', 'took 5 ms'], [], new Map())).toEqual(['new', 'took [..] ms']);
  });

  test('commands, their continuation and files are found where they stand', () => {
    const text = [
      '```yaml file=a.yaml',
      'x: 1',
      '```',
      '',
      '```console',
      '$ one \\',
      '> two',
      'out',
      '$ three',
      '```',
    ].join('\n');
    expect(parseTranscript(text)).toEqual([
      { kind: 'file', name: 'a.yaml', text: 'x: 1\n' },
      { kind: 'command', text: 'one \\\ntwo', expected: ['out'], from: 7, to: 8 },
      { kind: 'command', text: 'three', expected: [], from: 9, to: 9 },
    ]);
  });

  test('what a command prints and how it ends is put where something else stood', async () => {
    const env = stageEnvironment(join(folder, 'bin'), join(ROOT, 'bin/dev.js'));
    const text = ['```console', '$ echo one; exit 3', 'two', '```'].join('\n');
    const { played, markdown } = await play(text, { folder, env, names: [] });
    expect(played.map(({ ok }) => ok)).toEqual([false]);
    expect(markdown).toBe(['```console', '$ echo one; exit 3', 'one', '[exit 3]', '```'].join('\n'));
  });
});
