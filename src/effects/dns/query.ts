/** Questions to a resolver, or to one server, with each kind of record as one text. */
import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';

export type QueryType = 'A' | 'AAAA' | 'TXT' | 'CNAME' | 'SRV';

/** Throws what the resolver throws, also when there is no such record. */
export async function query(resolver: Resolver, name: string, type: QueryType): Promise<readonly string[]> {
  switch (type) {
    case 'TXT':
      return (await resolver.resolveTxt(name)).map((parts) => parts.join(''));
    case 'SRV':
      return (await resolver.resolveSrv(name)).map((s) => `${s.priority} ${s.weight} ${s.port} ${s.name}`);
    case 'A':
      return resolver.resolve4(name);
    case 'AAAA':
      return resolver.resolve6(name);
    case 'CNAME':
      return resolver.resolveCname(name);
  }
}

const NOTHING = ['ENOTFOUND', 'ENODATA'];

/** A resolver that asks this server alone. `timeout` in ms, for each of `tries`. */
export function resolverAt(address: string, port: number, options: { timeout: number; tries: number }): Resolver {
  const resolver = new Resolver(options);
  resolver.setServers([isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`]);
  return resolver;
}

/** Values, none when the server says there are none. Throws what the resolver throws otherwise. */
export async function answersOf(resolver: Resolver, name: string, type: QueryType): Promise<readonly string[]> {
  try {
    return await query(resolver, name, type);
  } catch (thrown) {
    if (NOTHING.includes((thrown as NodeJS.ErrnoException).code ?? '')) return [];
    throw thrown;
  }
}
