/**
 * What a cell is given of credentials, and how it is taken back: `attenuate` and `revoke` of whoever mints, over all that
 * the genome has. What cannot be minted is handed on as it is, to whom needs it; what is needed by nobody goes to nobody.
 *
 * A credential's label is made of whose it is, so that whatever is killed here finds by it what it left.
 */
import { createHash } from 'node:crypto';
import type { Genome } from '../genome/schema.ts';
import type { CredentialNeed, Purpose, TaggedCredential } from '../stacks/credentials/credential.ts';
import { attenuatorOf, type Gene, isMinted } from '../stacks/credentials/index.ts';
import type { Json } from '../stacks/stack.ts';
import { dnsOf } from './decide/dns.ts';
import { type Need, needOf, type Portion } from './decide/needs.ts';
import { CellError } from './errors.ts';
import type { Credentials, MintedKey } from './here.ts';
import type { BirthId } from './model.ts';

/** Who gives: its genome, what it has itself, and the time. */
export interface Giver {
  readonly genome: Genome;
  readonly credentials: Credentials;
  readonly now: number;
}

export interface Taker {
  readonly birth: BirthId;
  readonly portion: Portion;
  /** It owns its own body, and so its own credentials. */
  readonly owner: boolean;
  readonly generation: number;
  /** Networks that it asks from; none where that is not known. */
  readonly sources: readonly string[];
}

/** One of the places that credentials are for, with what this home has for it. */
interface Place extends Purpose {
  readonly gene: Gene;
  readonly zone: string | null;
  readonly credential: Json;
}

export const purposeOf = ({ kind, place }: Purpose): string => `${kind}-${place}`;

/** Every place that this home has a credential for. */
function placesOf(genome: Genome, { compute, dns }: Credentials): readonly Place[] {
  const clouds = Object.entries(genome.clouds).flatMap(([place, gene]): Place[] => {
    const credential = compute?.[place];
    return credential === undefined ? [] : [{ kind: 'compute', place, gene, zone: null, credential }];
  });
  const zones = dnsOf(genome).flatMap(({ name, zone, gene }): Place[] => {
    const credential = dns?.[name];
    return credential === undefined ? [] : [{ kind: 'dns', place: name, gene, zone, credential }];
  });
  return [...clouds, ...zones];
}

/** Whether what this home has for a place can mint: a seeder's has to, a cell's if it was minted for that. */
function canMint({ minted }: Credentials, place: Place): boolean {
  const own = minted?.[purposeOf(place)];
  return isMinted(place.gene) && (own === undefined || own.mints);
}

function isNeeded(need: Need, { kind, place }: Purpose): boolean {
  return kind === 'compute' ? need.compute.includes(place) : Object.hasOwn(need.dns, place);
}

/** Whether anything that a portion needs is minted, wherever that is. */
export function mintsFor(genome: Genome, portion: Portion): boolean {
  const need = needOf(genome, portion);
  return (
    need.compute.some((cloud) => isMinted(genome.clouds[cloud] ?? { provider: '' })) ||
    dnsOf(genome).some(({ name, gene }) => Object.hasOwn(need.dns, name) && isMinted(gene))
  );
}

/**
 * What a cell gets. Asked again for the same taker it replaces what was minted then. Throws NOT_ALLOWED where a credential
 * was minted for this home alone, and what the provider says.
 */
export async function endow({ genome, credentials, now }: Giver, taker: Taker): Promise<Credentials> {
  const need = needOf(genome, taker.portion, taker.owner);
  const given: Record<Purpose['kind'], Record<string, Json>> = { compute: {}, dns: {} };
  const minted: Record<string, MintedKey> = {};
  for (const place of placesOf(genome, credentials)) {
    if (!isNeeded(need, place)) continue;
    if (!isMinted(place.gene)) {
      given[place.kind][place.place] = place.credential;
      continue;
    }
    if (!canMint(credentials, place)) throw notOurs(place);
    const wanted = wantedOf(genome, need, taker, place, now);
    const made = await (await attenuatorOf(place.gene)).attenuate(place.credential, wanted, now);
    given[place.kind][place.place] = made.credential;
    const { until, lapses } = made;
    const { mints } = wanted;
    minted[purposeOf(place)] = { mints, mintedAt: now, until, ...(lapses === undefined ? {} : { lapses }) };
  }
  const orNull = (some: Record<string, Json>) => (Object.keys(some).length === 0 ? null : some);
  return {
    compute: orNull(given.compute),
    dns: orNull(given.dns),
    ...(Object.keys(minted).length === 0 ? {} : { minted }),
    ...(taker.generation === 1 ? {} : { generation: taker.generation }),
  };
}

function wantedOf(genome: Genome, need: Need, taker: Taker, place: Place, now: number): CredentialNeed {
  const { kind, gene, zone } = place;
  const { zoneId } = (place.credential ?? {}) as { readonly zoneId?: unknown };
  const { birth, generation, sources } = taker;
  return {
    organism: genome.organism,
    birth,
    kind,
    place: place.place,
    generation,
    mints: need.mints[kind],
    until: now + genome.credentials.lifetime,
    sources,
    region: gene.region ?? null,
    zone,
    ...(typeof zoneId === 'string' ? { zoneId } : {}),
    domains: need.dns[place.place] ?? [],
  };
}

function notOurs(place: Place): CellError {
  return new CellError('NOT_ALLOWED', `The credential for ${place.place} was minted for this cell alone`, {
    why: 'it may not mint others, and handing it on would give two cells one that is revoked with either',
    suggestion: 'Its parent gives it another when its credentials are next renewed.',
  });
}

/** When the first of minted credentials ends, ms since the epoch; null where none does. */
export function endOf({ minted = {} }: Pick<Credentials, 'minted'>): number | null {
  const ends = Object.values(minted).flatMap(({ until }) => until ?? []);
  return ends.length === 0 ? null : Math.min(...ends);
}

/** What this home has a credential for that a portion needs. */
export function purposesFor(genome: Genome, credentials: Credentials, portion: Portion): readonly string[] {
  const need = needOf(genome, portion);
  const needed = placesOf(genome, credentials).filter((place) => isNeeded(need, place));
  return needed.map(purposeOf).sort();
}

/** A digest of what a portion gets as it is: another when the seeder's own is another. Empty where it gets none. */
export function sharedDigest(genome: Genome, credentials: Credentials, portion: Portion): string {
  const need = needOf(genome, portion);
  const shared = placesOf(genome, credentials)
    .filter((place) => !isMinted(place.gene) && isNeeded(need, place))
    .map((place) => [purposeOf(place), place.credential]);
  if (shared.length === 0) return '';
  return createHash('sha256').update(JSON.stringify(shared)).digest('hex').slice(0, 16);
}

/**
 * What is minted for the organism and this home can see, each with how to take it back. Throws when a provider cannot be
 * asked, unless somebody is told of that and the others are asked all the same.
 */
export async function mintedFor(
  genome: Genome,
  credentials: Credentials,
  onTrouble: (error: unknown) => void = (error) => {
    throw error;
  },
): Promise<readonly Revocable[]> {
  const found = new Map<string, Revocable>();
  for (const place of placesOf(genome, credentials)) {
    if (!canMint(credentials, place)) continue;
    const attenuator = await attenuatorOf(place.gene);
    const listed = await attenuator.list(genome.organism, place.credential).catch((error: unknown) => {
      onTrouble(error);
      return [];
    });
    for (const tagged of listed) {
      // Two places may be one account, which shows all of its tokens to both.
      const same = `${attenuator.provider} ${tagged.id}`;
      if (found.has(same)) continue;
      const revoke = () => attenuator.revoke(tagged.id, place.credential);
      found.set(same, { ...tagged, provider: attenuator.provider, revoke });
    }
  }
  return [...found.values()];
}

export interface Revocable extends TaggedCredential {
  readonly provider: string;
  revoke(): Promise<void>;
}

/**
 * Takes back what was minted for births: of every generation, or of those before one. Gives how many. Throws after
 * everything that could be was taken back.
 */
export async function revoke(
  genome: Genome,
  credentials: Credentials,
  births: ReadonlySet<BirthId>,
  before = Number.POSITIVE_INFINITY,
): Promise<number> {
  const troubles: unknown[] = [];
  const all = await mintedFor(genome, credentials, (error) => troubles.push(error));
  const over = all.filter(({ birth, generation }) => births.has(birth) && generation < before);
  for (const one of over) await one.revoke().catch((error: unknown) => troubles.push(error));
  if (troubles.length > 0) throw troubles[0];
  return over.length;
}

/** Removes what providers keep beside credentials, once the organism is gone. */
export async function forgetMinters(genome: Genome, credentials: Credentials): Promise<void> {
  for (const place of placesOf(genome, credentials)) {
    if (canMint(credentials, place)) await (await attenuatorOf(place.gene)).forget?.(genome.organism, place.credential);
  }
}
