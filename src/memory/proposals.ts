/**
 * Proposals: genomes that an authority signed, each a commit on top of the genome that it changes, in `proposals/<id>`.
 *
 * What a peer offers is kept when it has the shape, hangs on a genome that is known here, is what its author signed and
 * carries the files it names. Whether it is accepted is not for a session: the tick judges that from the feeds, with what
 * it checked itself.
 */
import type { Identity } from '../effects/keys.ts';
import { CellError } from '../errors.ts';
import type { Proposal, ProposalId, Proposed, PublicKey } from '../model.ts';
import type { Refusal } from './entry.ts';
import { canonical } from './entry.ts';
import { readGenome, readSealed } from './genome.ts';
import { MAX_PROPOSALS } from './limits.ts';
import { parseCommit } from './objects.ts';
import type { Objects } from './repo.ts';
import * as shapes from './shapes.ts';
import { isSigned, proposalId, signedBytes } from './signed.ts';

export const proposalRef = (id: ProposalId): string => `refs/heads/proposals/${id}`;

/** Signs a proposal. Throws NOT_ALLOWED for one that others would refuse. */
export function makeProposal(identity: Identity, what: Omit<Proposal, 'v' | 'author' | 'sig'>): Proposal {
  const open = { v: 1 as const, ...what, author: identity.publicKey };
  const proposal: Proposal = { ...open, sig: identity.sign(signedBytes(open)).toString('base64') };
  const wrong = shapes.proposal(proposal);
  if (wrong !== null) throw new CellError('NOT_ALLOWED', 'This proposal cannot be made', { why: `expected ${wrong}` });
  return proposal;
}

/** Reads a proposal's JSON: shape, form and signature. */
function parseProposal(text: string, organism: string): Proposal | Refusal {
  let value: unknown;
  try {
    value = JSON.parse(text);
    if (canonical(value) !== text) return { reason: 'malformed', why: 'it is not in canonical form' };
  } catch {
    return { reason: 'unsigned', why: 'its commit carries no signed proposal' };
  }
  const wrong = shapes.proposal(value);
  if (wrong !== null) {
    const unsigned = typeof (value as { sig?: unknown } | null)?.sig !== 'string';
    return { reason: unsigned ? 'unsigned' : 'malformed', why: `expected ${wrong}` };
  }
  const proposal = value as Proposal;
  if (proposal.organism !== organism) return { reason: 'foreign', why: `it is of the organism ${proposal.organism}` };
  if (!isSigned(proposal))
    return { reason: 'tampered', why: "its signature is not by its author's key over what it says" };
  return proposal;
}

/** A proposal from its commit, and the commit it hangs on. Its files are not looked at. */
export async function readProposal(
  objects: Objects,
  commit: string,
  organism: string,
): Promise<{ readonly proposed: Proposed; readonly on: string } | Refusal> {
  const object = await objects.get(commit);
  const parsed = object?.type === 'commit' ? parseCommit(object.body) : null;
  const [on, ...more] = parsed?.parents ?? [];
  if (parsed === null || on === undefined || more.length > 0)
    return { reason: 'malformed', why: 'its commit has not one parent' };
  const proposal = parseProposal(parsed.last, organism);
  return 'reason' in proposal ? proposal : { proposed: { ...proposal, id: proposalId(proposal), commit }, on };
}

export interface Court {
  readonly organism: string;
  /** The tip of the accepted line. */
  readonly tip: string;
  readonly known: ReadonlyMap<ProposalId, string>;
  /** Keys whose proposals of the accepted genome count; null: not known here. */
  readonly authorities: readonly PublicKey[] | null;
}

export interface Sentence {
  readonly taken: ReadonlyMap<ProposalId, string>;
  readonly refused: Readonly<Record<ProposalId, Refusal>>;
}

/** Judges offered proposals. One of a genome that is not known here, or is passed already, is left alone in silence. */
export async function judgeProposals(
  objects: Objects,
  court: Court,
  offers: ReadonlyMap<ProposalId, string>,
): Promise<Sentence> {
  const taken = new Map<ProposalId, string>();
  const refused: Record<ProposalId, Refusal> = {};
  const passed = await ancestors(objects, court.tip);
  const open = new Set([court.tip, ...[...court.known.values()].filter((commit) => !passed.has(commit))]);
  const rest = new Map([...offers].filter(([id]) => !court.known.has(id)));
  for (let moved = true; moved; ) {
    moved = false;
    for (const [id, commit] of rest) {
      const found = await readProposal(objects, commit, court.organism);
      if ('reason' in found) {
        refused[id] = found;
        rest.delete(id);
        continue;
      }
      // One that the line holds was judged when it was taken.
      const passedHere = found.proposed.id === id && (commit === court.tip || passed.has(commit));
      if (!open.has(found.on) && !passedHere) continue;
      rest.delete(id);
      const why = passedHere ? null : await objection(objects, court, id, found);
      const full = court.known.size + taken.size >= MAX_PROPOSALS;
      if (why !== null) refused[id] = why;
      else if (full) refused[id] = { reason: 'stranger', why: `there are ${MAX_PROPOSALS} proposals already` };
      else {
        taken.set(id, commit);
        open.add(commit);
        moved = true;
      }
    }
  }
  return { taken, refused };
}

async function objection(
  objects: Objects,
  { authorities, tip }: Court,
  id: ProposalId,
  { proposed, on }: { readonly proposed: Proposed; readonly on: string },
): Promise<Refusal | null> {
  if (proposed.id !== id) return { reason: 'tampered', why: 'its name is not that of what was signed' };
  if (on === tip && authorities !== null && !authorities.includes(proposed.author))
    return { reason: 'stranger', why: 'its author is no authority of the genome that it changes' };
  try {
    await readGenome(objects, proposed.commit, proposed.genome);
    await readSealed(objects, proposed);
    return null;
  } catch (error) {
    return { reason: 'tampered', why: `its files are not those it names: ${(error as CellError).why}` };
  }
}

/** The commits that a genome stands on, itself left out; as many as a line is kept. */
async function ancestors(objects: Objects, tip: string): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (let now: string | undefined = tip; now !== undefined && found.size < MAX_PROPOSALS; ) {
    const object = await objects.get(now);
    now = (object?.type === 'commit' ? parseCommit(object.body) : null)?.parents[0];
    if (now !== undefined) found.add(now);
  }
  return found;
}

/**
 * The line of a genome from the genesis on, oldest first, each step signed and standing on the one before.
 * Throws FEED_REFUSED for anything else.
 */
export async function readLine(objects: Objects, tip: string, organism: string, genesis: string): Promise<Line> {
  const steps: Proposed[] = [];
  for (let now = tip; ; ) {
    const found = await readProposal(objects, now, organism);
    if ('reason' in found) {
      if ((steps.at(-1)?.parent ?? null) !== null) throw refusedLine('it does not begin with the genesis');
      await readGenome(objects, now, genesis);
      return { root: now, steps: steps.reverse() };
    }
    const child = steps.at(-1);
    if (steps.length > MAX_LINE || (child !== undefined && child.parent !== found.proposed.id))
      throw refusedLine('a step names another genome than the one it stands on');
    steps.push(found.proposed);
    now = found.on;
  }
}

export interface Line {
  /** The commit of the genesis' genome. */
  readonly root: string;
  readonly steps: readonly Proposed[];
}

/** Steps of a line that are followed: years of changes. */
const MAX_LINE = 10_000;

function refusedLine(why: string): CellError {
  return new CellError('FEED_REFUSED', 'This is not the genome of the organism', { why });
}
