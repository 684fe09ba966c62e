/**
 * What the world is told of a zone that somebody else serves: a name asked for at the servers that the zone is delegated
 * to, with no cache between. Their API may say that a record is there long before they do.
 *
 * A record is there when all servers that can be reached show it, and gone when none does. One that cannot be reached from
 * here is passed over: resolvers pass it over, too.
 */
import { Resolver } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { CellError, messageOf } from '../../errors.ts';
import { answersOf, type QueryType, resolverAt } from './query.ts';

const ASKED = { timeout: 1_500, tries: 2 };
const DNS_PORT = 53;
/** Delegations last for days; a look at each poll would be most of what is asked. */
const SERVERS_KNOWN_MS = 60_000;
const POLL_MS = 1_000;
/** Shorter than whoever asked another cell to be silent waits for it; what lasts longer is waited for by the next attempt. */
const GONE_WITHIN_MS = 100_000;
/** Questions to tell all values of a name by, where a server answers with some of them at a time. */
const SAMPLES = 32;

export interface AuthorityOptions {
  /** Whom to ask where the zone is delegated to: `ADDRESS:PORT`; the system's resolver when left out. */
  readonly resolvers?: readonly string[];
  /** Where the zone's servers answer. */
  readonly port?: number;
}

interface Server {
  readonly name: string;
  readonly addresses: readonly string[];
}

const known = new Map<string, { readonly servers: readonly Server[]; readonly until: number }>();

/** The servers of a zone, by name. Throws PROVIDER_REFUSED when it is delegated to nobody. */
async function serversOf(zone: string, { resolvers }: AuthorityOptions): Promise<readonly Server[]> {
  const key = JSON.stringify([zone, resolvers]);
  const kept = known.get(key);
  if (kept !== undefined && kept.until > Date.now()) return kept.servers;
  const resolver = new Resolver(ASKED);
  if (resolvers !== undefined) resolver.setServers([...resolvers]);
  let names: readonly string[] = [];
  let why = 'it has no NS records';
  try {
    names = await resolver.resolveNs(zone);
  } catch (thrown) {
    why = messageOf(thrown);
  }
  if (names.length === 0) throw undelegated(zone, why);
  const servers = await Promise.all(
    names.map(async (name): Promise<Server> => {
      const [four, six] = await Promise.all([
        resolver.resolve4(name).catch(() => []),
        resolver.resolve6(name).catch(() => []),
      ]);
      return { name, addresses: [...four, ...six] };
    }),
  );
  known.set(key, { servers, until: Date.now() + SERVERS_KNOWN_MS });
  return servers;
}

/** What a server shows, at the first of its addresses that answers; null when none does. */
async function shownAt({ addresses }: Server, name: string, type: QueryType, port: number) {
  for (const address of addresses) {
    const values = await answersOf(resolverAt(address, port, ASKED), name, type).catch(() => null);
    if (values !== null) return values;
  }
  return null;
}

async function shownByEach(zone: string, name: string, type: QueryType, options: AuthorityOptions) {
  const servers = await serversOf(zone, options);
  const shown = await Promise.all(
    servers.map(async (server) => {
      const values = await shownAt(server, name, type, options.port ?? DNS_PORT);
      return values === null ? [] : [{ server: server.name, values }];
    }),
  );
  if (shown.flat().length > 0) return shown.flat();
  throw new CellError('PROVIDER_REFUSED', `None of the servers of ${zone} answers`, {
    why: `asked were ${servers.map((server) => server.name).join(', ')}`,
    suggestion: 'See that DNS (port 53) gets through to them from here, and that the zone is there.',
    fields: { zone, name },
  });
}

function undelegated(zone: string, why: string): CellError {
  return new CellError('PROVIDER_REFUSED', `${zone} is not delegated to anybody`, {
    why,
    suggestion: 'Set the name servers that the provider gives for the zone where its name is registered.',
    fields: { zone },
  });
}

/** The values that every server of the zone shows. */
export async function shownByZone(
  zone: string,
  name: string,
  type: QueryType,
  options: AuthorityOptions = {},
): Promise<readonly string[]> {
  const [first, ...others] = await shownByEach(zone, name, type, options);
  return (first?.values ?? []).filter((value) => others.every(({ values }) => values.includes(value)));
}

/** The values that the servers of the zone show, where each answer has some `most` of them, drawn anew each time. */
export async function sampledByZone(
  zone: string,
  name: string,
  type: QueryType,
  most: number,
  options: AuthorityOptions = {},
): Promise<readonly string[]> {
  const seen = new Set<string>();
  for (let asked = 0; asked < SAMPLES; ) {
    const shown = await shownByEach(zone, name, type, options);
    for (const value of shown.flatMap(({ values }) => values)) seen.add(value);
    if (shown.every(({ values }) => values.length < most)) break;
    asked += shown.length;
  }
  return [...seen];
}

/**
 * Waits until no server of the zone shows any of these addresses for a name: from then on nobody is sent there but those
 * who remember. Throws PROVIDER_REFUSED when one still does after `withinMs`.
 */
export async function untilGone(
  zone: string,
  name: string,
  addresses: readonly string[],
  options: AuthorityOptions & { readonly withinMs?: number } = {},
): Promise<void> {
  const { withinMs = GONE_WITHIN_MS } = options;
  const deadline = Date.now() + withinMs;
  for (;;) {
    const shown = await Promise.all((['A', 'AAAA'] as const).map((type) => shownByEach(zone, name, type, options)));
    const late = shown.flat().find(({ values }) => values.some((value) => addresses.includes(value)));
    if (late === undefined) return;
    if (Date.now() > deadline) {
      throw new CellError('PROVIDER_REFUSED', `${late.server} still shows ${late.values.join(', ')} for ${name}`, {
        why: `the records were taken away more than ${Math.round(withinMs / 1000)} s ago`,
        suggestion: 'This is tried again by itself; look at the status page of the provider.',
        fields: { server: late.server, name },
      });
    }
    await sleep(POLL_MS);
  }
}
