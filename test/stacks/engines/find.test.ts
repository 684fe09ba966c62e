import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { packageRoot } from '../../../src/programs.ts';
import { engine } from '../../../stacks/engines/index.ts';
import { findPulumi, PULUMI_VERSION } from '../../../stacks/engines/pulumi.find.ts';

let base: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'cell-find-'));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(base, { recursive: true, force: true });
});

const program = (...path: string[]): string => {
  const file = join(base, ...path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, '#!/bin/sh\nexit 1\n');
  chmodSync(file, 0o755);
  return file;
};

test('the one named, then the one on PATH, then the one in the cache', () => {
  const env = { CELL_CACHE: join(base, 'cache'), PATH: `relative:${join(base, 'bin')}` };
  expect(findPulumi(env)).toBeNull();
  const cached = program('cache', 'pulumi', PULUMI_VERSION, 'pulumi');
  expect(findPulumi(env)).toBe(cached);
  const onPath = program('bin', 'pulumi');
  expect(findPulumi(env)).toBe(onPath);
  const named = program('named');
  expect(findPulumi({ ...env, CELL_PULUMI: named })).toBe(named);
  expect(findPulumi({ ...env, CELL_PULUMI: join(base, 'nothing') })).toBeNull();
  chmodSync(onPath, 0o644);
  expect(findPulumi(env)).toBe(cached);
});

test('without one, the Pulumi engine says what to do', async () => {
  vi.stubEnv('CELL_PULUMI', join(base, 'nothing'));
  await expect(engine('pulumi', { home: base, credentials: {} })).rejects.toMatchObject({
    code: 'ENGINE_MISSING',
    suggestion: expect.stringContaining('tools/pulumi/build.sh'),
  });
});

test('a CLI that does not run is a missing one', async () => {
  vi.stubEnv('CELL_PULUMI', program('broken'));
  const broken = await engine('pulumi', { home: join(base, 'home'), credentials: {} });
  const plan = { name: 'garden', kind: 'body', cell: 'b', engine: 'pulumi', resources: [] } as const;
  await expect(broken.up(plan, {})).rejects.toMatchObject({ code: 'ENGINE_MISSING' });
});

test('one version everywhere', () => {
  const read = (...path: string[]) => readFileSync(join(packageRoot(), 'tools', 'pulumi', ...path), 'utf8');
  expect(read('go.mod')).toContain(`github.com/pulumi/pulumi/pkg/v3 ${PULUMI_VERSION}`);
  expect(read('build.sh')).toContain(`version=${PULUMI_VERSION}\n`);
});
