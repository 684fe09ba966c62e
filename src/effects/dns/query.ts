/** One question to a resolver, with each kind of record as one text. */
import type { Resolver } from 'node:dns/promises';

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
