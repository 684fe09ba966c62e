/**
 * What a DNS server's no means, and what to do about it: one reason and one suggestion for each answer.
 *
 * All are PROVIDER_REFUSED, also when nobody answered: TIMEOUT and MACHINE_UNREACHABLE speak of cells, and a DNS server
 * that is down must never make a cell look dead.
 */
import { CellError, messageOf } from '../../errors.ts';
import type { NoAnswer } from './line.ts';
import type { Verdict } from './tsig.ts';

export interface Where {
  readonly server: string;
  readonly port: number;
  readonly zone: string;
  /** The name of the key. */
  readonly key: string;
}

export type Asked = 'update' | 'question';

const NAMES: Readonly<Record<number, string>> = {
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  4: 'NOTIMP',
  5: 'REFUSED',
  6: 'YXDOMAIN',
  7: 'YXRRSET',
  8: 'NXRRSET',
  9: 'NOTAUTH',
  10: 'NOTZONE',
};

const rcodeName = (rcode: number): string => NAMES[rcode] ?? `RCODE${rcode}`;

const POLICY = 'see `update-policy` (BIND) or `acl` (Knot) in docs/providers.md';
const at = ({ server, port }: Where) => `${server} port ${port}`;
const listed = (names: readonly string[]) => [...new Set(names)].join(', ');

function problem(
  where: Where,
  message: string,
  why: string,
  suggestion: string,
  fields: CellError['fields'],
): CellError {
  return new CellError('PROVIDER_REFUSED', message, {
    why,
    suggestion,
    fields: { server: where.server, port: where.port, zone: where.zone, ...fields },
  });
}

/** Nobody answered. `fields.sent`: whether an update may have taken effect. */
export function noAnswer(where: Where, { message, sent }: NoAnswer): CellError {
  return problem(
    where,
    `The DNS server at ${at(where)} does not answer`,
    message,
    'See that it runs, that dns.server and dns.port are right, and that TCP gets through to it from here.',
    { answered: false, sent },
  );
}

/** It is there, but not the server of the zone. */
export function noZone(where: Where): CellError {
  return problem(
    where,
    `The DNS server at ${at(where)} does not have the zone ${where.zone}`,
    'it answers for neither this zone nor one above it',
    'Add the zone there, or name its primary server in dns.server.',
    { answered: true },
  );
}

/** It sent what is no DNS message. */
export function unreadable(where: Where, thrown: unknown): CellError {
  return problem(
    where,
    `The answer of the DNS server at ${at(where)} cannot be read`,
    messageOf(thrown),
    'See that dns.server and dns.port are those of a DNS server.',
    { answered: true },
  );
}

/** It answered no. */
export function refused(where: Where, what: 'update' | 'question', names: readonly string[], rcode: number): CellError {
  const fields = { answered: true, rcode: rcodeName(rcode) };
  const say = (why: string, suggestion: string) =>
    problem(
      where,
      what === 'update'
        ? `The DNS server at ${at(where)} refuses to change ${listed(names)}`
        : `The DNS server at ${at(where)} does not answer for ${listed(names)}`,
      `${rcodeName(rcode)}: ${why}`,
      suggestion,
      fields,
    );
  const key = `the key ${where.key}`;
  switch (rcodeName(rcode)) {
    case 'REFUSED':
      return what === 'update'
        ? say(`its policy does not let ${key} change these names or types`, `Allow them for ${key}: ${POLICY}.`)
        : say(
            `it does not have the zone, or does not let ${key} ask`,
            'Name the primary server of the zone in dns.server.',
          );
    case 'NOTAUTH':
      return say(
        `its policy does not let ${key} change these, or it is not the primary server of the zone`,
        `Allow these names for ${key} (${POLICY}), or name the primary in dns.server.`,
      );
    case 'NOTZONE':
      return say('a name lies outside of its zone', `Give the functions domains inside the zone that the server has.`);
    case 'SERVFAIL':
      return say(
        'it failed by itself: a full disk, a frozen zone, or more records in one set than it takes',
        "Look into the server's log; BIND takes 100 records a set unless max-records-per-type says more.",
      );
    case 'NOTIMP':
      return say(
        'it takes no dynamic updates',
        'Use a server that does (BIND, Knot, PowerDNS), or another DNS provider.',
      );
    default:
      return say('it did not expect this', "Look into the server's log.");
  }
}

/** The answer's signature is no reason to believe it, or says why the server did not believe ours. */
export function notBelieved(
  where: Where,
  verdict: Exclude<Verdict, { kind: 'good' }>,
  what: Asked,
  names: readonly string[],
  rcode: number,
): CellError {
  const key = `the key ${where.key}`;
  const say = (message: string, why: string, suggestion: string, more: CellError['fields'] = {}) =>
    problem(where, message, why, suggestion, { answered: true, rcode: rcodeName(rcode), tsig: verdict.kind, ...more });
  const keyRefused = `The DNS server at ${at(where)} does not accept ${key}`;
  const unbelievable = `The answer of the DNS server at ${at(where)} cannot be trusted`;
  switch (verdict.kind) {
    case 'badKey':
      return say(
        keyRefused,
        'BADKEY: it knows no key of this name and algorithm',
        'Compare dns.key and dns.algorithm with the key on the server.',
      );
    case 'badSig':
      return say(
        keyRefused,
        'BADSIG: its secret is another one',
        'Compare dns.credentials with the secret of the key on the server.',
      );
    case 'badTrunc':
      return say(
        keyRefused,
        'BADTRUNC: it wants longer signatures',
        'Use a key of one of the algorithms that dns.algorithm lists.',
      );
    case 'badTime':
    case 'late': {
      const { aheadBy } = verdict;
      const found = `the clock here is ${Math.abs(aheadBy)} s ${aheadBy > 0 ? 'behind' : 'ahead of'} the server's`;
      const message = verdict.kind === 'badTime' ? keyRefused : unbelievable;
      return say(message, `BADTIME: ${found}`, 'Set the clocks, best by NTP; they may be 300 s apart.', { aheadBy });
    }
    case 'unsigned':
      // A server that refuses before it has looked at the signature answers without one.
      return rcode === 0
        ? say(unbelievable, 'it is not signed', `See that ${key} is known to the server.`)
        : refused(where, what, names, rcode);
    case 'forged':
      return say(unbelievable, 'its signature is not that of the key', 'See what stands between here and the server.');
    case 'other':
      return say(keyRefused, 'it gives a reason that is not known here', "Look into the server's log.");
  }
}
