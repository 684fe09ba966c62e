/**
 * The one interface for credentials that shrink: what a cell has is minted for it out of what its parent has, for what it
 * will do and no more, and can be taken back. One file a provider beside this one, and its line in index.ts; nothing above
 * knows which one is at work.
 *
 * A credential is a JSON object of its provider's own shape. Linode, Cloudflare and DigitalOcean: `{token}`. AWS:
 * `{accessKeyId, secretAccessKey, sessionToken?}`. All: `endpoint`, where the API is not at its usual place. Whatever else
 * stands in one is handed on as it is.
 */
import type { BirthId } from '../../src/model.ts';
import type { Json } from '../stack.ts';

/** What a credential is for: the machines of a cloud, or the records at a DNS provider, by their names in the genome. */
export interface Purpose {
  readonly kind: 'compute' | 'dns';
  readonly place: string;
}

/** Whose credential it is; its label at the provider is made of nothing else (label.ts). */
export interface Holder extends Purpose {
  readonly organism: string;
  readonly birth: BirthId;
  /** Counts the credentials that a cell was given, from 1: a new one never has the name of the one before. */
  readonly generation: number;
}

export interface CredentialNeed extends Holder {
  /** It may mint for its own children, and take back what it minted. */
  readonly mints: boolean;
  /** When it shall end, ms since the epoch. */
  readonly until: number;
  /** Networks (CIDR) that it will be used from; none where that is not known. */
  readonly sources: readonly string[];
  /** For machines: the provider's name of their region; null where it has none. */
  readonly region: string | null;
  /** For records: the zone, its id at the provider where that is known, and the domains that it may speak for. */
  readonly zone: string | null;
  readonly zoneId?: string;
  readonly domains: readonly string[];
}

export interface Minted {
  readonly credential: Json;
  /** When it ends, ms since the epoch; null for one that does not end by itself. */
  readonly until: number | null;
  /** When it ends before that unless its holder renews it by itself. */
  readonly lapses?: number;
}

/** One that is there at the provider, whoever minted it. */
export interface TaggedCredential extends Holder {
  /** The provider's id, by which it is revoked. Never a secret. */
  readonly id: string;
  readonly until: number | null;
}

/**
 * Every method throws CellError PROVIDER_REFUSED; with `fields.status` 401 when the credential that was used is not
 * taken any more.
 */
export interface Attenuator {
  /** What people call the provider. */
  readonly provider: string;
  /**
   * Mints. Asked again for the same holder, it replaces what was minted then: an attempt that was cut off leaves nothing.
   * `credential` must be one that mints.
   */
  attenuate(credential: Json, need: CredentialNeed, now: number): Promise<Minted>;
  /** Everything minted for the organism, by the labels. `credential` must be one that mints. */
  list(organism: string, credential: Json): Promise<readonly TaggedCredential[]>;
  /** From here on the provider takes it no more. Gone already is fine. */
  revoke(id: string, credential: Json): Promise<void>;
  /**
   * Where a credential lasts so shortly that only its holder can renew it in time: another like it, by itself. Authority
   * and `until` stay what they are.
   */
  renew?(credential: Json, now: number): Promise<Required<Pick<Minted, 'credential' | 'lapses'>>>;
  /** Removes what it keeps at the provider beside credentials, once the organism is gone. */
  forget?(organism: string, credential: Json): Promise<void>;
}

/** What was found of a credential that a laptop starts with: how to mend it, where it is too little or too much. */
export interface Examined {
  readonly found: string;
  readonly mend?: string;
}
