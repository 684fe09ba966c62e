/** What the doctor says of credentials, over the whole way from the genome: too little, too much, and not taken. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { genomeSchema } from '../genome/schema.ts';
import { doctor } from '../src/doctor.ts';
import { DIGITALOCEAN_SCOPES } from '../stacks/credentials/digitalocean.ts';
import { type DigitalOceanStandIn, startDigitalOcean } from './stacks/credentials/digitalocean.support.ts';
import { type LinodeStandIn, startLinode } from './stacks/credentials/linode.support.ts';

const NOW = Date.UTC(2026, 4, 4);
let ocean: DigitalOceanStandIn;
let linode: LinodeStandIn;
beforeEach(async () => {
  [ocean, linode] = await Promise.all([startDigitalOcean(), startLinode(NOW)]);
});
afterEach(async () => {
  for (const name of ['TEST_OCEAN', 'TEST_OCEAN_DNS', 'TEST_LINODE']) delete process.env[name];
  await Promise.all([ocean.close(), linode.close()]);
});

const genome = (mint = true) =>
  genomeSchema.parse({
    organism: 'garden',
    zone: 'garden.example',
    clouds: {
      near: {
        provider: 'digitalocean',
        region: 'ams3',
        size: 's-1vcpu-1gb',
        credentials: 'env:TEST_OCEAN',
        endpoint: ocean.url,
      },
      far: {
        provider: 'linode',
        region: 'eu-central',
        size: 'g6-nanode-1',
        credentials: 'env:TEST_LINODE',
        endpoint: `${linode.url}/v4`,
        mint,
      },
    },
    dns: { provider: 'digitalocean', credentials: 'env:TEST_OCEAN_DNS', endpoint: ocean.url },
    functions: {},
  });
const credentials = async (mint = true) =>
  Object.fromEntries(
    (await doctor(genome(mint)))
      .filter(({ name }) => name.startsWith('credential '))
      .map(({ name, ok, found, mend }) => [name, { ok, found, mend }]),
  );

test('tokens with just what they need are fine', async () => {
  process.env.TEST_OCEAN = 'compute';
  process.env.TEST_OCEAN_DNS = 'dns';
  ocean.tokens.set('compute', DIGITALOCEAN_SCOPES.compute).set('dns', DIGITALOCEAN_SCOPES.dns);
  process.env.TEST_LINODE = linode.grant('events:read_only firewall:read_write linodes:read_write');
  const found = await credentials(false);
  expect(Object.values(found).map(({ ok }) => ok)).toEqual([true, true, true]);
  expect(Object.keys(found)).toEqual(['credential near', 'credential far', 'credential dns']);
  expect(JSON.stringify(found)).not.toContain(process.env.TEST_LINODE);
  // With minting, the same token lacks the right to.
  expect((await credentials())['credential far']?.mend).toMatch(/^It lacks account:read_write/);
});

test('a token that may do everything is complained of, at each provider in its own words', async () => {
  process.env.TEST_OCEAN = process.env.TEST_OCEAN_DNS = 'all';
  ocean.tokens.set('all', ['*']);
  process.env.TEST_LINODE = linode.grant('*');
  const found = await credentials();
  expect(Object.values(found).map(({ ok }) => ok)).toEqual([false, false, false]);
  expect(found['credential near']?.mend).toMatch(/^It has too many scopes: .*domain:update/);
  expect(found['credential dns']?.mend).toMatch(/^It has too many scopes: .*droplet:delete/);
  expect(found['credential far']?.mend).toMatch(/^It may do more than it has to/);
});

test('one that is not taken, or not there, is said to be that', async () => {
  process.env.TEST_OCEAN = 'gone';
  process.env.TEST_LINODE = 'gone';
  const found = await credentials();
  expect(found['credential near']).toMatchObject({ ok: false, found: 'DigitalOcean does not take this credential' });
  expect(found['credential far']).toMatchObject({ ok: false, found: 'Linode does not take this credential' });
  // Both the zone and its credential lack it, and it is said once.
  const lacking = (await doctor(genome(true))).filter(({ found }) => found.includes('TEST_OCEAN_DNS'));
  expect(lacking).toMatchObject([{ name: 'dns', ok: false, found: 'The secret at env:TEST_OCEAN_DNS cannot be had' }]);
});

test('says which tools of its clouds are here, how large they are, and what a division takes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cell-doctor-'));
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });
  const program = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), 0o755);
  };
  program('pulumi', '#!/bin/sh\necho v3.300.0\n');
  program('pulumi-resource-linode', `#!/bin/sh\n#${' '.repeat(2_000_000)}\n`);
  vi.stubEnv('CELL_PULUMI', '');
  vi.stubEnv('CELL_CACHE', folder);
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`);
  const checks = (await doctor(genome())).filter(({ name }) => name.startsWith('pulumi'));
  expect(checks.map(({ name, ok, optional }) => [name, ok, optional])).toEqual([
    ['pulumi', true, true],
    ['pulumi-resource-digitalocean', false, true],
    ['pulumi-resource-linode', true, true],
  ]);
  const [engine, ocean, far] = checks.map(({ found }) => found);
  expect(engine).toMatch(/^v3\.300\.0 at .*pulumi \(0 MB\); a division takes some 350 MB of memory/);
  expect(ocean).toBe('4.81.0 is not here (54 MB)');
  expect(far).toBe(`at ${join(folder, 'pulumi-resource-linode')} (2 MB)`);
  expect(checks[1]?.mend).toContain('cell seed');
});
