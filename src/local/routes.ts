/**
 * etc/cell/ingress.json: what it says, checked. Pure.
 */
export interface Upstream {
  readonly address: string;
  readonly port: number;
}

export interface Route {
  /** Exactly one of the two: a Host on the machine's HTTP port, or a listener of its own. */
  readonly domain: string | null;
  readonly port: number | null;
  readonly function: string;
  /** In order of preference; none means: hold the requests. */
  readonly upstreams: readonly Upstream[];
  /** How long a request may wait for an upstream, in ms. */
  readonly tryFor: number;
}

const DEFAULT_TRY_FOR = 10_000;

/** The routes of the file's text. Throws an Error that names the first thing wrong. */
export function parseRoutes(text: string): Route[] {
  const file = JSON.parse(text) as unknown;
  if (!isRecord(file) || file.v !== 1 || !Array.isArray(file.routes)) {
    throw new Error('expected {"v": 1, "routes": [...]}');
  }
  const routes = file.routes.map(parseRoute);
  const seen = new Set<string>();
  for (const { domain, port } of routes) {
    const key = String(domain ?? port);
    if (seen.has(key)) throw new Error(`two routes for ${key}`);
    seen.add(key);
  }
  return routes;
}

function parseRoute(route: unknown, index: number): Route {
  const bad = (why: string) => new Error(`route ${index}: ${why}`);
  if (!isRecord(route)) throw bad('expected an object');
  const { domain, port, upstreams, tryFor } = route;
  if ((domain === undefined) === (port === undefined)) throw bad('expected either a domain or a port');
  if (domain !== undefined && typeof domain !== 'string') throw bad('domain: expected a text');
  if (port !== undefined && !isPort(port)) throw bad('port: expected 1 to 65535');
  if (!Array.isArray(upstreams)) throw bad('upstreams: expected a list');
  return {
    domain: typeof domain === 'string' ? domain.toLowerCase().replace(/\.$/, '') : null,
    port: isPort(port) ? port : null,
    function: typeof route.function === 'string' ? route.function : '',
    upstreams: upstreams.map((upstream: unknown) => {
      if (!isRecord(upstream)) throw bad('upstreams: expected objects');
      const { address, port: at } = upstream;
      if (typeof address !== 'string' || !isPort(at)) throw bad('upstreams: expected an address and a port');
      return { address, port: at };
    }),
    tryFor: typeof tryFor === 'number' && tryFor >= 0 ? tryFor : DEFAULT_TRY_FOR,
  };
}

/** `Host` as a route's domain: lower case, without port and trailing dot. */
export function domainOf(host: string | undefined): string {
  return (host ?? '').toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535;
}
