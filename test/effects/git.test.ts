import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { git, initBare } from '../../src/effects/git.ts';

async function repository(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'cell-git-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const dir = join(folder, 'memory.git');
  await initBare(dir);
  return dir;
}

test('runs on a bare repository, with input', async () => {
  const dir = await repository();
  const id = (await git(dir, ['hash-object', '-w', '--stdin'], { input: 'hello\n' })).toString().trim();
  expect(id).toBe('ce013625030ba8dba906f756967f9e9ca394464a');
  expect((await git(dir, ['cat-file', 'blob', id])).toString()).toBe('hello\n');
});

test('reads no configuration but its own', async () => {
  const dir = await repository();
  const config = join(dir, 'config.user');
  writeFileSync(config, '[user]\n\tname = nobody\n');
  const before = { ...process.env };
  process.env.GIT_CONFIG_GLOBAL = config;
  process.env.HOME = dir;
  try {
    await expect(git(dir, ['config', 'user.name'])).rejects.toMatchObject({
      code: 'SYNC_FAILED',
      fields: { exitCode: 1 },
    });
  } finally {
    process.env = before;
  }
});

test('fails with the last line that git says', async () => {
  const dir = await repository();
  await expect(git(dir, ['update-ref', 'refs/heads/x', 'f'.repeat(40)])).rejects.toMatchObject({
    code: 'SYNC_FAILED',
    why: expect.stringMatching(/nonexistent object/),
  });
});

test('is ended when it takes too long or says too much', async () => {
  const dir = await repository();
  const pipe = join(dir, 'pipe');
  execFileSync('mkfifo', [pipe]); // nobody ever writes into it
  await expect(git(dir, ['hash-object', pipe], { timeoutMs: 100 })).rejects.toMatchObject({ code: 'TIMEOUT' });
  const id = (await git(dir, ['hash-object', '-w', '--stdin'], { input: 'x'.repeat(500_000) })).toString().trim();
  await expect(git(dir, ['cat-file', 'blob', id], { maxOutput: 1000 })).rejects.toMatchObject({ code: 'SYNC_FAILED' });
});
