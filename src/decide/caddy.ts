/**
 * The configuration of Caddy, in its own JSON, for the gates of a cell (decide/gates.ts). Pure.
 *
 * A request goes through these stages, all in one Caddy:
 *
 * 1. The public server (HTTP, HTTPS, or a function's port) finds the gate by Host or port and dials `gate/NAME`, a link to
 *    a Unix socket. Turning a gate is replacing that link, and no reload: Caddy 2.6 sends away what waits when it reloads.
 * 2. Each way of a gate has a server on a socket of its own, `to.NAME.WAY`: to the program, to another cell, or shared.
 * 3. A shut gate leads to `shut`, where a request knocks on `open/NAME` until there is such a link, up to `tryFor`.
 *
 * So what is loaded says which ways there are, and two folders of links say which are taken.
 */
import {
  COME_BACK,
  ERRORS,
  HEADERS,
  type Piece,
  proxy,
  type Route,
  say,
  shared,
  staticFile,
  toCell,
  toProgram,
  unix,
  WELCOME,
  waiting,
} from './caddy-parts.ts';
import { challenges } from './challenges.ts';
import { type Gate, HERE, type Way } from './gates.ts';

/** What of a cell and its genome the configuration depends on. */
export interface Front {
  /** Birth of this cell: its name among those that a request passed. */
  readonly self: string;
  readonly httpPort: number;
  readonly httpsPort: number;
  /** Where it listens: '' for every address. */
  readonly address: string;
  readonly whereFile: string;
  /** Null: not served. */
  readonly metricsFile: string | null;
  readonly acme: Acme | null;
  /** Addresses of cells, whose word about the client counts. */
  readonly cells: readonly string[];
}

export interface CaddySettings extends Front {
  /** Folder of the sockets, of the links, of certificates. */
  readonly sockets: string;
  readonly gates: string;
  readonly storage: string;
}

export interface Acme {
  /** URL */
  readonly directory: string;
  readonly email: string | null;
  /** A PEM file: the authority's own server, and what it signs, are checked against these. */
  readonly roots: string | null;
  /** Domains to have certificates for. */
  readonly domains: readonly string[];
  /** `address:port` of the HTTP of other homes of each domain. */
  readonly others: Readonly<Record<string, readonly string[]>>;
}

/** ms; how long a reload or a stop gives requests under way, and before that tells kept connections to go. */
export const GRACE_MS = 10_000;
const FAREWELL_MS = 1_000;
/** A function may move on, and home again, while a request waits; one that comes by more often goes round in circles. */
const COMES_BACK = 3;
const OPENMETRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
const WHERE_PATH = '/.well-known/cell/where.json';
const METRICS_PATH = '/.well-known/cell/metrics';
const SHUT = 'shut';

/** The socket of a way, and of what waits. */
export const socketOf = (settings: Pick<CaddySettings, 'sockets'>, gate: Gate | null, key: string | null): string =>
  `${settings.sockets}/${gate === null || key === null ? SHUT : `to.${gate.name}.${key}`}`;

/** The server of a way. */
export const serverOf = (gate: string, key: string): string => `${gate}.${key}`;

/** The whole configuration. Equal gates and settings give equal text, whichever way the gates lead. */
export function caddyConfig(gates: readonly Gate[], settings: CaddySettings): Piece {
  const { acme, sockets } = settings;
  const domains = gates.filter(({ match }) => 'domain' in match);
  const byDomain = domains.map((gate) => publicRoute(gate, settings));
  const listen = (port: number) => [`${settings.address}:${port}`];
  const common = [farewell(), ...wellKnown(settings)];
  const servers: Record<string, Piece> = {
    http: server(listen(settings.httpPort), [
      ...common,
      ...(acme === null ? byDomain : [...challenges(acme, settings.self), ...domains.map(redirect(settings))]),
      nobody(),
    ]),
    shut: server(
      [unix(`${sockets}/${SHUT}`)],
      [...gates.map((gate) => waiting(gate.name, unix(`${settings.gates}/open/${gate.name}`), gate.waitFor)), nobody()],
    ),
  };
  if (acme !== null) {
    servers.https = {
      ...server(listen(settings.httpsPort), [...common, ...byDomain, nobody()], ['h1', 'h2']),
      tls_connection_policies: [{}],
    };
  }
  for (const gate of gates) {
    if ('port' in gate.match) {
      const route = publicRoute(gate, settings);
      servers[`port-${gate.match.port}`] = server(listen(gate.match.port), [farewell(), route]);
    }
    for (const way of gate.ways) {
      const routes = [WELCOME, ...through(gate, way, settings)];
      const errors = way.kind === 'cell' ? [...COME_BACK, ...ERRORS] : ERRORS;
      servers[serverOf(gate.name, way.key)] = server([unix(socketOf(settings, gate, way.key))], routes, ['h1'], errors);
    }
  }
  return {
    admin: { listen: unix(`${sockets}/admin`), config: { persist: false } },
    // Of certificates everything, for they are asked of others; of the rest what failed.
    logging: {
      logs: { default: { level: 'ERROR', exclude: ['tls'] }, certificates: { level: 'INFO', include: ['tls'] } },
    },
    storage: { module: 'file_system', root: settings.storage },
    apps: {
      http: {
        http_port: settings.httpPort,
        https_port: settings.httpsPort,
        grace_period: `${GRACE_MS}ms`,
        shutdown_delay: `${FAREWELL_MS}ms`,
        servers,
      },
      ...(acme === null ? {} : { tls: certificates(acme) }),
    },
  };
}

function server(
  listen: readonly string[],
  routes: readonly Route[],
  protocols: readonly string[] = ['h1'],
  errors: readonly Route[] = ERRORS,
): Piece {
  return {
    listen,
    protocols,
    // What is served is said here, all of it; certificates are asked for below.
    automatic_https: { disable: true },
    // Waiting for a gate or a slow program costs little; a client that sends its headers slowly is none.
    read_header_timeout: '30s',
    idle_timeout: '2m',
    routes,
    errors: { routes: errors },
  };
}

/** Before an old configuration closes what is idle, it asks those who keep a connection to open another. */
function farewell(): Route {
  return {
    match: [{ vars: { '{http.shutting_down}': ['true'] } }],
    handle: [{ handler: 'headers', response: { set: { Connection: ['close'] } } }],
  };
}

function wellKnown({ whereFile, metricsFile }: CaddySettings): readonly Route[] {
  return [
    staticFile(WHERE_PATH, whereFile, 'application/json'),
    ...(metricsFile === null ? [] : [staticFile(METRICS_PATH, metricsFile, OPENMETRICS)]),
  ];
}

function publicRoute(gate: Gate, settings: CaddySettings): Route {
  const dial = unix(`${settings.gates}/gate/${gate.name}`);
  const request = { set: { [HEADERS.gate]: [gate.name] }, delete: [HEADERS.knock] };
  const trusted = settings.cells.length === 0 ? {} : { trusted_proxies: settings.cells };
  const handle: Piece[] = [
    {
      handler: 'subroute',
      routes: [
        {
          match: [{ header_regexp: { [HEADERS.hop]: { pattern: `(\\b${settings.self}\\b.*){${COMES_BACK + 1}}` } } }],
          handle: [say(508, 'this request has been here before')],
          terminal: true,
        },
        { handle: [proxy({ dial, tryFor: gate.tryFor, again: 'repeatable', fresh: true, request, more: trusted })] },
      ],
    },
  ];
  return 'domain' in gate.match
    ? { match: [{ host: [gate.match.domain] }], handle, terminal: true }
    : { handle, terminal: true };
}

function through(gate: Gate, way: Way, settings: CaddySettings): readonly Route[] {
  const roots = settings.acme?.roots ?? null;
  switch (way.kind) {
    case 'program':
      return toProgram(way.dial, gate.tryFor);
    case 'cell':
      return toCell(way.dial, gate.tryFor, settings.self, way.tls === null ? null : { serverName: way.tls, roots });
    case 'shared':
      return shared(unix(socketOf(settings, gate, HERE)), unix(socketOf(settings, gate, way.with)), way.share);
  }
}

function redirect(settings: CaddySettings): (gate: Gate) => Route {
  const port = settings.httpsPort === 443 ? '' : `:${settings.httpsPort}`;
  return (gate) => ({
    match: [{ host: ['domain' in gate.match ? gate.match.domain : ''] }],
    handle: [
      {
        handler: 'static_response',
        status_code: 308,
        headers: { Location: [`https://{http.request.host}${port}{http.request.uri}`] },
      },
    ],
    terminal: true,
  });
}

function nobody(): Route {
  return { handle: [say(404, 'no function of this cell answers for {http.request.host}')] };
}

/** Certificates by HTTP-01 alone: a challenge by TLS could not be passed on to the cell that asked for it. */
function certificates({ directory, email, roots, domains }: Acme): Piece {
  const issuer = {
    module: 'acme',
    ca: directory,
    ...(email === null ? {} : { email }),
    ...(roots === null ? {} : { trusted_roots_pem_files: [roots] }),
    challenges: { 'tls-alpn': { disabled: true } },
  };
  return {
    certificates: { automate: domains },
    automation: { policies: [{ issuers: [issuer] }] },
  };
}
