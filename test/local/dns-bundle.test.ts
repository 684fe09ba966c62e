import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freePort } from '../../src/effects/services.ts';
import { ensureDns, ensureToken } from '../../src/local/dns-client.ts';
import { localDns } from '../../stacks/records/local.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cell-dns-bundle-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

it('is one file that runs anywhere', async () => {
  const outfile = join(dir, 'dns.mjs');
  const banner = "import { createRequire as _r } from 'node:module'; const require = _r(import.meta.url);";
  const options = { bundle: true, platform: 'node', format: 'esm', target: 'node22', banner: { js: banner } } as const;
  await build({ ...options, entryPoints: [join(import.meta.dirname, '../../src/local/dns.main.ts')], outfile });
  const token = await ensureToken(dir);
  const port = await freePort('127.0.0.1');
  const child = spawn(process.execPath, [outfile, dir, String(port)], {
    cwd: '/',
    env: {},
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  try {
    await once(child.stderr, 'data');
    // Started already, so this only asks it.
    const credential = { dir, port, node: '/nonexistent', token };
    await ensureDns(credential);
    expect(await localDns.list('garden', credential)).toEqual([]);
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}, 60_000);
