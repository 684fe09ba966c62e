/** A voice at Cloudflare through the embedded engine: no Pulumi, no plugin, and nothing made twice wherever it is cut off. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { compile, firstCell } from '../../../genome/compile.ts';
import { parseGenome } from '../../../genome/parse.ts';
import { engine } from '../../../stacks/engines/index.ts';
import type { StackPlan } from '../../../stacks/stack.ts';
import { failure } from '../credentials/server.support.ts';
import { type CloudflareStandIn, startCloudflare, ZONE, ZONE_ID } from './cloudflare.support.ts';

let cloudflare: CloudflareStandIn;
let home: string;
beforeEach(async () => {
  cloudflare = await startCloudflare();
  home = mkdtempSync(join(tmpdir(), 'cell-cloudflare-'));
});
afterEach(async () => {
  await cloudflare.close();
  rmSync(home, { recursive: true, force: true });
});

function voice(domains: readonly string[], ttl = '60s'): StackPlan {
  const machines = [{ address: '192.0.2.9', hostKey: 'ssh-ed25519 AAAA' }];
  const genome = parseGenome(
    JSON.stringify({
      ...{ organism: 'garden', zone: ZONE, body: { maxCells: 1 } },
      clouds: { mine: { provider: 'hosts', machines, credentials: 'file:k' } },
      dns: { provider: 'cloudflare', credentials: 'env:T', ttl },
      functions: Object.fromEntries(domains.map((domain, index) => [`f${index}`, { run: './f', domain }])),
    }),
    'genome.yaml',
  ).genome;
  if (genome === null) throw new Error('the genome has findings');
  const plan = compile(genome, firstCell(genome)).find(({ kind }) => kind === 'voice');
  if (plan === undefined) throw new Error('there is no voice');
  return plan;
}

const open = () => {
  const credential = { token: 'good', endpoint: `${cloudflare.url}/client/v4`, zone: ZONE, zoneId: ZONE_ID };
  return engine('embedded', { home, credentials: { 'cloudflare-dns': credential } });
};
const at = (address: string) => ({ values: { address, address6: '' } });
const addresses = () => cloudflare.zone.dump().filter((line) => / A /.test(line));
const operations = (result: { changes: readonly { operation: string; name: string }[] }) =>
  result.changes.map(({ operation, name }) => `${operation} ${name}`);
const www = `www.${ZONE}`;
const shop = `shop.${ZONE}`;

test('comes up, stays, changes and goes', async () => {
  const own = await open();
  expect(operations(await own.preview(voice([www, shop]), at('192.0.2.1')))).toEqual([
    `create ${shop}`,
    `create ${www}`,
  ]);
  expect(cloudflare.asked).toEqual([]);
  await own.up(voice([www, shop]), at('192.0.2.1'));
  expect(addresses()).toEqual([`${shop} 60 A 192.0.2.1`, `${www} 60 A 192.0.2.1`]);
  const before = cloudflare.asked.length;
  expect(operations(await own.up(voice([www, shop]), at('192.0.2.1')))).toEqual([`same ${shop}`, `same ${www}`]);
  expect(cloudflare.asked).toHaveLength(before);
  const changed = await own.up(voice([www], '2m'), at('192.0.2.2'));
  expect(operations(changed)).toEqual([`update ${www}`, `delete ${shop}`]);
  expect(addresses()).toEqual([`${www} 120 A 192.0.2.2`]);
  expect(operations(await own.destroy(voice([www]).name))).toEqual([`delete ${www}`]);
  expect(cloudflare.zone.dump()).toEqual([]);
});

test('finds by a refresh what somebody took away, and makes it again', async () => {
  const own = await open();
  await own.up(voice([www]), at('192.0.2.1'));
  cloudflare.zone.rows = [];
  expect(operations(await own.refresh(voice([www]).name))).toEqual([`delete ${www}`]);
  await own.up(voice([www]), at('192.0.2.1'));
  expect(addresses()).toEqual([`${www} 60 A 192.0.2.1`]);
});

/** Every answer to a change is lost, though it is made: what a cell sees that is killed at that moment. */
async function cutOff(address: string): Promise<void> {
  cloudflare.afterwards = () => ({ status: 0, cut: true });
  cloudflare.trouble = ({ method }) =>
    method === 'GET' && cloudflare.zone.rows.length > 0 ? { status: 0, cut: true } : null;
  expect(await failure((await open()).up(voice([www]), at(address)))).toMatchObject({ code: 'STACK_FAILED' });
  expect(addresses()).toEqual([`${www} 60 A ${address}`]);
  cloudflare.afterwards = null;
  cloudflare.trouble = null;
}

test('goes on after a create that was cut off, and has one record', async () => {
  await cutOff('192.0.2.1');
  await (await open()).up(voice([www]), at('192.0.2.1'));
  expect(addresses()).toEqual([`${www} 60 A 192.0.2.1`]);
});

test('adopts what was cut off where something else is wanted now', async () => {
  await cutOff('192.0.2.1');
  await (await open()).up(voice([www]), at('192.0.2.7'));
  expect(addresses()).toEqual([`${www} 60 A 192.0.2.7`]);
  expect(cloudflare.zone.rows).toHaveLength(2);
});

test('takes back what was cut off and is not wanted any more', async () => {
  await cutOff('192.0.2.1');
  await (await open()).destroy(voice([www]).name);
  expect(cloudflare.zone.dump()).toEqual([]);
});

test('says why, and never the token, which is in no checkpoint', async () => {
  cloudflare.tokens.clear();
  const own = await open();
  const error = await failure<Error & { why?: string }>(own.up(voice([www]), at('192.0.2.1')));
  expect(error).toMatchObject({ code: 'STACK_FAILED', why: expect.stringContaining('does not take this credential') });
  cloudflare.tokens.set('good', 'write');
  await own.up(voice([www]), at('192.0.2.1'));
  const checkpoint = readFileSync(join(home, 'embedded', voice([www]).name, 'checkpoint.json'), 'utf8');
  expect(checkpoint).toContain(www);
  expect(checkpoint).not.toContain('good');
});
