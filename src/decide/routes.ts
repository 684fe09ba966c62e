/**
 * Which routes a cell's ingress should have: to the program here, into waiting while a function moves, or on to the new
 * home of one that went. Pure; traffic.ts keeps the state and writes the file.
 */
import type { FunctionGene, Genome } from '../../genome/schema.ts';
import type { CellId, FunctionName, Lineage } from '../model.ts';

export interface RouteUpstream {
  readonly address: string;
  readonly port: number;
}

/** Matched by host name on the machine's HTTP port, or by a port of its own. */
export type IngressRoute = ({ readonly domain: string } | { readonly port: number }) & {
  readonly function: FunctionName;
  /** Empty: requests wait for a reload that brings one. */
  readonly upstreams: readonly RouteUpstream[];
  /** ms. */
  readonly tryFor: number;
};

export interface Traffics {
  readonly genome: Pick<Genome, 'functions'>;
  readonly lineage: Pick<Lineage, 'cells'>;
  readonly self: CellId;
  /** Where programs listen on this cell. */
  readonly host: string;
  /** The private port of each program. */
  readonly ports: Readonly<Record<FunctionName, number>>;
  /** Functions whose program is meant to run here. */
  readonly running: readonly FunctionName[];
  readonly holding: ReadonlySet<FunctionName>;
  /** Functions that went, to whom, and until when this cell still sends requests on (ms since the epoch). */
  readonly forwarding: readonly { readonly function: FunctionName; readonly to: CellId; readonly until: number }[];
  readonly tryForMs: number;
  readonly now: number;
}

/**
 * The routes, by function and then domain before port, so that equal traffic gives an equal file.
 *
 * @param also functions that get routes without an upstream when nobody answers for them yet.
 */
export function routes(traffic: Traffics, also: readonly FunctionName[] = []): readonly IngressRoute[] {
  const { genome, lineage, self } = traffic;
  const names = [...new Set([...traffic.running, ...traffic.holding, ...leaving(traffic).keys(), ...also])].sort();
  return names.flatMap((name) => {
    const gene = genome.functions[name];
    if (gene === undefined) return [];
    // A function that moves may take as long to start as its genome allows, and nobody is sent away meanwhile.
    const usual = Math.max(traffic.tryForMs, gene.health?.within ?? 0);
    const make = (upstreams: (how: 'domain' | 'port') => readonly RouteUpstream[]) =>
      matches(gene).map(({ how, match }) => ({
        ...match,
        function: name,
        upstreams: upstreams(how),
        tryFor: traffic.holding.has(name) ? Math.max(usual, forDump(gene)) : usual,
      }));
    const to = whither(traffic, name);
    if (to === null) return make(() => []);
    if (to === self) {
      const port = traffic.ports[name];
      return make(() => (port === undefined ? [] : [{ address: traffic.host, port }]));
    }
    const reach = lineage.cells[to]?.reach;
    if (reach === undefined) return make(() => []);
    return make((how) => [{ address: reach.address, port: how === 'domain' ? reach.httpPort : (gene.port ?? 0) }]);
  });
}

/** One that moves by a dump stands still for two hooks and its start, ms. */
function forDump({ handover, health }: FunctionGene): number {
  return handover.dump === undefined ? 0 : 2 * handover.within + (health?.within ?? 0);
}

/** Which cell answers for a function that has a route here; null: nobody for sure, so its requests wait. */
export function whither(traffic: Traffics, name: FunctionName): CellId | null {
  // Held first: while it moves, neither here nor there answers for sure.
  if (traffic.holding.has(name)) return null;
  // A program here is preferred: a function that came back is served before what once was said of it.
  if (traffic.running.includes(name)) return traffic.self;
  return leaving(traffic).get(name) ?? null;
}

function leaving({ forwarding, now }: Traffics): ReadonlyMap<FunctionName, CellId> {
  return new Map(forwarding.filter(({ until }) => until > now).map((one) => [one.function, one.to]));
}

type Match = { readonly domain: string } | { readonly port: number };

function matches(gene: FunctionGene): readonly { readonly how: 'domain' | 'port'; readonly match: Match }[] {
  const { domain, port } = gene;
  return [
    ...(domain === undefined ? [] : [{ how: 'domain', match: { domain } } as const]),
    ...(port === undefined ? [] : [{ how: 'port', match: { port } } as const]),
  ];
}
