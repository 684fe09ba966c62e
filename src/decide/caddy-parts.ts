/**
 * Pieces of Caddy's JSON configuration, as Caddy 2.6 and newer read it. Pure. What they add up to is in decide/caddy.ts.
 */

/** A JSON object of the configuration: a handler, a matcher, a server. */
export type Piece = { readonly [field: string]: unknown };
export interface Route {
  readonly match?: readonly Piece[];
  readonly handle: readonly Piece[];
  readonly terminal?: true;
}

/** Headers between the ingresses of cells, and between the stages of one; no program ever sees them. */
export const HEADERS = {
  /** Birth of each cell that passed the request on. Anybody may set it: it only keeps a request where it is. */
  hop: 'Cell-Hop',
  /** The gate that a request waits at. */
  gate: 'Cell-Gate',
  /** Asks whether a gate is open, no more. */
  knock: 'Cell-Knock',
  /** Passed on to spare this cell: when that fails, it is to be known at once, and the request comes back. */
  try: 'Cell-Try',
} as const;

/** What a cell that cannot be reached is to those who only tried: no status that a program says. */
const UNREACHED = 599;

/** Requests without a body may be sent again (RFC 9110, 9.2.2); an upload cannot, for Caddy 2.6 keeps none. */
const REPEATABLE: Piece = { method: ['GET', 'HEAD', 'OPTIONS', 'TRACE'] };

/** Between two tries, ms: below what a person notices. */
const AGAIN_MS = 25;
/** Between two knocks on a shut gate, ms: thousands may wait, and each knock is a failed connect. */
export const KNOCK_MS = 100;

const ms = (duration: number) => `${duration}ms`;
export const unix = (path: string) => `unix/${path}`;

export interface Proxied {
  readonly dial: string;
  /** ms; how long a refused connection is tried again. */
  readonly tryFor?: number;
  readonly again?: 'repeatable';
  readonly fresh?: boolean;
  readonly tls?: { readonly serverName: string; readonly roots: string | null } | null;
  readonly request?: Piece;
  readonly more?: Piece;
}

/** A reverse proxy to one upstream. */
export function proxy({ dial, tryFor, again, fresh, tls, request, more }: Proxied): Piece {
  const balancing = {
    ...(tryFor === undefined ? {} : { try_duration: ms(tryFor), try_interval: ms(AGAIN_MS) }),
    ...(again === undefined ? {} : { retry_match: [REPEATABLE] }),
  };
  return {
    handler: 'reverse_proxy',
    upstreams: [{ dial }],
    ...(Object.keys(balancing).length === 0 ? {} : { load_balancing: balancing }),
    transport: {
      protocol: 'http',
      // A connection that the other side closes while idle would lose a request that cannot be repeated.
      ...(fresh === true ? { keep_alive: { enabled: false } } : {}),
      ...(tls === null || tls === undefined
        ? {}
        : { tls: { server_name: tls.serverName, ...(tls.roots === null ? {} : { root_ca_pem_files: [tls.roots] }) } }),
    },
    ...(request === undefined ? {} : { headers: { request } }),
    ...more,
  };
}

/** The client as the first stage saw it: Caddy itself drops these where a request comes by a Unix socket. */
const AS_FIRST_SEEN = Object.fromEntries(
  ['X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Host'].map((name) => [name, [`{http.request.header.${name}}`]]),
);
const OURS = Object.values(HEADERS);

const passedBy = (self: string) => `{http.request.header.${HEADERS.hop}} ${self}`;

/** To the program of this cell. */
export function toProgram(dial: string, tryFor: number): readonly Route[] {
  const request = { set: AS_FIRST_SEEN, delete: OURS };
  return [
    {
      match: [REPEATABLE],
      handle: [proxy({ dial, tryFor, again: 'repeatable', fresh: true, request })],
      terminal: true,
    },
    {
      handle: [
        proxy({
          dial,
          tryFor,
          fresh: true,
          request,
          // A body that met a refused connection is lost to Caddy 2.6; those that come after it wait instead.
          more: { health_checks: { passive: { fail_duration: '500ms', max_fails: 1 } } },
        }),
      ],
    },
  ];
}

/** To the ingress of another cell, saying that we passed it on. */
export function toCell(dial: string, tryFor: number, self: string, tls: Proxied['tls'] = null): readonly Route[] {
  const request = {
    // One value: a pattern is matched against each of several by itself.
    set: { ...AS_FIRST_SEEN, [HEADERS.hop]: [passedBy(self)] },
    delete: [HEADERS.gate, HEADERS.knock, HEADERS.try],
  };
  return [
    // Tried once: when that fails, it is for the gate to say where it goes next.
    { match: [TRIED], handle: [proxy({ dial, tls, request })], terminal: true },
    { match: [REPEATABLE], handle: [proxy({ dial, tls, request })], terminal: true },
    { handle: [proxy({ dial, tryFor, fresh: true, tls, request })] },
  ];
}

const TRIED: Piece = { header: { [HEADERS.try]: ['1'] } };
/** How long a cell that failed is not tried again. */
const REST = '10s';

/** To the program, and one request in `share` to another cell; back to the program when that one cannot be reached. */
export function shared(here: string, there: string, share: number): readonly Route[] {
  const upstreams = [...Array.from({ length: share - 1 }, () => ({ dial: here })), { dial: there }];
  return [
    {
      // Passed on once at most, and only what can be sent again.
      match: [{ ...REPEATABLE, not: [{ header: { [HEADERS.hop]: ['*'] } }] }],
      handle: [
        {
          ...proxy({ dial: here, fresh: true, request: { set: { ...AS_FIRST_SEEN, [HEADERS.try]: ['1'] } } }),
          // Caddy has weights from 2.8 on; an upstream that is listed more often is the same.
          upstreams,
          load_balancing: { selection_policy: { policy: 'round_robin' } },
          health_checks: { passive: { fail_duration: REST, max_fails: 1, unhealthy_status: [UNREACHED] } },
          handle_response: [{ match: { status_code: [UNREACHED] }, routes: [{ handle: [stay(here)] }] }],
        },
      ],
      terminal: true,
    },
    { handle: [stay(here)] },
  ];
}

const stay = (here: string) => proxy({ dial: here, fresh: true, request: { set: AS_FIRST_SEEN } });

const FAILED: Piece = { vars: { '{http.error.status_code}': ['502', '503', '504'] } };

/** What an error becomes: whoever only tried is told so, others may ask again. */
export const ERRORS: readonly Route[] = [
  { match: [TRIED], handle: [{ handler: 'static_response', status_code: UNREACHED }], terminal: true },
  { match: [FAILED], handle: [say(503, 'no upstream answers')] },
];

/**
 * On the way to a cell: what can be sent again comes back to its gate, by a connection that breaks off, and the gate may lead
 * elsewhere by then. One that waited here would go on asking for a cell that is dead.
 */
export const COME_BACK: readonly Route[] = [
  { match: [{ ...FAILED, ...REPEATABLE, not: [TRIED] }], handle: [{ handler: 'static_response', abort: true }] },
];

/** Answers a knock: whoever can ask is through. */
export const WELCOME: Route = {
  match: [{ header: { [HEADERS.knock]: ['1'] } }],
  handle: [{ handler: 'static_response', status_code: 204 }],
  terminal: true,
};

/**
 * Waits until the gate is open and goes through. The knock has no body, so however often it is repeated the request itself
 * is sent once; the socket is looked up anew each time, so it finds a gate that another configuration had shut.
 */
export function waiting(gate: string, open: string, tryFor: number): Route {
  const knock: Piece = {
    handler: 'reverse_proxy',
    rewrite: { method: 'GET', uri: '/' },
    upstreams: [{ dial: open }],
    load_balancing: { try_duration: ms(tryFor), try_interval: ms(KNOCK_MS) },
    transport: { protocol: 'http', keep_alive: { enabled: false } },
    headers: { request: { set: { [HEADERS.knock]: ['1'] }, delete: ['Expect'] } },
    // Whatever it answers, the request itself comes next.
    handle_response: [{ routes: [{ handle: [{ handler: 'vars', cell_gate: 'open' }] }] }],
  };
  return {
    match: [{ header: { [HEADERS.gate]: [gate] } }],
    handle: [
      knock,
      proxy({ dial: open, tryFor, fresh: true, request: { set: AS_FIRST_SEEN, delete: [HEADERS.gate] } }),
    ],
    terminal: true,
  };
}

/** A file at a path, whoever is asked for. */
export function staticFile(path: string, file: string, contentType: string): Route {
  const slash = file.lastIndexOf('/');
  return {
    match: [{ path: [path], method: ['GET', 'HEAD'] }],
    handle: [
      {
        handler: 'headers',
        response: { set: { 'Content-Type': [contentType], 'Cache-Control': ['no-store'] } },
      },
      { handler: 'rewrite', uri: file.slice(slash) },
      { handler: 'file_server', root: file.slice(0, slash) },
    ],
    terminal: true,
  };
}

export function say(status: number, body: string): Piece {
  return {
    handler: 'static_response',
    status_code: status,
    headers: { 'Content-Type': ['text/plain; charset=utf-8'] },
    body: `${body}\n`,
  };
}
