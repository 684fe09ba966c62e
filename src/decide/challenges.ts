/**
 * ACME challenges where several cells answer for one name: the authority may ask any of them, and only the one that asked
 * for the certificate knows the answer. Caddy answers what it knows before any route is looked at; what it does not know
 * is passed on to the other homes of the name, one after the other, and a request that was passed on is not again. Pure.
 */
import type { Acme } from './caddy.ts';
import { HEADERS, type Piece, proxy, type Route, say } from './caddy-parts.ts';

const PATH = '/.well-known/acme-challenge/*';
const UNKNOWN = say(404, 'this challenge is not known here');

export function challenges({ others }: Acme, self: string): readonly Route[] {
  const passed = Object.entries(others).flatMap(([domain, homes]): Route[] => {
    if (homes.length === 0) return [];
    return [
      {
        match: [{ host: [domain], path: [PATH], not: [{ header: { [HEADERS.hop]: ['*'] } }] }],
        handle: [ask(homes, self)],
        terminal: true,
      },
    ];
  });
  return [...passed, { match: [{ path: [PATH] }], handle: [UNKNOWN], terminal: true }];
}

/** Asks the first home; the next ones when it does not know, or does not answer. */
function ask(homes: readonly string[], self: string): Piece {
  const [dial = '', ...rest] = homes;
  const next = rest.length === 0 ? UNKNOWN : ask(rest, self);
  const piece = proxy({ dial, fresh: true, request: { set: { [HEADERS.hop]: [self] } } });
  return {
    ...piece,
    // The rest stand in for one that cannot be reached: a failure takes it out, and the next is chosen.
    upstreams: homes.map((home) => ({ dial: home })),
    load_balancing: { selection_policy: { policy: 'first' }, try_duration: '5s', try_interval: '25ms' },
    health_checks: { passive: { fail_duration: '10s', max_fails: 1 } },
    handle_response: [{ match: { status_code: [4, 5] }, routes: [{ handle: [next] }] }],
  };
}
