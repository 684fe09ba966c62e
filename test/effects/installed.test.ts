/** What a machine says of its packages, at a stand-in of dpkg-query that knows two. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { notInstalled } from '../../src/effects/installed.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cell-dpkg-'));
  vi.stubEnv('PATH', `${folder}:/bin`);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

test('one that was removed, or is not known, is not there', async () => {
  const program = join(folder, 'dpkg-query');
  const text = "#!/bin/sh\n[ $# = 7 ] || exit 2\nprintf 'jq installed\\nredis config-files\\n'\nexit 1\n";
  writeFileSync(program, text);
  chmodSync(program, 0o755);
  expect(await notInstalled(['jq', 'redis', 'sl'])).toEqual(['redis', 'sl']);
});

test('where there is no dpkg nothing can be told, and where nothing is asked nobody is', async () => {
  vi.stubEnv('PATH', folder);
  expect(await notInstalled(['jq'])).toEqual([]);
  expect(await notInstalled([])).toEqual([]);
});
