import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openMemory } from '../../src/memory/memory.ts';
import { converse } from '../../src/memory/session.ts';
import { converge, member, organism, refs, sync, syncProcess } from './support.ts';

describe('a session', () => {
  test('carries feeds, genome and pulses both ways', async () => {
    const { seeder, cells } = await organism(2);
    const [first, second] = cells as [typeof seeder, typeof seeder];
    await second.memory.publish(second.identity, told('fresh'));
    const [here, there] = await sync(first, second);
    expect(here).toMatchObject({ taken: 1, given: 2, pulses: 1, refused: {} });
    expect(there).toMatchObject({ taken: 6, genome: true, refused: {} });
    expect((await second.memory.recall()).lineage).toEqual((await first.memory.recall()).lineage);
    expect((await second.memory.genomeFiles())[0]?.content.toString()).toBe('organism: garden\n');
    expect((await first.memory.pulses())[second.identity.id]?.why).toBe('fresh');
  });

  test('with nothing new starts no git and moves nothing', async () => {
    const { seeder, cells } = await organism(1);
    const [first] = cells as [typeof seeder];
    await sync(seeder, first);
    const before = await refs(first);
    const path = process.env.PATH;
    process.env.PATH = '/nonexistent';
    try {
      expect(await sync(seeder, first)).toMatchObject([
        { taken: 0, given: 0 },
        { taken: 0, given: 0 },
      ]);
    } finally {
      process.env.PATH = path;
    }
    expect(await refs(first)).toBe(before);
  });

  test('takes a newborn that was not announced yet, once its birth is in the same session', async () => {
    const { seeder, cells } = await organism(3);
    const stranger = member(join(seeder.home, '..', 'stranger'), seeder.identity.id);
    await stranger.say({
      kind: 'born',
      birth: 'b0123456789',
      parent: seeder.identity.id,
      key: stranger.identity.publicKey,
    });
    const [first] = cells as [typeof seeder];
    const [result] = await sync(first, stranger);
    expect(result.refused[stranger.identity.id]?.reason).toBe('stranger');
    expect(result.taken).toBe(0);
    expect(first.memory.quarantine()).toEqual([]);
    await converge([first, ...cells]);
    expect(Object.keys((await first.memory.recall()).heads)).toHaveLength(4);
  });

  test('refuses another organism with the reason on both sides', async () => {
    const one = await organism(1);
    const home = join(one.seeder.home, '..', 'other');
    mkdirSync(home);
    writeFileSync(
      join(home, 'organism.json'),
      JSON.stringify({ v: 1, organism: 'desert', seeder: one.seeder.identity.id }),
    );
    const other = { ...one.seeder, home, memory: openMemory(home) };
    const [left, right] = duplexPair();
    const said = await Promise.allSettled([
      converse(left, left, { memory: one.seeder.memory, self: one.seeder.identity.id }),
      converse(right, right, { memory: other.memory, self: other.identity.id }),
    ]);
    for (const end of said) expect(end).toMatchObject({ status: 'rejected', reason: { code: 'SYNC_FAILED' } });
    expect((said[0] as PromiseRejectedResult).reason.why).toMatch(/desert/);
  });

  test('refuses whoever is not the one that was to answer', async () => {
    const { seeder, cells } = await organism(1);
    const [left, right] = duplexPair();
    const said = await Promise.allSettled([
      converse(left, left, { memory: seeder.memory, self: seeder.identity.id, peer: 'a'.repeat(26) }),
      converse(right, right, { memory: cells[0]!.memory, self: cells[0]!.identity.id }),
    ]);
    expect((said[0] as PromiseRejectedResult).reason.why).toMatch(/was to answer/);
    expect((said[1] as PromiseRejectedResult).reason.why).toMatch(/was to answer/);
  });

  test('runs over the program that sshd starts', async () => {
    const { seeder, cells } = await organism(2);
    const [first, second] = cells as [typeof seeder, typeof seeder];
    expect(await syncProcess(second, first)).toMatchObject({ taken: 6, genome: true, given: 1 });
    expect(await syncProcess(second, first)).toMatchObject({ taken: 0, given: 0, genome: false });
    expect((await first.memory.recall()).lineage.cells[second.identity.id]?.state).toBe('living');
    expect(existsSync(join(first.home, 'door/lock'))).toBe(false);
  });

  test('any order of sessions ends with the same lineage everywhere', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(4), fc.nat(4)), { maxLength: 8 }), async (pairs) => {
        const { all } = await organism(4);
        for (const [a, b] of pairs) if (a !== b) await sync(all[a]!, all[b]!);
        await converge(all);
        const [expected, ...others] = await Promise.all(all.map(async ({ memory }) => (await memory.recall()).lineage));
        for (const lineage of others) expect(lineage).toEqual(expected);
        expect(Object.values(expected!.cells).map(({ state }) => state)).toEqual([
          'living',
          'living',
          'living',
          'living',
        ]);
        // and a memory that forgot its cache comes to the same
        const fresh = openMemory(all[0]!.home);
        expect((await fresh.recall()).lineage).toEqual(expected);
      }),
      { numRuns: 4 },
    );
  }, 120_000);
});

test('the audit is readable', async () => {
  const { seeder, cells } = await organism(2);
  const { git } = await import('../../src/effects/git.ts');
  const log = (await git(cells[0]!.memory.dir, ['log', '--format=%s', `cells/${cells[0]!.identity.id}`])).toString();
  expect(log).toMatch(/^birth: [a-z]+-[a-z]+ by [a-z]+-[a-z]+, budget 0 \(a test\)\nreserve: .*\nborn: /);
  expect(readFileSync(join(seeder.home, 'organism.json'), 'utf8')).toContain(seeder.identity.id);
});

function told(why: string) {
  return { at: 1, functions: {}, budget: 0, links: [], entries: 1, frozen: false, why };
}
