import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { duplexPair, PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decrypt, encrypt, generateRecipient } from '../../src/effects/vault.ts';
import { processesWith } from '../../src/local/processes.ts';
import { openMemory } from '../../src/memory/memory.ts';
import { converse } from '../../src/memory/session.ts';
import { packageRoot } from '../../src/programs.ts';
import type { Member } from './support.ts';
import { organism, refs, serve, sync } from './support.ts';

describe('a hostile peer', () => {
  test('that sends anything at all never moves a ref and never crashes the other', async () => {
    const { seeder, cells } = await organism(1);
    const before = await refs(seeder);
    const { memory, identity } = seeder;
    const honest = await recorded(cells[0]!, seeder);
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc
        .tuple(fc.constantFrom('J', 'B', 'E', 'X'), fc.nat(), fc.uint8Array({ maxLength: 50 }))
        .map(([kind, length, body]) => frame(kind, body, length)),
      fc.json().map((json) => frame('J', Buffer.from(json))),
      // an honest session with one byte changed or its end cut off
      fc.tuple(fc.nat(honest.length - 1), fc.nat(255)).map(([at, byte]) => Buffer.from(honest).fill(byte, at, at + 1)),
      fc.nat(honest.length - 1).map((length) => honest.subarray(0, length)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (said) => {
        const input = new PassThrough();
        input.end(Buffer.from(said));
        const output = new PassThrough();
        output.resume();
        await converse(input, output, { memory, self: identity.id, patience: { silenceMs: 5_000 } }).catch((error) => {
          expect(error).toHaveProperty('code');
        });
      }),
      { numRuns: 60 },
    );
    const known = (text: string) =>
      text.split('\n').filter((line) => !line.includes('/quarantine/') && !line.includes(cells[0]!.identity.id));
    expect(known(await refs(seeder))).toEqual(known(before));
    await sync(seeder, cells[0]!);
    expect((await memory.recall()).lineage).toEqual((await cells[0]!.memory.recall()).lineage);
  }, 60_000);

  test('that announces too much, or is silent, is left at once', async () => {
    const { seeder } = await organism(1);
    const options = { memory: seeder.memory, self: seeder.identity.id, patience: { silenceMs: 200 } };
    for (const [said, code, why] of [
      [frame('J', Buffer.alloc(0), 0xffff_ffff), 'SYNC_FAILED', /at most/],
      [Buffer.alloc(3), 'TIMEOUT', /silent/],
    ] as const) {
      const [left, right] = duplexPair();
      right.resume();
      right.write(said);
      await expect(converse(left, left, options)).rejects.toMatchObject({ code, why: expect.stringMatching(why) });
    }
  });
});

describe('a killed process', () => {
  test('in the middle of appends leaves a feed that goes on', async () => {
    const { seeder } = await organism(0);
    const source = join(packageRoot(), 'src');
    const script = `
      import { loadIdentity } from '${source}/effects/keys.ts';
      import { openMemory } from '${source}/memory/memory.ts';
      const home = ${JSON.stringify(seeder.home)};
      const memory = openMemory(home);
      const identity = loadIdentity(home);
      for (let at = 1; ; at++) {
        await memory.append(identity, { at, deed: { kind: at % 2 ? 'freeze' : 'thaw', why: '' }, files: { 'stacks/a.age': Buffer.from(String(at)) } });
        process.stdout.write('.');
      }`;
    let entries = 1;
    for (let round = 0; round < 4; round++) {
      const said = await killedAfter(
        spawn(process.execPath, ['--input-type=module', '-e', script]),
        2 + round,
        round * 7,
      );
      const memory = openMemory(seeder.home);
      // The git that it had started goes on without it, and may still write its entry down.
      while (processesWith({ GIT_DIR: memory.dir }).length > 0) await sleep(5);
      const { heads, lineage } = await memory.recall();
      const head = heads[seeder.identity.id]!;
      expect(head.entries).toBeGreaterThanOrEqual(entries + said);
      expect(lineage.folded[seeder.identity.id]).toBe(head.entries);
      expect(memory.quarantine()).toEqual([]);
      expect(await memory.entries(seeder.identity.id)).toHaveLength(head.entries);
      entries = head.entries;
      await memory.append(seeder.identity, { at: 5, deed: { kind: 'thaw', why: '' } });
      entries++;
    }
  }, 60_000);

  test('in the middle of taking a pack in loses nothing and locks nothing', async () => {
    const { seeder, cells } = await organism(3);
    const [first] = cells as [Member];
    for (let ms = 0; ms <= 320; ms += 40) {
      await first.say({ kind: ms % 80 === 0 ? 'freeze' : 'thaw', why: '' });
      const child = serve(seeder, first);
      const exited = new Promise((resolve) => child.on('close', resolve));
      const options = {
        memory: first.memory,
        self: first.identity.id,
        peer: seeder.identity.id,
        patience: { silenceMs: 5_000 },
      };
      const outcome = converse(child.stdout, child.stdin, options).catch(() => null);
      const timer = setTimeout(() => child.kill('SIGKILL'), 60 + ms);
      await outcome;
      clearTimeout(timer);
      child.kill('SIGKILL');
      await exited;
      expect((await openMemory(seeder.home).recall()).lineage.organism).toBe('garden');
    }
    await sync(first, seeder);
    expect((await seeder.memory.recall()).lineage).toEqual((await first.memory.recall()).lineage);
    expect(seeder.memory.quarantine()).toEqual([]);
    expect(existsSync(join(seeder.home, 'door/lock'))).toBe(false);
  }, 60_000);
});

describe('the cache', () => {
  test.each([
    ['cut off', (file: string) => truncateSync(file, 300)],
    [
      'changed',
      (file: string) => writeFileSync(file, readFileSync(file, 'utf8').replace('"maxCells":4', '"maxCells":9')),
    ],
    ['emptied', (file: string) => writeFileSync(file, '')],
    ['removed', (file: string) => rmSync(file)],
  ])('%s, is made again from git', async (_name, damage) => {
    const { seeder } = await organism(2);
    const before = await seeder.memory.recall();
    damage(join(seeder.home, 'memory.json'));
    expect(await openMemory(seeder.home).recall()).toEqual(before);
  });

  test('restores a ref that was lost', async () => {
    const { seeder } = await organism(1);
    const before = await seeder.memory.recall();
    rmSync(join(seeder.memory.dir, 'refs/heads/cells', seeder.identity.id));
    expect(await openMemory(seeder.home).recall()).toEqual(before);
    expect(await refs(seeder)).toContain(seeder.identity.id);
  });
});

test('a carried checkpoint travels, and only its recipients can read it', async () => {
  const { seeder, cells } = await organism(1);
  const [first] = cells as [Member];
  const reader = await generateRecipient();
  const other = await generateRecipient();
  const secret = 'the checkpoint says hello';
  await first.say(
    { kind: 'freeze', why: '' },
    { 'stacks/a-body.age': await encrypt([reader.recipient], Buffer.from(secret)) },
  );
  await sync(first, seeder);
  const sealed = await seeder.memory.file(first.identity.id, 'stacks/a-body.age');
  expect(sealed?.includes(secret)).toBe(false);
  expect((await decrypt(reader.identity, sealed!)).toString()).toBe(secret);
  await expect(decrypt(other.identity, sealed!)).rejects.toMatchObject({ code: 'CHECKPOINT_CORRUPT' });
  await first.say({ kind: 'thaw', why: '' }, { 'stacks/a-body.age': null });
  expect(await first.memory.file(first.identity.id, 'stacks/a-body.age')).toBeNull();
});

function frame(kind: string, body: Uint8Array, length = body.length): Buffer {
  const header = Buffer.alloc(5);
  header.write(kind, 'latin1');
  header.writeUInt32BE(length, 1);
  return Buffer.concat([header, body]);
}

/** What one side of an honest session sends. */
async function recorded(one: Member, other: Member): Promise<Buffer> {
  const child = serve(one, other);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const exited = new Promise((resolve) => child.on('close', resolve));
  await converse(child.stdout, child.stdin, { memory: other.memory, self: other.identity.id });
  await exited;
  return Buffer.concat(chunks);
}

/** Kills a process some ms after it has said `dots` dots; gives how many it said. */
function killedAfter(child: ReturnType<typeof spawn>, dots: number, ms: number): Promise<number> {
  let said = 0;
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.length;
      if (said >= dots) setTimeout(() => child.kill('SIGKILL'), ms);
    });
    child.on('close', () => (said >= dots ? resolve(said) : reject(new Error(errors))));
  });
}
