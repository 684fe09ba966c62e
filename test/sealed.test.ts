/** Secrets of a changed genome: read where they are, opened by cells and the recovery key only, and gone with their genome. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { genomeHash } from '../genome/bundle.ts';
import { createRecipient, recipientOf, unseal } from '../src/effects/age.ts';
import { type Here, keepSecrets, openHome, secretsOf } from '../src/here.ts';
import { writeProposal } from '../src/memory/genome.ts';
import { makeProposal, proposalRef } from '../src/memory/proposals.ts';
import { updateRefs } from '../src/memory/repo.ts';
import { proposalId } from '../src/memory/signed.ts';
import type { Lineage, Proposal, Proposed } from '../src/model.ts';
import { returnSecrets, sealSecrets, takeSecrets, unsealSecrets } from '../src/sealed.ts';
import { converge, genomeOf, type Member, organism, sync } from './memory/support.ts';

const FILES = genomeOf('organism: garden\n# with a secret\n');
const GENOME = genomeHash(FILES);
const asked = (source: string) => [{ function: 'web', variable: 'TOKEN', source }];

let seeder: Member;
let first: Member;
let second: Member;
let lineage: Lineage;
let here: Here;

beforeEach(async () => {
  const made = await organism(2);
  seeder = made.seeder;
  [first, second] = made.cells as [Member, Member];
  await converge(made.all);
  for (const { home } of made.all) await createRecipient(home);
  const known = (await seeder.memory.recall()).lineage;
  const cell = known.cells[first.identity.id];
  if (cell === undefined) throw new Error('there is a first cell');
  // The second was born after it was proposed.
  lineage = {
    ...known,
    cells: { [first.identity.id]: { ...cell, recipient: await recipientOf(first.home) } },
    seeder: { ...known.seeder, recipient: await recipientOf(seeder.home) },
  };
  here = await openHome(first.home, () => {});
});

/** A secret in a file, as its owner has it. */
function secretIn(home: string, text: string): string {
  writeFileSync(join(home, 'token'), `${text}\n`);
  return `file:${join(home, 'token')}`;
}

async function put(bytes: Buffer | null, more: Partial<Proposal>, genome = FILES): Promise<Proposed> {
  const { memory, identity } = seeder;
  const { genome: tip } = await memory.recall();
  const open = { organism: memory.organism, parent: null, genome: genomeHash(genome), at: 1, why: '', raises: [] };
  const proposal = makeProposal(identity, { ...open, ...more });
  const commit = await writeProposal(memory.dir, genome, tip ?? '', proposal, bytes);
  const id = proposalId(proposal);
  await updateRefs(memory.dir, [{ ref: proposalRef(id), to: commit }]);
  return { ...proposal, id, commit };
}

const stepOf = ({ id, genome, commit }: Proposed) => ({ proposal: id, genome, commit });

describe('sealed', () => {
  test('to the cells that live and to the recovery key, and to no other', async () => {
    const { bytes, signed } = await sealSecrets(asked(secretIn(seeder.home, 'a rose')), GENOME, lineage);
    expect(bytes.toString('latin1')).not.toContain('a rose');
    const proposed = await put(bytes, signed);
    await converge([seeder, first, second]);
    expect(await unsealSecrets(here, proposed)).toEqual({ web: { TOKEN: 'a rose' } });
    expect((await unseal(seeder.home, bytes)).toString()).toContain('a rose');
    const late = await openHome(second.home, () => {});
    await expect(unsealSecrets(late, proposed)).rejects.toMatchObject({ code: 'NOT_ALLOWED' });
    // The genome is the one that was signed, with or without what travels beside it.
    expect(await first.memory.genomeFiles(proposed)).toEqual(FILES);
  });

  test('what cannot be had is said with whose it is, where it should be, and how to mend it', async () => {
    const source = secretIn(seeder.home, 'gone');
    rmSync(join(seeder.home, 'token'));
    await expect(sealSecrets(asked(source), GENOME, lineage)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringMatching(/^web asks for the secret TOKEN, and file:.* cannot be had here/),
      suggestion: expect.stringMatching(/whoever applies this genome sends it along/),
    });
  });

  test('another parcel than was signed is refused at the door, and one of another genome is not opened', async () => {
    const { bytes, signed } = await sealSecrets(asked(secretIn(seeder.home, 'a rose')), GENOME, lineage);
    const other = await sealSecrets(asked(secretIn(seeder.home, 'a thorn')), GENOME, lineage);
    for (const proposed of [
      await put(other.bytes, signed),
      await put(bytes, {}),
      await put(null, { ...signed, at: 2 }),
    ]) {
      const [, given] = await sync(first, seeder);
      expect(Object.keys((await first.memory.recall()).proposals)).not.toContain(proposed.id);
      expect(given?.refusedByPeer[proposed.id]?.why).toMatch(
        /are not those it names|not what its author signed|missing/,
      );
    }
    const stranger = genomeOf('organism: garden\n# another\n');
    const reused = await put(bytes, signed, stranger);
    await sync(first, seeder);
    await expect(unsealSecrets(here, reused)).rejects.toThrow(/those of another/);
  });
});

describe('taken in', () => {
  test('beside what is there, for functions of this cell alone; and gone with a genome that did not hold', async () => {
    await keepSecrets(here, { web: { OLD: 'kept', TOKEN: 'before' }, db: { KEY: 'kept' } });
    const source = secretIn(seeder.home, 'a rose');
    const both = [...asked(source), { function: 'mail', variable: 'WORD', source }];
    const { bytes, signed } = await sealSecrets(both, GENOME, lineage);
    const proposed = await put(bytes, signed);
    await converge([seeder, first]);
    const taken = { web: { OLD: 'kept', TOKEN: 'a rose' }, db: { KEY: 'kept' } };
    // Twice, as after a kill.
    for (let time = 0; time < 2; time++) {
      await takeSecrets(here, stepOf(proposed), ['web']);
      expect(await secretsOf(here)).toEqual(taken);
    }
    expect(readFileSync(join(first.home, 'secrets.json'), 'utf8')).not.toContain('WORD');
    await returnSecrets(here, null);
    expect(await secretsOf(here)).toEqual(taken);
    for (let time = 0; time < 2; time++) {
      await returnSecrets(here, proposed.id);
      expect(await secretsOf(here)).toEqual({ web: { OLD: 'kept', TOKEN: 'before' }, db: { KEY: 'kept' } });
    }
  });
});
