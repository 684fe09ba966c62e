/**
 * What a deed, an entry and a pulse must look like before anything else looks at them.
 *
 * Written by hand and strict: sync loads this on every heartbeat, where a schema library would cost more than the
 * session, and what a stranger sends must never reach code that trusts its types.
 */
import { MAX_WARRANT } from '../decide/grant.ts';
import { cellId, isPublicKey } from '../effects/keys.ts';
import type { DeedKind } from '../model.ts';
import { MAX_AUTHORITIES, MAX_WHY } from './limits.ts';

/** null: it has the shape. Otherwise what was expected. */
export type Check = (value: unknown) => string | null;

export const CELL_ID = /^[a-z2-7]{26}$/;
const COMMIT = /^[0-9a-f]{40}$/;
const NAME = /^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$/;
const CONTROL = /\p{Cc}/u;

const matches = (pattern: RegExp, expected: string): Check => {
  return (value) => (typeof value === 'string' && pattern.test(value) ? null : expected);
};
const text = (max: number): Check => {
  return (value) =>
    typeof value === 'string' && value.length <= max && !CONTROL.test(value) ? null : `one line of at most ${max}`;
};
const integer = (min: number, max: number): Check => {
  return (value) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? null
      : `a whole number from ${min} to ${max}`;
};
const oneOf = (...words: readonly string[]): Check => {
  return (value) => (words.includes(value as string) ? null : `one of ${words.join(', ')}`);
};
const nullOr =
  (check: Check): Check =>
  (value) =>
    value === null ? null : check(value);
const listOf = (check: Check, max: number): Check => {
  return (value) => {
    if (!Array.isArray(value) || value.length > max) return `a list of at most ${max}`;
    for (const item of value) if (check(item) !== null) return `in a list, ${check(item)}`;
    return null;
  };
};

/** An object with exactly these fields; those in `optional` may be missing. */
export function shape(fields: Readonly<Record<string, Check>>, optional: readonly string[] = []): Check {
  const names = Object.keys(fields);
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'an object';
    for (const name of names) {
      if (!Object.hasOwn(value, name)) {
        if (optional.includes(name)) continue;
        return `the field ${name}`;
      }
      const wrong = fields[name]?.((value as Record<string, unknown>)[name]) ?? null;
      if (wrong !== null) return `${name}: ${wrong}`;
    }
    const extra = Object.keys(value).find((name) => !Object.hasOwn(fields, name));
    return extra === undefined ? null : `no field ${JSON.stringify(extra.slice(0, 40))}`;
  };
}

/** An object used as a map. */
export function mapOf(key: RegExp, check: Check, max: number): Check {
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'an object';
    const entries = Object.entries(value);
    if (entries.length > max) return `at most ${max} fields`;
    for (const [name, item] of entries) {
      if (!key.test(name)) return `no field ${JSON.stringify(name.slice(0, 40))}`;
      const wrong = check(item);
      if (wrong !== null) return `${name}: ${wrong}`;
    }
    return null;
  };
}

export const id = matches(CELL_ID, 'the id of a cell');
export const commit = matches(COMMIT, 'a commit');
export const organism = matches(NAME, 'the name of an organism');
export const count = integer(0, 1_000_000_000);
export const time = integer(0, Number.MAX_SAFE_INTEGER);
const name = matches(NAME, 'a name');
const hash = matches(/^[0-9a-f]{64}$/, 'a SHA-256 in hex');
const birth = matches(/^b[0-9a-f]{10}$/, 'the id of a birth');
const stack = matches(/^[a-z0-9][a-z0-9.-]{0,100}$/, 'the name of a stack');
const recipient = matches(/^age1[a-z0-9]{1,4000}$/, 'an age recipient');
const key: Check = (value) => (isPublicKey(value) ? null : 'an Ed25519 public key');
const why = text(MAX_WHY);
const cells = integer(1, 1_000_000);
const flag: Check = (value) => (typeof value === 'boolean' ? null : 'true or false');
const mode = ['delegate', 'replicate'] as const;

const reach = shape(
  {
    address: matches(/^[A-Za-z0-9._:%-]{1,255}$/, 'an address'),
    sshPort: integer(1, 65_535),
    user: matches(/^[a-z_][a-z0-9_-]{0,31}$/, 'the name of a user'),
    root: text(4096),
    httpPort: integer(0, 65_535),
    address6: matches(/^[0-9a-f:.]{2,45}$/, 'an IPv6 address'),
  },
  ['address6'],
);
const childShape = shape({
  birth,
  id,
  name: matches(/^[a-z][a-z0-9-]{0,120}$/, 'the name of a cell'),
  key,
  hostKey: key,
  recipient,
  reach,
  cloud: name,
});
const child: Check = (value) => {
  const wrong = childShape(value);
  if (wrong !== null) return wrong;
  const { id: said, key: line } = value as { id: string; key: string };
  return cellId(line) === said ? null : 'the id that its key has';
};

/** A signed proposal: one line of JSON in the message of the commit that holds its files. */
export const proposal = shape(
  {
    v: versionOne(),
    organism,
    parent: nullOr(id),
    genome: hash,
    at: time,
    why,
    raises: listOf(oneOf('maxCells', 'maxMonthlyCost'), 2),
    maxCells: cells,
    authorities: listOf(key, MAX_AUTHORITIES),
    sealed: hash,
    author: key,
    sig: matches(/^[A-Za-z0-9+/]{86}==$/, 'a signature'),
  },
  ['maxCells', 'authorities', 'sealed'],
);

const DEEDS: Readonly<Record<DeedKind, Readonly<Record<string, Check>>>> = {
  genesis: {
    organism,
    genome: hash,
    maxCells: cells,
    functions: listOf(name, 10_000),
    key,
    recipient,
    authorities: listOf(key, MAX_AUTHORITIES),
  },
  born: { birth, parent: id, key },
  reserve: { birth, stack, function: nullOr(name), mode: oneOf(...mode), why },
  abandon: { birth, why },
  birth: { child, budget: integer(0, 1_000_000), why },
  give: { function: name, to: id, mode: oneOf(...mode, 'return') },
  drop: { function: name },
  entrust: { stack, to: id },
  weaned: { child: id },
  endow: { child: id, generation: integer(1, 9_999_999) },
  endowed: { generation: integer(1, 9_999_999) },
  lack: { why },
  wilt: { why },
  farewell: {},
  bury: { child: id },
  fence: { child: id, entries: count, why },
  order: { wilt: id, why },
  freeze: { why },
  thaw: { why },
  vote: { proposal: id, yes: flag, why },
  took: { proposal: nullOr(id), genome: hash, ok: flag, why },
  begin: { function: name },
  end: { function: name },
  grant: { cells, proposals: listOf(proposal, MAX_WARRANT) },
};
/** What an earlier version did not say. */
const OPTIONAL: { readonly [Kind in DeedKind]?: readonly string[] } = { genesis: ['authorities'] };
const DEED_SHAPES = new Map(
  (Object.keys(DEEDS) as DeedKind[]).map((kind) => [
    kind as string,
    shape({ kind: oneOf(kind), ...DEEDS[kind] }, OPTIONAL[kind]),
  ]),
);

const deed: Check = (value) => {
  const kind = (value as { kind?: unknown } | null)?.kind;
  const check = typeof kind === 'string' ? DEED_SHAPES.get(kind) : undefined;
  return check === undefined ? 'a deed of a known kind' : check(value);
};

/** Relative paths of one to three plain parts: nothing hidden, nothing that climbs. */
const FILE_PATH = /^[a-z0-9][a-z0-9._-]{0,100}(?:\/[a-z0-9][a-z0-9._-]{0,100}){0,2}$/;

export const entry = shape({
  v: versionOne(),
  organism,
  cell: id,
  seq: count,
  prev: nullOr(hash),
  at: time,
  deed,
  files: mapOf(FILE_PATH, nullOr(hash), 64),
  sig: matches(/^[A-Za-z0-9+/]{86}==$/, 'a signature'),
});

const health = oneOf('healthy', 'starting', 'unhealthy', 'unknown');
const level = oneOf('none', 'one', 'two', 'many');
const finite: Check = (value) => (Number.isFinite(value) ? null : 'a number');
export const pulse = shape({
  v: versionOne(),
  organism,
  cell: id,
  seq: time,
  at: time,
  functions: mapOf(
    NAME,
    shape({
      health,
      level,
      pressure: mapOf(/^[A-Za-z0-9_-]{1,64}$/, shape({ value: finite, low: finite, high: finite, level }), 100),
      throttle: finite,
      port: nullOr(integer(0, 65_535)),
    }),
    1_000,
  ),
  budget: count,
  links: listOf(id, 1_000),
  entries: count,
  frozen: flag,
  why,
  sig: matches(/^[A-Za-z0-9+/]{86}==$/, 'a signature'),
});

function versionOne(): Check {
  return (value) => (value === 1 ? null : 'version 1');
}
