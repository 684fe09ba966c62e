/** What an authority signs of a proposal, and whether it did: also of those that an entry of a feed shows. */
import { fingerprint, verify } from '../effects/keys.ts';
import type { Deed, Proposal, ProposalId } from '../model.ts';
import { canonical, type Refusal } from './entry.ts';

const PREFIX = 'cell/proposal/1\n';

export const signedBytes = (proposal: Omit<Proposal, 'sig'> & { readonly sig?: string }): Buffer =>
  Buffer.from(PREFIX + canonical({ ...proposal, sig: undefined }));

export function proposalId(proposal: Proposal): ProposalId {
  return fingerprint(Buffer.from(PREFIX + canonical(proposal)));
}

/** Whether its author signed it as it is. */
export function isSigned(proposal: Proposal): boolean {
  return verify(proposal.author, signedBytes(proposal), Buffer.from(proposal.sig, 'base64'));
}

/** Why a deed cannot be read further: it shows a proposal that nobody signed. What it means is for the lineage to say. */
export function unsignedIn(deed: Deed): Refusal | null {
  if (deed.kind !== 'grant' || deed.proposals.every(isSigned)) return null;
  return { reason: 'tampered', why: "a proposal in it is not signed by its author's key over what it says" };
}
