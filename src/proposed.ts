/** The words of a genome that gives way to another: part of the model, as plain JSON. */

/** The fingerprint of a signed proposal, as long as a cell's id and in the same letters. */
export type ProposalId = string;

/** A genome that an authority proposes, in place of the one it names. Its files are the tree of the commit that carries it. */
export interface Proposal {
  readonly v: 1;
  readonly organism: string;
  /** The proposal by which the genome that it changes was accepted; null: that of the genesis. */
  readonly parent: ProposalId | null;
  /** sha256 (hex) of the files. */
  readonly genome: string;
  readonly at: number;
  readonly why: string;
  /** The organism's own limits that it may raise: not without its author's saying so. */
  readonly raises: readonly ('maxCells' | 'maxMonthlyCost')[];
  /** Where it may raise `maxCells`: to what. The lineage reads feeds, not genomes, and takes this number for the new budget. */
  readonly maxCells?: number;
  /** Where it has other authorities than the genome that it changes: all of them, so that the lineage knows whose word counts. */
  readonly authorities?: readonly string[];
  /** Where it asks for secrets that the cells have not: sha256 (hex) of those, sealed to them, which its commit carries. */
  readonly sealed?: string;
  /** A line as in authorized_keys, without comment. */
  readonly author: string;
  /** Ed25519 over the canonical bytes without `sig`, base64. */
  readonly sig: string;
}

/** A proposal as it is known here. */
export interface Proposed extends Proposal {
  readonly id: ProposalId;
  /** Its commit. */
  readonly commit: string;
}

/** A vote of a cell, or how a genome went with it. */
export interface Said {
  readonly kind: 'vote' | 'took';
  readonly proposal: ProposalId | null;
  readonly yes: boolean;
  /** Of a genome that was taken: its hash. */
  readonly genome: string | null;
  readonly why: string;
  readonly at: number;
}
