/** Proposals between homes: what is kept, and what is refused at the door, with why. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { genomeHash } from '../../genome/bundle.ts';
import { generateHostKey, identityFrom } from '../../src/effects/keys.ts';
import { writeProposal } from '../../src/memory/genome.ts';
import { makeProposal, proposalRef } from '../../src/memory/proposals.ts';
import { updateRefs } from '../../src/memory/repo.ts';
import { proposalId } from '../../src/memory/signed.ts';
import type { Proposal } from '../../src/model.ts';
import { converge, type Member, organism, sync } from './support.ts';

const FILES = [{ path: 'genome.yaml', mode: 0o644, content: Buffer.from('organism: garden\n# changed\n') }];
const authority = identityFrom(generateHostKey().privatePem);

let seeder: Member;
let first: Member;
let second: Member;
beforeEach(async () => {
  const made = await organism(2);
  seeder = made.seeder;
  [first, second] = made.cells as [Member, Member];
  await converge(made.all);
  for (const { home } of [first, second]) {
    const governance = { authorities: [`${authority.publicKey} ci`] };
    writeFileSync(join(home, 'genome.json'), JSON.stringify({ governance }));
  }
});

/** Puts a proposal into a home, whatever it is worth. */
async function put(
  at: Member,
  change: (proposal: Proposal) => Proposal = (same) => same,
  by = authority,
  { parent, on, files = FILES }: { parent?: string; on?: string; files?: typeof FILES } = {},
): Promise<{ readonly id: string; readonly commit: string }> {
  const { genome } = await at.memory.recall();
  const what = { organism: at.memory.organism, parent: parent ?? null, genome: genomeHash(files), at: 5, why: 'w' };
  const proposal = change(makeProposal(by, { ...what, raises: [] }));
  const id = proposalId(proposal);
  const commit = await writeProposal(at.memory.dir, files, on ?? genome ?? '', {
    ...proposal,
    genome: genomeHash(files),
  });
  // What the commit says is what was signed, or not.
  const said = proposal.genome === genomeHash(files) ? commit : await forged(at, proposal, on ?? genome ?? '');
  await updateRefs(at.memory.dir, [{ ref: proposalRef(id), to: said }]);
  return { id, commit: said };
}

async function forged(at: Member, proposal: Proposal, on: string): Promise<string> {
  const { gitObject, proposalCommit, treesOf } = await import('../../src/memory/objects.ts');
  const { canonical } = await import('../../src/memory/entry.ts');
  const { writeObjects } = await import('../../src/memory/repo.ts');
  const blob = gitObject('blob', 'organism: garden\n# another\n');
  const trees = treesOf(new Map([['genome.yaml', { mode: '100644', blob: blob.id }]]));
  const commit = proposalCommit(trees.at(-1)?.id ?? '', on, proposal, canonical(proposal));
  await writeObjects(at.memory.dir, [blob, ...trees, commit]);
  return commit.id;
}

const proposalsAt = async ({ memory }: Member) => Object.keys((await memory.recall()).proposals);

describe('a proposal', () => {
  test('goes from home to home, with its files, and nothing of it is sent twice', async () => {
    const { id, commit } = await put(seeder);
    await sync(seeder, first);
    expect(await proposalsAt(first)).toEqual([id]);
    await sync(first, second);
    expect(await proposalsAt(second)).toEqual([id]);
    expect((await second.memory.genomeFiles({ commit, genome: genomeHash(FILES) }))[0]?.content).toEqual(
      FILES[0]?.content,
    );
    const [again] = await sync(first, second);
    expect(again).toMatchObject({ taken: 0, given: 0, refused: {}, refusedByPeer: {} });
  });

  test('by the seeder needs no entry in the list', async () => {
    const { id } = await put(first, undefined, seeder.identity);
    await sync(first, second);
    expect(await proposalsAt(second)).toEqual([id]);
  });

  test.each([
    ['by a key that is no authority', 'stranger', /no authority/, (p: Proposal) => p, 'stranger'],
    ['that was changed', 'tampered', /signature is not by its author/, (p: Proposal) => ({ ...p, at: 6 }), 'ci'],
    ['without a signature', 'unsigned', /expected/, (p: Proposal) => ({ ...p, sig: undefined as never }), 'ci'],
    ['of another organism', 'foreign', /of the organism meadow/, null, 'ci'],
    ['with other files', 'tampered', /files are not those/, 'files', 'ci'],
  ] as const)('%s is refused, and why is said', async (_, reason, why, change, who) => {
    const by = who === 'ci' ? authority : identityFrom(generateHostKey().privatePem);
    const resigned = (fields: Partial<Proposal>) => (proposal: Proposal) => {
      const { v: _v, author: _author, sig: _sig, ...rest } = { ...proposal, ...fields };
      return makeProposal(by, rest);
    };
    const how =
      change === null
        ? resigned({ organism: 'meadow' })
        : change === 'files'
          ? resigned({ genome: 'f'.repeat(64) })
          : change;
    const { id } = await put(first, how, by);
    const [mine] = await sync(first, second);
    expect(mine.refusedByPeer[id]).toEqual({ reason, why: expect.stringMatching(why) });
    expect(await proposalsAt(second)).toEqual([]);
  });

  test('of a genome that is not known is left alone, until it is', async () => {
    const one = await put(first);
    const files = [{ ...FILES[0]!, content: Buffer.from('organism: garden\n# again\n') }];
    const two = await put(first, undefined, authority, { parent: one.id, on: one.commit, files });
    await updateRefs(first.memory.dir, [{ ref: proposalRef(one.id), to: null }]);
    const [mine] = await sync(first, second);
    expect([mine.refusedByPeer, await proposalsAt(second)]).toEqual([{}, []]);
    await updateRefs(first.memory.dir, [{ ref: proposalRef(one.id), to: one.commit }]);
    await sync(first, second);
    expect((await proposalsAt(second)).sort()).toEqual([one.id, two.id].sort());
  });
});
