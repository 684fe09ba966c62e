import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { generateHostKey, identityFrom } from '../../src/effects/keys.ts';
import { cacheOf, doorOf } from '../../src/memory/door.ts';
import { canonical, makeEntry } from '../../src/memory/entry.ts';
import { digestOf } from '../../src/memory/greeting.ts';
import { openMemory } from '../../src/memory/memory.ts';
import type { GitObject } from '../../src/memory/objects.ts';
import { commitOf, feedRef, gitObject, treesOf } from '../../src/memory/objects.ts';
import { EMPTY_TREE, updateRefs, writeObjects } from '../../src/memory/repo.ts';
import type { Deed, Entry } from '../../src/model.ts';
import type { Member } from './support.ts';
import { MOMENT, ORGANISM, organism, refs, sync } from './support.ts';

const FREEZE: Deed = { kind: 'freeze', why: 'a test' };
const THAW: Deed = { kind: 'thaw', why: 'a test' };

/** The next entry of a member's feed, signed, without being added to it. */
async function next(of: Member, deed: Deed, change: Partial<Entry> = {}): Promise<Entry> {
  const head = (await of.memory.recall()).heads[of.identity.id]!;
  const place = { organism: ORGANISM, seq: head.entries, prev: head.hash, ...change };
  return makeEntry(of.identity, place, { at: MOMENT, deed, ...change });
}

/** Writes the commit of anything that looks like an entry on top of the member's feed and gives its id. */
async function forge(at: Member, entry: Entry, commit?: (parent: string) => GitObject): Promise<string> {
  const parent = (await at.memory.recall()).heads[entry.cell]?.commit ?? null;
  const object = commit?.(parent!) ?? commitOf(entry, EMPTY_TREE, parent);
  await writeObjects(at.memory.dir, [...treesOf(new Map()), object]);
  return object.id;
}

/** A peer that offers this commit as the tip of a feed. */
function lying(member: Member, cell: string, commit: string, entries: number): Member {
  const recall = async () => {
    const honest = await member.memory.recall();
    const head = honest.heads[cell]!;
    return { ...honest, heads: { ...honest.heads, [cell]: { ...head, commit, entries } } };
  };
  return { ...member, memory: { ...member.memory, recall } };
}

const CASES: readonly (readonly [
  name: string,
  reason: string,
  why: RegExp,
  forged: (of: Member) => Promise<string>,
])[] = [
  ['a tampered deed', 'tampered', /signature/, async (of) => forge(of, { ...(await next(of, FREEZE)), deed: THAW })],
  [
    'an unsigned entry',
    'unsigned',
    /no signature/,
    async (of) => {
      const { sig: _, ...open } = await next(of, FREEZE);
      return forge(of, open as Entry, (parent) => withMessage(of, parent, canonical(open)));
    },
  ],
  [
    'another key',
    'tampered',
    /signature/,
    async (of) => {
      const stranger = { ...identityFrom(generateHostKey().privatePem), id: of.identity.id };
      return forge(of, await next({ ...of, identity: stranger as never }, FREEZE));
    },
  ],
  [
    'a replayed entry',
    'replayed',
    /entry 0 where 1/,
    async (of) => forge(of, (await of.memory.entries(of.identity.id))[0]!),
  ],
  ['a gap', 'replayed', /entry 7 where 1/, async (of) => forge(of, await next(of, FREEZE, { seq: 7 }))],
  [
    'a wrong predecessor',
    'replayed',
    /another entry/,
    async (of) => forge(of, await next(of, FREEZE, { prev: 'a'.repeat(64) })),
  ],
  [
    'an entry of another organism',
    'foreign',
    /desert/,
    async (of) => forge(of, await next(of, FREEZE, { organism: 'desert' })),
  ],
  [
    'an entry in another dress',
    'tampered',
    /commit/,
    async (of) => {
      const entry = await next(of, FREEZE);
      return forge(of, entry, (parent) => withMessage(of, parent, canonical(entry)));
    },
  ],
  [
    'an entry that is not canonical',
    'malformed',
    /canonical/,
    async (of) => {
      const entry = await next(of, FREEZE);
      return forge(of, entry, (parent) => withMessage(of, parent, JSON.stringify(entry, null, 0).replace(',', ', ')));
    },
  ],
  [
    'a file that is not the signed one',
    'tampered',
    /missing/,
    async (of) =>
      forge(of, await next(of, FREEZE, { files: { 'stacks/a.age': createHash('sha256').update('a').digest('hex') } })),
  ],
  [
    'a file that nobody signed',
    'tampered',
    /other files/,
    async (of) => {
      const blob = gitObject('blob', 'smuggled');
      const trees = treesOf(new Map([['x', { mode: '100644', blob: blob.id }]]));
      await writeObjects(of.memory.dir, [blob, ...trees]);
      const entry = await next(of, FREEZE);
      return forge(of, entry, (parent) => commitOf(entry, trees.at(-1)!.id, parent));
    },
  ],
  [
    'a second beginning',
    'malformed',
    /first/,
    async (of) =>
      forge(
        of,
        await next(of, { kind: 'born', birth: 'b0123456789', parent: of.identity.id, key: of.identity.publicKey }),
      ),
  ],
];

function withMessage(of: Member, parent: string, json: string): GitObject {
  const who = `x <x@x> 1 +0000`;
  return gitObject(
    'commit',
    `tree ${EMPTY_TREE}\nparent ${parent}\nauthor ${who}\ncommitter ${who}\n\nfreeze: ${of.identity.id}\n\n${json}\n`,
  );
}

describe.each(CASES)('%s', (_name, reason, why, forged) => {
  test('from a peer is refused with a reason, kept as evidence, and stops nothing else', async () => {
    const { cells } = await organism(2);
    const [first, second] = cells as [Member, Member];
    await sync(first, second);
    const id = second.identity.id;
    const tip = await forged(second);
    const before = (await first.memory.recall()).heads[id];
    await first.say(FREEZE);
    const [here, there] = await sync(first, lying(second, id, tip, 2));
    expect(here.refused[id]).toMatchObject({ reason, why: expect.stringMatching(why) });
    expect(here.refused).toEqual({ [id]: here.refused[id] });
    expect(there.taken).toBe(1);
    expect((await first.memory.recall()).heads[id]).toEqual(before);
    expect(first.memory.quarantine()).toMatchObject([{ feed: id, seq: 1, reason, commit: tip, from: id, fork: null }]);
    expect(await refs(first)).toContain(`refs/quarantine/${id}/${tip} ${tip}`);
    await second.say(THAW); // its owner's true next entry is taken
    expect((await sync(first, second))[0]).toMatchObject({ taken: 1, refused: {} });
  });

  test('in the own repository is put back', async () => {
    const { cells } = await organism(1);
    const [first] = cells as [Member];
    const id = first.identity.id;
    const before = await first.memory.recall();
    const tip = await forged(first);
    await updateRefs(first.memory.dir, [{ ref: feedRef(id), to: tip }]);
    expect((await first.memory.recall()).lineage).toEqual(before.lineage);
    expect(await refs(first)).toContain(`${feedRef(id)} ${before.heads[id]!.commit}`);
    expect(first.memory.quarantine()).toMatchObject([{ feed: id, reason, commit: tip, from: null }]);
  });
});

test('a forked feed is read by nobody beyond the fork, and the proof travels', async () => {
  const { seeder, cells } = await organism(3);
  const [first, second, third] = cells as [Member, Member, Member];
  await sync(first, second);
  await sync(first, third);
  const id = second.identity.id;
  const other = await next(second, THAW);
  await second.say(FREEZE);
  await sync(first, second);
  await sync(first, seeder);
  expect((await seeder.memory.recall()).lineage.frozen).not.toBeNull();
  const tip = await forge(third, other);
  const [here] = await sync(first, lying(third, id, tip, 2));
  expect(here.refused[id]?.reason).toBe('forked');
  for (const member of [seeder, third, second]) await sync(first, member);
  for (const { memory } of [first, seeder, third, second]) {
    const { lineage, heads } = await memory.recall();
    expect(lineage.quarantined[id]).toMatchObject({ seq: 1, why: expect.stringMatching(/two histories/) });
    expect(heads[id]?.entries).toBe(1);
    expect(lineage.frozen).toBeNull();
  }
  await expect(second.say(THAW)).rejects.toMatchObject({ code: 'FEED_REFUSED' });
  expect(await sync(first, seeder)).toMatchObject([
    { taken: 0, given: 0 },
    { taken: 0, given: 0 },
  ]);
  const evidence = await refs(seeder);
  expect(evidence.match(new RegExp(`refs/quarantine/${id}/`, 'g'))).toHaveLength(2);
});

test('two proofs about one feed end it where the earlier one says, in every cell', async () => {
  const { seeder, cells } = await organism(3);
  const [first, second, third] = cells as [Member, Member, Member];
  const id = second.identity.id;
  for (const member of [third, second, seeder]) await sync(first, member);
  const early = await forge(seeder, await next(second, THAW));
  await second.say(FREEZE);
  for (const member of [third, seeder]) await sync(second, member);
  const late = await forge(seeder, await next(second, FREEZE));
  // One cell learns of a fork at entry 1, another of one at entry 2.
  expect((await sync(third, lying(seeder, id, early, 2)))[0].refused[id]?.reason).toBe('forked');
  await second.say(THAW);
  await sync(first, second);
  expect((await sync(first, lying(seeder, id, late, 3)))[0].refused[id]?.reason).toBe('forked');
  expect((await first.memory.recall()).heads[id]?.entries).toBe(2);
  expect((await third.memory.recall()).heads[id]?.entries).toBe(1);
  await sync(first, third);
  for (const { memory } of [first, third]) {
    const { lineage, heads } = await memory.recall();
    expect(lineage.quarantined[id]).toMatchObject({ seq: 1 });
    expect(heads[id]?.entries).toBe(1);
    expect(lineage.frozen).toBeNull();
  }
  expect(digestOf(first.memory)).toBe(digestOf(third.memory));
});

/** The first cell hears of a fork of the second's feed at an entry that it had not heard before; gives its id. */
async function forked(first: Member, second: Member, third: Member): Promise<string> {
  const id = second.identity.id;
  await sync(first, second);
  await sync(first, third);
  const tip = await forge(third, await next(second, THAW));
  await second.say(FREEZE);
  const elsewhere = { ...first, memory: openMemory(first.home) };
  await sync(elsewhere, second);
  expect((await sync(elsewhere, lying(third, id, tip, 2)))[0].refused[id]?.reason).toBe('forked');
  return id;
}

test('a fork that another process heard of is known, also where the feed is as long as before', async () => {
  const { cells } = await organism(3);
  const [first, second, third] = cells as [Member, Member, Member];
  await sync(first, second);
  const [before, digest] = [await first.memory.recall(), digestOf(first.memory)];
  const id = await forked(first, second, third);
  const after = await first.memory.recall();
  expect(after.heads[id]).toEqual(before.heads[id]);
  expect(after.lineage.quarantined[id]).toMatchObject({ seq: 1 });
  // Who knows of it does not know the same as who does not.
  expect(digestOf(first.memory)).not.toBe(digest);
});

test('a fork is believed for its two histories, whatever a file says', async () => {
  const { cells } = await organism(3);
  const [first, second, third] = cells as [Member, Member, Member];
  const id = await forked(first, second, third);
  const file = join(doorOf(first.home), 'quarantine.json');
  const { items } = JSON.parse(readFileSync(file, 'utf8'));
  const head = (cell: Member) => first.memory.recall().then(({ heads }) => heads[cell.identity.id]!.commit);
  const lie = { ...items[0], feed: first.identity.id, seq: 0, fork: [await head(first), await head(third)] };
  const before = await first.memory.recall();
  for (const said of [[...items, lie], [lie], []]) {
    writeFileSync(file, JSON.stringify({ v: 1, items: said }));
    expect((await first.memory.recall()).lineage).toEqual(before.lineage);
    expect((await openMemory(first.home).recall()).lineage).toEqual(before.lineage);
  }
  // From the repository alone, the true one is found again.
  writeFileSync(file, JSON.stringify({ v: 1, items: [...items, lie] }));
  rmSync(cacheOf(first.home));
  expect((await openMemory(first.home).recall()).lineage).toEqual(before.lineage);
  expect(before.lineage.quarantined).toMatchObject({ [id]: { seq: 1 } });
});

test('a proof that was lost is taken from the next peer', async () => {
  const { cells } = await organism(3);
  const [first, second, third] = cells as [Member, Member, Member];
  const id = await forked(first, second, third);
  await sync(first, third);
  const file = join(doorOf(first.home), 'quarantine.json');
  writeFileSync(file, JSON.stringify({ v: 1, items: [] }));
  await sync(first, third);
  expect(first.memory.quarantine()).toMatchObject([{ feed: id, reason: 'forked', seq: 1 }]);
  expect((await first.memory.recall()).lineage.quarantined[id]).toMatchObject({ seq: 1 });
});
