/**
 * What the world is told: a name asked for at every server of its zone, without a key and without any resolver between.
 *
 * Clients ask any of the zone's servers, so a record is there when all that can be reached have it, and gone when none of
 * them has it. The primary must answer. A secondary that cannot be reached from here, or does not serve the zone, is
 * passed over: resolvers pass it over, too.
 */
import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CellError, messageOf } from '../../errors.ts';
import { NoAnswer } from './line.ts';
import type { PrimaryCredential } from './primary.ts';
import { answersOf, type QueryType, resolverAt } from './query.ts';
import { noAnswer, refused, type Where } from './refusals.ts';

/** A datagram may be lost; three times in a row it hardly is. */
const PRIMARY = { timeout: 2_000, tries: 3 };
/** Servers that do not answer cost this much each time they are asked, all at once. */
const SECONDARY = { timeout: 1_500, tries: 2 };
/** Where the other servers of a zone answer: an NS record has no port. */
const DNS_PORT = 53;
/** A secondary that was notified has the change in a second or two; BIND waits up to five before it notifies. */
const SECONDARY_LAG_MS = 30_000;
const POLL_MS = 200;
const ADDRESS_TYPES = ['A', 'AAAA'] as const;

const REFUSALS: Readonly<Record<string, number>> = { EFORMERR: 1, ESERVFAIL: 2, ENOTIMP: 4, EREFUSED: 5 };

export interface ShownOptions {
  /** Where secondaries answer. */
  readonly secondaryPort?: number;
  readonly lagMs?: number;
}

async function primaryAddress(where: Where): Promise<string> {
  if (isIP(where.server) !== 0) return where.server;
  try {
    return (await lookup(where.server)).address;
  } catch (thrown) {
    throw noAnswer(where, new NoAnswer(messageOf(thrown), false));
  }
}

/** The names in the NS records of the zone, which may begin above the genome's. */
async function nameServers(resolver: Resolver, zone: string): Promise<readonly string[]> {
  for (let top = zone; top.includes('.'); top = top.slice(top.indexOf('.') + 1)) {
    const names = await resolver.resolveNs(top).catch(() => []);
    if (names.length > 0) return names;
  }
  return [];
}

/** Addresses of the zone's other servers: as the primary says, else as the system's resolver does. */
async function secondaries(primary: Resolver, own: string, zone: string): Promise<readonly string[]> {
  const elsewhere = new Resolver(SECONDARY);
  const of = async (name: string): Promise<readonly string[]> => {
    for (const resolver of [primary, elsewhere]) {
      const found = await Promise.all([
        resolver.resolve4(name).catch(() => []),
        resolver.resolve6(name).catch(() => []),
      ]);
      if (found.flat().length > 0) return found.flat();
    }
    return [];
  };
  const addresses = await Promise.all((await nameServers(primary, zone)).map(of));
  return [...new Set(addresses.flat())].filter((address) => address !== own);
}

interface Shown {
  readonly server: string;
  readonly values: readonly string[];
}

/** What each server that can be reached shows, the primary first. Throws CellError PROVIDER_REFUSED for the primary. */
async function shownByEach(
  credential: PrimaryCredential,
  name: string,
  type: QueryType,
  { secondaryPort = DNS_PORT }: ShownOptions,
): Promise<readonly Shown[]> {
  const where: Where = { ...credential, key: credential.tsig.name };
  const own = await primaryAddress(where);
  const primary = resolverAt(own, credential.port, PRIMARY);
  const first = await answersOf(primary, name, type).catch((thrown: NodeJS.ErrnoException) => {
    const rcode = REFUSALS[thrown.code ?? ''];
    if (rcode !== undefined) throw refused(where, 'question', [name], rcode);
    throw noAnswer(where, new NoAnswer(thrown.message, true));
  });
  const others = await Promise.all(
    (await secondaries(primary, own, credential.zone)).map(async (server) => {
      const values = await answersOf(resolverAt(server, secondaryPort, SECONDARY), name, type).catch(() => null);
      return values === null ? [] : [{ server, values }];
    }),
  );
  return [{ server: own, values: first }, ...others.flat()];
}

/** The values that every server of the zone shows. */
export async function shown(
  credential: PrimaryCredential,
  name: string,
  type: QueryType,
  options: ShownOptions = {},
): Promise<readonly string[]> {
  const [first, ...others] = await shownByEach(credential, name, type, options);
  return (first?.values ?? []).filter((value) => others.every(({ values }) => values.includes(value)));
}

/**
 * Waits until no server of the zone shows an address that the primary no longer shows: from then on nobody is sent there
 * but those who remember. Throws PROVIDER_REFUSED when one still does after `lagMs`.
 */
export async function untilNotShown(
  credential: PrimaryCredential,
  name: string,
  addresses: readonly string[],
  options: ShownOptions = {},
): Promise<void> {
  const { lagMs = SECONDARY_LAG_MS } = options;
  const deadline = Date.now() + lagMs;
  for (;;) {
    const late = (await Promise.all(ADDRESS_TYPES.map((type) => lateOnes(credential, name, type, addresses, options))))
      .flat()
      .at(0);
    if (late === undefined) return;
    if (Date.now() > deadline) {
      throw new CellError('PROVIDER_REFUSED', `${late.server} still shows ${late.values.join(', ')} for ${name}`, {
        why: `the primary does not, and the zone there is behind it by more than ${lagMs / 1000} s`,
        suggestion: 'See that it is notified and may transfer the zone, or take it out of the NS records.',
        fields: { server: late.server, name },
      });
    }
    await sleep(POLL_MS);
  }
}

async function lateOnes(
  credential: PrimaryCredential,
  name: string,
  type: 'A' | 'AAAA',
  addresses: readonly string[],
  options: ShownOptions,
): Promise<readonly Shown[]> {
  const [first, ...others] = await shownByEach(credential, name, type, options);
  const gone = addresses.filter((address) => first?.values.includes(address) === false);
  return others
    .map(({ server, values }) => ({ server, values: values.filter((value) => gone.includes(value)) }))
    .filter(({ values }) => values.length > 0);
}
