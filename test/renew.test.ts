/**
 * What a home makes of proposals and votes, whoever put them there: an authority is never passed by. With real keys and
 * repositories, at a computer that is no cell, which works out the line as cells do.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { genomeHash } from '../genome/bundle.ts';
import { parseGenome } from '../genome/parse.ts';
import { generateHostKey, type Identity, identityFrom } from '../src/effects/keys.ts';
import { type Here, openHome } from '../src/here.ts';
import { lineOf, proposalsOf } from '../src/line.ts';
import { writeProposal } from '../src/memory/genome.ts';
import { makeProposal, proposalRef } from '../src/memory/proposals.ts';
import { updateRefs } from '../src/memory/repo.ts';
import { proposalId } from '../src/memory/signed.ts';
import type { Proposal } from '../src/model.ts';
import { renew } from '../src/renew.ts';
import { gardenAfter } from './genome/garden.ts';
import { converge, genomeOf, type Member, organism } from './memory/support.ts';

const key = () => identityFrom(generateHostKey().privatePem);
const [author, other, stranger] = [key(), key(), key()] as [Identity, Identity, Identity];

/** A genome with these authorities, told from others by its beat. */
const text = (authorities: readonly Identity[], seconds: number, rule = 'majority', maxCells = 4) =>
  gardenAfter({
    'body.maxCells': maxCells,
    'governance.authorities': authorities.map(({ publicKey }) => publicKey),
    'governance.rule': rule,
    'body.heartbeat': `${seconds}s`,
  });

let seeder: Member;
let cells: readonly Member[];
let here: Here;

async function found(rule = 'majority'): Promise<void> {
  const before = text([author], 60, rule);
  const made = await organism(3, before, [author.publicKey]);
  ({ seeder, cells } = made);
  await converge(made.all);
  writeFileSync(join(seeder.home, 'genome.json'), JSON.stringify(parseGenome(before, 'genome.yaml').genome));
  here = await openHome(seeder.home, () => {});
}

beforeEach(() => found());

interface Put {
  readonly id: string;
  readonly commit: string;
}

/** Into the seeder's repository, past every session. */
async function put(by: Identity, genome: string, on?: Put, signs: Partial<Proposal> = {}): Promise<Put> {
  const { memory } = seeder;
  const { genome: tip } = await memory.recall();
  const files = genomeOf(genome);
  const what = { organism: memory.organism, parent: on?.id ?? null, genome: genomeHash(files), why: '', raises: [] };
  const proposal = makeProposal(by, { ...what, at: 1, ...signs });
  const commit = await writeProposal(memory.dir, files, on?.commit ?? tip ?? '', proposal);
  const id = proposalId(proposal);
  await updateRefs(memory.dir, [{ ref: proposalRef(id), to: commit }]);
  return { id, commit };
}

async function vote(id: string, voters: readonly Member[]): Promise<void> {
  for (const { say } of voters) await say({ kind: 'vote', proposal: id, yes: true, why: '' });
  await converge([seeder, ...cells]);
}

const line = async () => (await lineOf(here)).map(({ proposal }) => proposal);

describe('the line of a home', () => {
  test('moves when most cells said yes to what an authority signed', async () => {
    const { id, commit } = await put(author, text([author], 30));
    await vote(id, cells.slice(0, 1));
    await renew(here);
    expect(await line()).toEqual([null]);
    await vote(id, cells.slice(1, 2));
    expect((await renew(here)).genome.body.heartbeat).toBe(30_000);
    expect(await line()).toEqual([null, id]);
    expect((await seeder.memory.recall()).genome).toBe(commit);
  });

  test.each(['majority', 'unanimous', 'authority'])(
    'by the rule %s does not move for a key that is no authority, whoever votes',
    async (rule) => {
      await found(rule);
      const { id } = await put(stranger, text([stranger], 30));
      await vote(id, cells);
      expect((await renew(here)).genome.body.heartbeat).toBe(60_000);
      expect(await line()).toEqual([null]);
    },
  );

  test('is not what a branch says that somebody else moved', async () => {
    const before = (await seeder.memory.recall()).genome;
    const { commit } = await put(stranger, text([stranger], 30));
    await renew(here);
    await updateRefs(seeder.memory.dir, [{ ref: 'refs/heads/genome', to: commit }]);
    await renew(here);
    expect([await line(), (await seeder.memory.recall()).genome]).toEqual([[null], before]);
  });

  test('goes by the authorities of the genome that it leads to, from there on', async () => {
    const one = await put(author, text([other], 30));
    await vote(one.id, cells);
    await renew(here);
    const stale = await put(author, text([author], 20), one);
    await vote(stale.id, cells.slice(0, 1));
    const { id } = await put(other, text([other], 10), one);
    await vote(id, cells.slice(1));
    expect((await renew(here)).genome.body.heartbeat).toBe(10_000);
    expect(await line()).toEqual([null, one.id, id]);
  });

  test('goes back when a cell says that it did not hold, and on with a mended one', async () => {
    const bad = await put(author, text([author], 30));
    await vote(bad.id, cells);
    await renew(here);
    const genome = genomeHash(genomeOf(text([author], 30)));
    await cells[0]?.say({ kind: 'took', proposal: bad.id, genome, ok: false, why: 'web is unhealthy' });
    await converge([seeder, ...cells]);
    expect((await renew(here)).genome.body.heartbeat).toBe(60_000);
    expect(await line()).toEqual([null]);
    const mended = await put(author, text([author], 40));
    await vote(mended.id, cells);
    expect((await renew(here)).genome.body.heartbeat).toBe(40_000);
    expect(await line()).toEqual([null, mended.id]);
  });

  test("does not move beyond the organism's limits unless that is signed for, whoever votes", async () => {
    const bold = await put(author, text([author], 30, 'majority', 9));
    await vote(bold.id, cells);
    expect((await renew(here)).notes).toEqual([expect.stringContaining('raises body.maxCells')]);
    expect(await line()).toEqual([null]);
    await found();
    const signed = await put(author, text([author], 30, 'majority', 9), undefined, {
      raises: ['maxCells'],
      maxCells: 9,
    });
    await vote(signed.id, cells);
    expect((await renew(here)).genome.body.maxCells).toBe(9);
  });

  test('a raised limit is proved to every home by what was signed', async () => {
    const signs = { raises: ['maxCells'], maxCells: 9 } as const;
    const { id } = await put(author, text([author], 30, 'majority', 9), undefined, signs);
    await vote(id, cells);
    await renew(here);
    const [proposal] = await proposalsOf(here);
    if (proposal === undefined) throw new Error('there is a proposal');
    const { id: _, commit: __, ...signed } = proposal;
    const [first] = cells as [Member];
    const before = (await seeder.memory.recall()).lineage;
    await first.say({ kind: 'grant', cells: 9, proposals: [signed] });
    await converge([seeder, ...cells]);
    for (const { memory } of [seeder, ...cells]) {
      const { lineage } = await memory.recall();
      expect([lineage.maxCells, lineage.quarantined]).toEqual([9, {}]);
      expect(lineage.cells[first.identity.id]?.budget).toBe(
        (before.cells[first.identity.id]?.budget ?? 0) + 9 - before.maxCells,
      );
    }
  });

  test('a raised limit that nobody signed is kept by no home', async () => {
    const signs = { raises: ['maxCells'], maxCells: 9 } as const;
    await put(author, text([author], 30, 'majority', 9), undefined, signs);
    const [proposal] = await proposalsOf(here);
    if (proposal === undefined) throw new Error('there is a proposal');
    const { id: _, commit: __, ...signed } = proposal;
    const [first] = cells as [Member];
    await first.say({ kind: 'grant', cells: 50, proposals: [{ ...signed, maxCells: 50 }] });
    await converge([seeder, ...cells]);
    for (const { memory } of [seeder, ...cells]) expect((await memory.recall()).lineage.maxCells).toBe(6);
    // Not even where it was said.
    expect(readFileSync(join(first.home, 'door/quarantine.json'), 'utf8')).toMatch(/not signed by its author/);
  });

  test('stands still while the organism is frozen', async () => {
    const { id } = await put(author, text([author], 30));
    await vote(id, cells);
    await seeder.say({ kind: 'freeze', why: 'a test' });
    await renew(here);
    expect(await line()).toEqual([null]);
  });
});
