/** A cell's voices: what is said at each DNS provider, when nothing is to be said, and when one of them is down. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parseGenome } from '../genome/parse.ts';
import type { Here } from '../src/here.ts';
import { silence, speak } from '../src/voice.ts';
import { failure } from './stacks/credentials/server.support.ts';
import { type CloudflareStandIn, startCloudflare, ZONE, ZONE_ID } from './stacks/records/cloudflare.support.ts';

/** Which names were waited for until no server of the zone shows them any more. */
const { gone } = vi.hoisted(() => ({ gone: [] as string[] }));
vi.mock('../src/effects/dns/authority.ts', () => ({
  untilGone: async (zone: string, name: string, addresses: readonly string[]) => {
    gone.push(`${name} ${addresses.join(' ')} (${zone})`);
  },
}));

const [WWW, SHOP] = [`www.${ZONE}`, `shop.${ZONE}`];
let near: CloudflareStandIn;
let far: CloudflareStandIn;
let home: string;
let functions: string[];
let state: string;

beforeEach(async () => {
  [near, far] = [await startCloudflare(), await startCloudflare()];
  home = mkdtempSync(join(tmpdir(), 'cell-voice-'));
  functions = ['web', 'shop', 'quiet'];
  state = 'alive';
  gone.length = 0;
  const machines = [{ address: '192.0.2.9', hostKey: 'ssh-ed25519 AAAA' }];
  const { genome, findings } = parseGenome(
    JSON.stringify({
      ...{ organism: 'garden', zone: ZONE, body: { maxCells: 1 } },
      clouds: { mine: { provider: 'hosts', machines, credentials: 'file:k' } },
      dns: {
        near: { provider: 'cloudflare', credentials: 'env:A' },
        far: { provider: 'cloudflare', credentials: 'env:B' },
      },
      functions: { web: { run: './f', domain: WWW }, shop: { run: './f', domain: SHOP }, quiet: { run: './f' } },
    }),
    'genome.yaml',
  );
  if (genome === null) throw new Error(JSON.stringify(findings));
  write('genome.json', genome);
  const credential = ({ url }: CloudflareStandIn) => ({
    ...{ token: 'good', endpoint: `${url}/client/v4`, zone: ZONE, zoneId: ZONE_ID },
  });
  write('credentials.json', { compute: null, dns: { near: credential(near), far: credential(far) } });
  runs();
});
afterEach(async () => {
  await near.close();
  await far.close();
  rmSync(home, { recursive: true, force: true });
});

const write = (name: string, value: unknown) => writeFileSync(join(home, name), JSON.stringify(value));
const read = (name: string) => JSON.parse(readFileSync(join(home, name), 'utf8'));
const runs = () => write('traffic.json', { ...existing(), running: functions });
const existing = () => {
  try {
    return read('traffic.json');
  } catch {
    return {};
  }
};

const here = (): Here => {
  const cell = { id: 'c1', birth: 'b0123456789', parent: 'seed', cloud: 'mine', state, functions };
  const cells = { c1: { ...cell, reach: { address: '192.0.2.1' } } };
  const lineage = { organism: 'garden', cells };
  return {
    ...{ home, identity: { id: 'c1' }, memory: { recall: async () => ({ lineage }) }, log: () => {} },
  } as never;
};
const said = ({ zone }: CloudflareStandIn) => zone.dump().filter((line) => / A /.test(line));
const both = [`${SHOP} 60 A 192.0.2.1`, `${WWW} 60 A 192.0.2.1`];
const asked = () => near.asked.length + far.asked.length;

test('the same is said at both makers of a zone, once', async () => {
  expect(await speak(here())).toBe(4);
  expect([said(near), said(far)]).toEqual([both, both]);
  expect(read('traffic.json').published).toEqual([SHOP, WWW]);
  const before = asked();
  expect(await speak(here())).toBe(0);
  expect(asked()).toBe(before);
  expect(gone).toEqual([]);
});

test('one that is down keeps nobody from speaking at the other, and is told later', async () => {
  near.trouble = () => ({
    status: 400,
    body: { success: false, errors: [{ code: 1, message: 'down' }], result: null },
  });
  expect(await failure(speak(here()))).toMatchObject({ code: 'STACK_FAILED' });
  expect([said(near), said(far)]).toEqual([[], both]);
  near.trouble = null;
  const before = far.asked.length;
  expect(await speak(here())).toBe(2);
  expect([said(near), said(far)]).toEqual([both, both]);
  expect(far.asked).toHaveLength(before);
});

test('a domain that went is waited for at the servers of its zone', async () => {
  await speak(here());
  functions = ['web'];
  runs();
  await speak(here());
  expect([said(near), said(far)]).toEqual([[both[1]], [both[1]]]);
  expect(gone).toEqual([`${SHOP} 192.0.2.1 (${ZONE})`, `${SHOP} 192.0.2.1 (${ZONE})`]);
  expect(read('traffic.json').published).toEqual([WWW]);
});

test('a cell without a domain says nothing, and takes back what it said', async () => {
  await speak(here());
  functions = ['quiet'];
  runs();
  await speak(here());
  expect([near.zone.dump(), far.zone.dump()]).toEqual([[], []]);
  expect(gone).toHaveLength(4);
  expect(read('voice.json')).toEqual({ said: {} });
  const before = asked();
  await speak(here());
  expect(asked()).toBe(before);
});

test('a cell that is to be silent leaves nothing, also of what its stacks do not know', async () => {
  await speak(here());
  for (const { zone } of [near, far]) {
    const content = `"v=cell1 organism=garden cell=b0123456789 address=192.0.2.1"`;
    zone.batch({ posts: [{ name: `_cell.old.${ZONE}`, type: 'TXT', content, ttl: 60 }] });
    zone.batch({ posts: [{ name: `old.${ZONE}`, type: 'A', content: '192.0.2.1', ttl: 60 }] });
    zone.batch({ posts: [{ name: ZONE, type: 'A', content: '203.0.113.1', ttl: 60 }] });
  }
  await silence(here());
  expect([near.zone.dump(), far.zone.dump()]).toEqual([[`${ZONE} 60 A 203.0.113.1`], [`${ZONE} 60 A 203.0.113.1`]]);
  expect(gone).toHaveLength(4);
  expect(read('traffic.json').published).toEqual([]);
});

test('what was said at a provider that the genome names no more is taken back there', async () => {
  await speak(here());
  const genome = read('genome.json');
  write('genome.json', { ...genome, dns: { near: genome.dns.near } });
  await speak(here());
  expect([said(near), far.zone.dump()]).toEqual([both, []]);
  // The zone has another maker, whose servers still show them.
  expect(gone).toEqual([]);
  expect(Object.keys(read('voice.json').at)).toEqual(['near']);
  // Under one name, without any: what was said as `near` goes, and is said anew.
  write('genome.json', { ...genome, dns: genome.dns.far });
  const { dns } = read('credentials.json');
  write('credentials.json', { compute: null, dns: { ...dns, dns: dns.far } });
  await speak(here());
  expect([near.zone.dump(), said(far)]).toEqual([[], both]);
});

test('what the file of an earlier version says is understood: one voice that has to go', async () => {
  const genome = read('genome.json');
  write('genome.json', { ...genome, dns: genome.dns.near });
  const { dns } = read('credentials.json');
  write('credentials.json', { compute: null, dns: { dns: dns.near } });
  await speak(here());
  const [[name, hash] = []] = Object.entries(read('voice.json').said);
  expect(name).toBe('garden-b0123456789-voice');
  write('voice.json', { hash });
  const before = asked();
  expect(await speak(here())).toBe(0);
  expect(asked()).toBe(before);
  functions = [];
  runs();
  await speak(here());
  expect(near.zone.dump()).toEqual([]);
});
