/** Proposing a genome: checked here as each cell will, signed with this home's key, and carried to a cell. */
import { setTimeout as sleep } from 'node:timers/promises';
import { genomeFiles, genomeHash } from '../genome/bundle.ts';
import type { Genome } from '../genome/schema.ts';
import { mayRaise } from './decide/grant.ts';
import { failureOf, isComplete, newSecrets, objections, toSign, withSeal } from './decide/renewal.ts';
import { CellError } from './errors.ts';
import { genomeOf, type Here, lineageOf } from './here.ts';
import { authorities, lineOf, proposalsOf, type Step } from './line.ts';
import { writeProposal } from './memory/genome.ts';
import { keepDigest } from './memory/greeting.ts';
import { makeProposal, proposalRef } from './memory/proposals.ts';
import { updateRefs } from './memory/repo.ts';
import { proposalId } from './memory/signed.ts';
import { syncAll } from './memory/sync.ts';
import type { Proposed } from './model.ts';
import { follow } from './observe.ts';
import { sealSecrets } from './sealed.ts';
import { syncEverybody } from './sync.ts';

export interface Wish {
  readonly genomeFile: string;
  readonly genome: Genome;
  readonly why: string;
  /** The organism's limits may be raised by this. */
  readonly raise: boolean;
}

export interface Made {
  /** null: the organism has this genome already. */
  readonly proposal: Proposed | null;
  /** Whether it is new; else it was proposed before, and goes on. */
  readonly created: boolean;
  readonly from: Step;
}

/** Everything new, from whoever answers. Throws MACHINE_UNREACHABLE when nobody does. */
export async function refresh(here: Here): Promise<void> {
  const results = await syncEverybody(here);
  if (results.length > 0 && results.every(({ ok }) => !ok)) {
    throw new CellError('MACHINE_UNREACHABLE', 'No cell can be reached', {
      why: results.map(({ why }) => why).join('; '),
      suggestion: 'A cell lets in the keys under governance.authorities of the genome it runs, and the seeder.',
    });
  }
  await follow(here);
}

/**
 * Proposes a genome, or finds where it was proposed before.
 * Throws NOT_ALLOWED when the cells would say no, or another genome is under way.
 */
export async function propose(here: Here, { genomeFile, genome, why, raise }: Wish): Promise<Made> {
  await refresh(here);
  const [line, proposals, lineage] = await Promise.all([lineOf(here), proposalsOf(here), lineageOf(here)]);
  const tip = line.at(-1) as Step;
  const files = await genomeFiles(genomeFile, genome);
  const hash = genomeHash(files);
  const view = { lineage, proposals };
  if (lineage.frozen !== null) {
    throw new CellError('NOT_ALLOWED', 'The organism is frozen', {
      why: lineage.frozen.why,
      suggestion: 'Nothing moves until `cell thaw`; propose then.',
    });
  }
  if (tip.genome === hash) {
    const found = proposals.find(({ id }) => id === tip.proposal) ?? null;
    return { proposal: found, created: false, from: line.at(-2) ?? tip };
  }
  const before = proposals.find((one) => one.parent === tip.proposal && one.genome === hash);
  if (before !== undefined && failureOf(view, before.id) === null)
    return { proposal: before, created: false, from: tip };
  if (!isComplete(view, tip.proposal)) {
    throw new CellError('NOT_ALLOWED', 'Another genome is under way', {
      why: `${tip.genome.slice(0, 12)} was accepted and is not in every cell yet`,
      suggestion: 'Look at it with `cell proposals`, and propose again when it is done.',
    });
  }
  const current = await genomeOf(here);
  const { id, publicKey } = here.identity;
  if (!authorities(lineage.seeder.key, current).includes(publicKey)) {
    throw new CellError('NOT_ALLOWED', 'This key may not propose a genome', {
      why: `${publicKey} is no authority of the genome that the organism has`,
      suggestion: 'Let an authority add it under governance.authorities, or propose with a key that is there.',
      fields: { key: id },
    });
  }
  const signed = toSign(current, genome, raise);
  const asked = newSecrets(current, genome);
  const [objection] = objections(current, genome, withSeal(signed, asked));
  if (objection !== undefined) {
    throw new CellError('NOT_ALLOWED', 'The cells would refuse this genome', {
      why: objection,
      suggestion: objection.startsWith('it raises')
        ? 'Say --raise-limits to sign for that, too.'
        : '`cell plan` shows what differs.',
    });
  }
  const accepted = line.flatMap(({ proposal }) => proposals.find((one) => one.id === proposal) ?? []);
  if (genome.body.maxCells > lineage.maxCells && !mayRaise(lineage, accepted, publicKey)) {
    throw new CellError('NOT_ALLOWED', 'This key may not raise body.maxCells', {
      why: 'it became an authority with a genome of an earlier version, and the lineage does not know it',
      suggestion: 'Apply this where the organism was seeded, or take the key out of the genome and in again there.',
      fields: { key: id },
    });
  }
  const { organism } = here.memory;
  const sealed = asked.length === 0 ? null : await sealSecrets(asked, hash, lineage);
  const what = { organism, parent: tip.proposal, genome: hash, at: here.clock(), why, ...signed, ...sealed?.signed };
  const proposal = makeProposal(here.identity, what);
  const commit = await writeProposal(here.memory.dir, files, tip.commit, proposal, sealed?.bytes);
  const made = { ...proposal, id: proposalId(proposal), commit };
  await updateRefs(here.memory.dir, [{ ref: proposalRef(made.id), to: commit }]);
  keepDigest(here.memory);
  return { proposal: made, created: true, from: tip };
}

const CARRY_TRIES = 5;
const CARRY_PAUSE_MS = 1_000;

/** To every cell that answers. Gives why all of those refused it; null: at least one has it. */
export async function carry(here: Here, id: string): Promise<string | null> {
  const cells = Object.values((await lineageOf(here)).cells).filter(({ state }) => state !== 'gone');
  let results = await syncAll(cells, { home: here.home, identity: here.identity });
  // They answered a moment ago: what is in the way now passes, and without this nobody would ever hear of it.
  for (let tries = 1; tries < CARRY_TRIES && results.every(({ result }) => result === undefined); tries++) {
    await sleep(CARRY_PAUSE_MS);
    results = await syncAll(cells, { home: here.home, identity: here.identity });
  }
  const reasons = results.flatMap(({ result }) =>
    result === undefined ? [] : [result.refusedByPeer[id]?.why ?? null],
  );
  const [why] = reasons;
  if (reasons.some((reason) => reason === null) || why == null) return null;
  await updateRefs(here.memory.dir, [{ ref: proposalRef(id), to: null }]);
  return why;
}
