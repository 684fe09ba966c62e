import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runHook, runThrottle, withArguments } from '../../src/effects/hooks.ts';
import { runCommand } from '../../src/effects/run.ts';
import { layout } from '../../src/layout.ts';

const SLOW = 60_000;
let root: string;
let folder: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cell-commands-'));
  folder = join(layout(root).functions, 'web');
  mkdirSync(folder, { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('commands', () => {
  const env = { PATH: process.env.PATH };
  const alive = (pid: number) =>
    existsSync(`/proc/${pid}`) && !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

  it(
    'are ended with everything they began, also what ignores the signal',
    async () => {
      const line =
        'trap "" TERM; (trap "" TERM; echo $$ > leader; sleep 1000) & sleep 1000 & echo $! > kid; wait; sleep 1000';
      const result = await runCommand(line, { cwd: folder, env, timeoutMs: 300 });
      expect(result).toMatchObject({ timedOut: true, why: 'no end within 300 ms', code: null });
      const kid = Number(readFileSync(join(folder, 'kid'), 'utf8'));
      await expect.poll(() => alive(kid), { timeout: 10_000 }).toBe(false);
    },
    SLOW,
  );

  it(
    'do not hang on what they leave behind',
    async () => {
      const result = await runCommand('sleep 1000 & echo $!', { cwd: folder, env, timeoutMs: 30_000, reap: true });
      expect(result).toMatchObject({ code: 0, why: null });
      await expect.poll(() => alive(Number(result.stdout)), { timeout: 10_000 }).toBe(false);
    },
    SLOW,
  );

  it(
    'say why they did not go well',
    async () => {
      const at = { cwd: folder, env, timeoutMs: 30_000 };
      expect((await runCommand('echo no >&2; exit 4', at)).why).toBe('exit code 4: no');
      expect((await runCommand('kill -9 $$', at)).why).toBe('ended by SIGKILL');
      expect((await runCommand('true', { ...at, cwd: join(root, 'none') })).why).toMatch(/ENOENT/);
      const abort = AbortSignal.abort();
      expect((await runCommand('sleep 1000', { ...at, signal: abort })).why).toBe('interrupted');
      const long = await runCommand('yes 0123456789 | head -c 300000; echo end', at);
      expect(long.stdout.length).toBeLessThanOrEqual(16 * 1024);
      expect(long.stdout.endsWith('end\n')).toBe(true);
    },
    SLOW,
  );

  it(
    'that throttle get the level as argument and variable',
    async () => {
      writeFileSync(join(folder, 'throttle'), '#!/bin/sh\necho "$1 $CELL_THROTTLE_LEVEL $PORT"\n', { mode: 0o755 });
      mkdirSync(layout(root).environments, { recursive: true });
      writeFileSync(join(layout(root).environments, 'web.env'), 'PORT="8123"\n');
      const hook = { layout: layout(root), function: 'web' };
      expect(await runThrottle({ ...hook, run: './throttle' }, 40)).toMatchObject({ ok: true, output: '40 40 8123\n' });
      expect((await runThrottle({ ...hook, run: 'echo "level=$1"; true' }, 7)).output).toBe('level=7\n');
      expect((await runThrottle({ ...hook, run: 'echo "$CELL_HOOK"; true' }, 0)).output).toBe('relax\n');
      const failed = await runHook({
        ...hook,
        hook: 'merge',
        run: 'echo broken >&2; exit 1',
        env: { CELL_FROM: '/x' },
      });
      expect(failed).toMatchObject({ ok: false, why: 'merge of web: exit code 1: broken' });
    },
    SLOW,
  );

  it.each([
    ['./throttle', './throttle "$@"'],
    ['node throttle.js --fast', 'node throttle.js --fast "$@"'],
    ['./throttle "$1"', './throttle "$1"'],
    ['./a; ./b', './a; ./b'],
    ['./a > log', './a > log'],
  ])('%s is run as %s', (line, expected) => {
    expect(withArguments(line)).toBe(expected);
  });
});
