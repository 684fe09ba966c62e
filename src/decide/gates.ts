/**
 * Gates: behind each domain or port of a function stands one, and it leads one way at a time, to the program here or to
 * another cell, or it is shut and requests wait. Pure; decide/caddy.ts makes what Caddy reads of them, and traffic.ts
 * turns them.
 *
 * All ways that a gate may need are known before it is turned: the program, the cell's parent and its children, which is
 * where functions move, and the other homes for its share of load. So nothing has to be reloaded while requests wait.
 */
import type { Cell, CellId, FunctionName, Lineage } from '../model.ts';
import { routes, type Traffics, whither } from './routes.ts';
import { type Pressed, spare } from './spare.ts';

/** Of the requests that may be passed on: one in four, or one in two. */
export type Share = 4 | 2;

export type Way =
  | { readonly kind: 'program'; readonly key: string; readonly dial: string }
  | {
      readonly kind: 'cell';
      readonly key: string;
      readonly dial: string;
      /** The name that its certificate must have; null: plain HTTP. */
      readonly tls: string | null;
    }
  /** The program, and one request in so many to the cell of the way `with`. */
  | { readonly kind: 'shared'; readonly key: string; readonly with: string; readonly share: Share };

export interface Gate {
  /** `web.d` for a domain, `web.p` for a port. */
  readonly name: string;
  readonly function: FunctionName;
  readonly match: { readonly domain: string } | { readonly port: number };
  /** ms; for how long a refused connection is tried again, and for how long a request waits at a shut gate. */
  readonly tryFor: number;
  readonly waitFor: number;
  readonly ways: readonly Way[];
  /** The key of the way it leads now; null: shut. */
  readonly leads: string | null;
}

export const HERE = 'here';

/** The gates of a cell, in the order of its routes. `httpsPort`: domains are served there; null: plain HTTP. */
export function gates(traffic: Traffics & Pressed, httpsPort: number | null): readonly Gate[] {
  const near = neighbours(traffic);
  // One that is prepared and not started yet has its gate already: shut.
  const names = [...Object.keys(traffic.ports), ...traffic.holding];
  // What is loaded does not depend on whether a function is held now, but says how long its requests may wait then.
  const held = routes({ ...traffic, holding: new Set([...names, ...traffic.running]) }, names);
  return routes({ ...traffic, holding: new Set() }, names).map((route, index) => {
    const domain = 'domain' in route ? route.domain : null;
    const port = 'port' in route ? route.port : 0;
    const program = traffic.ports[route.function];
    // Only by its domain is a function the same one everywhere: a port may be asked for this cell's own data.
    const partners = domain === null ? [] : homes(traffic, route.function);
    const others = new Map([...near, ...partners].map((cell) => [cell.birth, cell]));
    const ways: Way[] =
      program === undefined ? [] : [{ kind: 'program', key: HERE, dial: `${traffic.host}:${program}` }];
    for (const { birth, reach } of [...others.values()].sort((a, b) => (a.birth < b.birth ? -1 : 1))) {
      const at = domain === null ? port : (httpsPort ?? reach.httpPort);
      const tls = domain !== null && httpsPort !== null ? domain : null;
      ways.push({ kind: 'cell', key: birth, dial: `${reach.address}:${at}`, tls });
    }
    if (program !== undefined) {
      for (const { birth } of partners) {
        for (const share of [4, 2] as const) {
          ways.push({ kind: 'shared', key: `${share}.${birth}`, with: birth, share });
        }
      }
    }
    return {
      name: `${route.function}.${domain === null ? 'p' : 'd'}`,
      function: route.function,
      match: domain === null ? { port } : { domain },
      tryFor: route.tryFor,
      waitFor: held[index]?.tryFor ?? route.tryFor,
      ways,
      leads: leads(traffic, route.function, ways, partners),
    };
  });
}

function leads(
  traffic: Traffics & Pressed,
  name: FunctionName,
  ways: readonly Way[],
  partners: readonly Cell[],
): string | null {
  const to = whither(traffic, name);
  if (to === null) return null;
  const known = (key: string) => (ways.some((way) => way.key === key) ? key : null);
  if (to !== traffic.self) return known(traffic.lineage.cells[to]?.birth ?? '');
  const sharing = spare(traffic, name, partners);
  return sharing === null ? known(HERE) : known(`${sharing.share}.${sharing.with.birth}`);
}

/** Where functions go to and come from, and where some still are sent on to. */
export function neighbours({ lineage, self, forwarding, now }: Traffics): readonly Cell[] {
  const parent = lineage.cells[self]?.parent;
  const going = new Set<CellId>(forwarding.filter(({ until }) => until > now).map(({ to }) => to));
  return living(lineage).filter((cell) => {
    return cell.id !== self && (cell.id === parent || cell.parent === self || going.has(cell.id));
  });
}

/** How many cells a gate may share its load with: each costs some sockets. */
const PARTNERS = 4;

/** The other living homes of a function, at most so many. */
export function homes(
  { lineage, self }: Pick<Traffics, 'lineage' | 'self'>,
  name: FunctionName,
  most = PARTNERS,
): readonly Cell[] {
  const all = living(lineage).filter((cell) => cell.id !== self && cell.functions.includes(name));
  return all.sort((a, b) => (a.birth < b.birth ? -1 : 1)).slice(0, most);
}

function living(lineage: Pick<Lineage, 'cells'>): Cell[] {
  return Object.values(lineage.cells).filter(({ state }) => state !== 'gone');
}
