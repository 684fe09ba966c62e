/**
 * The one interface for DNS providers. Each cell has its own records and a TXT beside them that says whose they are;
 * several cells under one name never touch each other's.
 */
import type { DnsGene } from '../../genome/dns.ts';
import type { QueryType } from '../../src/effects/dns/query.ts';
import type { EngineName, Json, ResourceSpec } from '../stack.ts';

export type { DnsGene };

export interface RecordNeed {
  readonly organism: string;
  /** The birth of the cell that owns the records. */
  readonly birth: string;
  readonly zone: string;
  readonly domains: readonly string[];
}

export interface DnsProvider {
  readonly name: DnsGene['provider'];
  readonly engine: EngineName;
  /** The records of one cell; pure. `{$value: "address"}` is the cell's address; others fill `values`. */
  resources(need: RecordNeed, gene: DnsGene): readonly ResourceSpec[];
  /** The credential a laptop starts with (`home` is its folder) for a zone. */
  credential(gene: DnsGene, home: string, about: { readonly zone: string }): Promise<Json>;
  /**
   * Whether the provider would take records under these names, tried without changing anything; gives what was found in
   * a few words. Throws CellError with what to do.
   */
  examine?(need: Omit<RecordNeed, 'birth'>, credential: Json): Promise<string>;
  /** What fills the holes of the resources beside the address, out of the credential. */
  values?(credential: Json): Readonly<Record<string, Json>>;
  /** The same where there is no credential yet: a preview has to have something there. */
  readonly samples?: Readonly<Record<string, Json>>;
  /**
   * Before a stack of the provider's own resources is run: throws PROVIDER_REFUSED where a name is somebody else's. Our own
   * resources see to that themselves.
   */
  clear?(need: RecordNeed, credential: Json): Promise<void>;
  /** After it was run: removes what attempts that were cut off left of the cell's. `kept`: ids of what the stack has. */
  tidy?(need: RecordNeed, kept: ReadonlySet<string>, credential: Json): Promise<void>;
  /**
   * Waits until no server of the zone shows these addresses for the names that a cell took back, so that from then on only
   * those come who remember. Where it is left out, records are gone everywhere when their removal has ended.
   */
  gone?(names: readonly string[], addresses: readonly string[], credential: Json): Promise<void>;
  /** How long the zone's servers may take to show what the API took, ms. Where it is left out they are quick. */
  readonly slowMs?: number;
  /** Records that carry the organism's tags. */
  list(organism: string, credential: Json): Promise<readonly TaggedRecord[]>;
  remove(id: string, credential: Json): Promise<void>;
  /** Removes what the provider itself keeps on this computer, once the organism is gone. */
  forget?(organism: string, credential: Json): Promise<void>;
  /** What the zone's servers answer for a name now: asked over DNS, not over the provider's API. */
  resolve(domain: string, type: QueryType, credential: Json): Promise<readonly string[]>;
}

export interface TaggedRecord {
  readonly id: string;
  readonly birth: string;
  readonly name: string;
  readonly type: string;
  readonly values: readonly string[];
}

/** Where a record beside the others of a domain says whose they are. */
export function ownershipName(domain: string): string {
  return `_cell.${domain}`;
}

export function ownershipText({ organism, birth }: Pick<RecordNeed, 'organism' | 'birth'>): string {
  return `v=cell1 organism=${organism} cell=${birth}`;
}
