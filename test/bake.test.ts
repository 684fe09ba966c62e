/** Baking as a cell sees it: when a cloud is told, of which machine, and that a refusal is not repeated at once. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { genomeSchema } from '../genome/schema.ts';
import { bake, bakeable } from '../src/bake.ts';
import { fold } from '../src/decide/lineage.ts';
import { ensureIdentity, generateHostKey } from '../src/effects/keys.ts';
import { freePort } from '../src/effects/services.ts';
import { type Here, keepCredentials, openHome } from '../src/here.ts';
import { BAKE_RETRY_MS } from '../src/limits.ts';
import type { Lineage } from '../src/model.ts';
import { birthOf, feeds, SEEDER } from './decide/feeds.ts';

const HASHES = ['1', '2'].map((digit) => digit.repeat(64));
const HOST_KEY = generateHostKey().publicKey;
let folder: string;
let here: Here;
let now: number;
let port: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cell-bake-'));
  const identity = ensureIdentity(folder);
  writeFileSync(join(folder, 'organism.json'), JSON.stringify({ v: 1, organism: 'o', seeder: identity.id }));
  now = 1_000_000_000;
  const opened = await openHome(folder, () => {});
  const store = join(folder, 'store');
  for (const name of [...HASHES, '.part-x']) mkdirSync(join(store, name), { recursive: true });
  here = { ...opened, layout: { ...opened.layout, store }, identity: { ...identity, id: 'A' }, clock: () => now };
  port = await freePort('127.0.0.1');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const genome = (more: object = {}) =>
  genomeSchema.parse({
    organism: 'o',
    zone: 'o.test',
    clouds: {
      far: { provider: 'local' },
      near: {
        provider: 'nspawn',
        box: { address: '127.0.0.1', port, hostKey: HOST_KEY },
        credentials: 'env:BOX',
        ...more,
      },
    },
    dns: { provider: 'local' },
    functions: {},
  });
const lineage: Lineage = fold(feeds('S genesis 3 web; S reserve a; S birth A 2; A born S'), SEEDER);
const ours = () =>
  keepCredentials(here, {
    compute: {
      near: {
        box: { address: '127.0.0.1', port, hostKey: HOST_KEY },
        privateKey: generateHostKey().privatePem,
      },
    },
    dns: null,
  });

test('a cloud is told once there is a credential and a machine there', async () => {
  expect(await bakeable(here, genome(), lineage)).toEqual([]);
  await ours();
  expect(await bakeable(here, genome(), lineage)).toEqual([{ cloud: 'near', birth: birthOf('A').birth }]);
  const elsewhere = { ...lineage, cells: { A: { ...lineage.cells.A!, cloud: 'far' } } };
  expect(await bakeable(here, genome(), elsewhere)).toEqual([]);
});

test('and not where the genome does not want it, nor without anything to keep', async () => {
  await ours();
  expect(await bakeable(here, genome({ bake: false }), lineage)).toEqual([]);
  rmSync(join(folder, 'store'), { recursive: true });
  expect(await bakeable(here, genome(), lineage)).toEqual([]);
});

test('it is told what has changed, and that it need not any more', async () => {
  await ours();
  const told = { near: { hashes: HASHES, at: now, ok: true } };
  writeFileSync(join(folder, 'baked.json'), JSON.stringify(told));
  expect(await bakeable(here, genome(), lineage)).toEqual([]);
  expect(await bakeable(here, genome({ bake: false }), lineage)).toHaveLength(1);
  mkdirSync(join(folder, 'store', '3'.repeat(64)));
  expect(await bakeable(here, genome(), lineage)).toHaveLength(1);
});

test('a refusal is told of and not repeated for an hour', async () => {
  await ours();
  // Nobody listens there.
  expect(await bake(here, genome(), 'near', 'a')).toMatch(
    /^near keeps no artefacts: The box at 127\.0\.0\.1:\d+ is not reached/,
  );
  expect(await bakeable(here, genome(), lineage)).toEqual([]);
  now += BAKE_RETRY_MS;
  expect(await bakeable(here, genome(), lineage)).toHaveLength(1);
});
