import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { acquireLease, isAlive, leaseHolder, startOf } from '../../../stacks/engines/lock.ts';

const CONTEND = join(import.meta.dirname, 'support', 'contend.main.ts');
const ttlMs = 60_000;

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cell-lock-'));
  file = join(folder, 'below', 'lock');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('one holds it, until it is released', async () => {
  const lease = await acquireLease(file, { ttlMs });
  expect(lease?.held()).toBe(true);
  expect(leaseHolder(file)?.pid).toBe(process.pid);
  expect(await acquireLease(file, { ttlMs })).toBeNull();
  lease?.release();
  lease?.release();
  expect(lease?.held()).toBe(false);
  expect(lease?.renew()).toBe(false);
  expect(leaseHolder(file)).toBeNull();
  expect((await acquireLease(file, { ttlMs }))?.held()).toBe(true);
});

test('of many in one process that want it at once, one gets it', async () => {
  const leases = await Promise.all(Array.from({ length: 50 }, () => acquireLease(file, { ttlMs })));
  expect(leases.filter((lease) => lease !== null)).toHaveLength(1);
});

test('runs out unless it is renewed, and is then lost to its holder', async () => {
  let time = Date.now();
  const now = () => time;
  const lease = await acquireLease(file, { ttlMs: 1000, now });
  time += 900;
  expect(lease?.renew()).toBe(true);
  time += 900;
  expect(lease?.held()).toBe(true);
  expect(await acquireLease(file, { ttlMs: 1000, now })).toBeNull();
  time += 101;
  expect(lease?.renew()).toBe(false);
  const next = await acquireLease(file, { ttlMs: 1000, now });
  expect(next?.held()).toBe(true);
  expect(lease?.held()).toBe(false);
});

test('a holder whose lease was taken over finds out, and cannot end the new one', async () => {
  const late = Date.now() - 120_000;
  // The first holder's own clock stands still: it believes that it still holds.
  const first = await acquireLease(file, { ttlMs, now: () => late });
  const second = await acquireLease(file, { ttlMs });
  expect(second?.held()).toBe(true);
  expect(first?.held()).toBe(false);
  first?.release();
  expect(second?.renew()).toBe(true);
  expect(await acquireLease(file, { ttlMs })).toBeNull();
});

test('is taken over at once from a process that was killed', async () => {
  const child = spawnSync(process.execPath, [CONTEND, file, folder, '1', 'die']);
  expect(child.signal).toBe('SIGKILL');
  expect((await acquireLease(file, { ttlMs }))?.held()).toBe(true);
});

test('waits for the end of a lease that another boot wrote, and of one that cannot be read', async () => {
  const lease = await acquireLease(file, { ttlMs });
  lease?.release();
  const other = { pid: process.pid, boot: 'another', started: null, token: 'x', ttlMs };
  for (const text of [JSON.stringify(other), '{"pid":']) {
    const path = `${file}.1000000`;
    writeFileSync(path, text);
    const until = (ms: number) => utimesSync(path, new Date(), new Date(Date.now() + ms));
    until(ttlMs / 2);
    expect(await acquireLease(file, { ttlMs })).toBeNull();
    until(-1);
    const taken = await acquireLease(file, { ttlMs });
    expect(taken?.held()).toBe(true);
    taken?.release();
    rmSync(join(folder, 'below'), { recursive: true });
    (await acquireLease(file, { ttlMs }))?.release();
  }
  // A clock that was far ahead wrote it: nobody asks for more than its time to live.
  writeFileSync(`${file}.1000001`, JSON.stringify(other));
  utimesSync(`${file}.1000001`, new Date(), new Date(Date.now() + 10 * ttlMs));
  expect((await acquireLease(file, { ttlMs }))?.held()).toBe(true);
});

test('is taken over at once from another boot, where nobody else can have written it', async () => {
  (await acquireLease(file, { ttlMs }))?.release();
  const other = { pid: process.pid, boot: 'another', started: null, token: 'x', ttlMs };
  writeFileSync(`${file}.1000000`, JSON.stringify(other));
  utimesSync(`${file}.1000000`, new Date(), new Date(Date.now() + ttlMs / 2));
  expect(await acquireLease(file, { ttlMs })).toBeNull();
  const taken = await acquireLease(file, { ttlMs, alone: true });
  expect(taken?.held()).toBe(true);
  // Of this boot, a process that lives holds it all the same.
  expect(await acquireLease(file, { ttlMs, alone: true })).toBeNull();
});

test('never two processes hold it, although some die holding it; little stays behind', async () => {
  const children = Array.from({ length: 8 }, (_, index) =>
    spawn(process.execPath, [CONTEND, file, folder, '25', index % 2 === 0 ? 'die' : ''], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
  const said = await Promise.all(
    children.map(async (child) => {
      let out = '';
      child.stdout.on('data', (chunk: Buffer) => {
        out += chunk.toString('utf8');
      });
      await once(child, 'close');
      return child.signalCode ?? out.trim();
    }),
  );
  expect(said).toEqual(children.map((_, index) => (index % 2 === 0 ? 'SIGKILL' : 'rounds 25')));
  expect((await acquireLease(file, { ttlMs }))?.held()).toBe(true);
  expect(readdirSync(join(folder, 'below')).filter((name) => name.startsWith('lock.'))).toHaveLength(1);
}, 120_000);

test('knows the living from the dead, and from another process with the same pid', () => {
  const dead = spawnSync(process.execPath, ['-e', '0']).pid;
  expect(isAlive(dead, null)).toBe(false);
  expect(isAlive(process.pid, startOf(process.pid))).toBe(true);
  if (startOf(process.pid) !== null) expect(isAlive(process.pid, '1')).toBe(false);
});
