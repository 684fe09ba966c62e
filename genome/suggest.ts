/**
 * What was probably meant: the nearest known word, or the same quantity with the unit it should have.
 */
import { closest, distance } from 'fastest-levenshtein';
import { parseDuration, parseMoney, parsePercent, parseRate, parseSize } from './units.ts';
import type { QuantityKind } from './words.ts';

/** Longer words are no typing mistakes of a key, and comparing them takes time in the square of their length. */
const MAX_WORD = 64;

/** The candidate that is a typing mistake away (about one letter in three), or undefined. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (candidates.length === 0 || word.length > MAX_WORD) return undefined;
  const lower = word.toLowerCase();
  const same = candidates.find((candidate) => candidate.toLowerCase() === lower);
  if (same !== undefined) return same;
  const found = closest(lower, candidates as string[]);
  const allowed = Math.max(1, Math.floor(Math.max(lower.length, found.length) / 3));
  // A word of one or two letters is a mistake away from everything.
  return lower.length > 2 && distance(lower, found) <= allowed ? found : undefined;
}

/** The candidate that is the least far away, however far that is. */
export function closestTo(word: string, candidates: readonly string[]): string {
  return closest(word.slice(0, MAX_WORD).toLowerCase(), candidates as string[]);
}

const SYNONYMS: Record<string, string> = {
  msec: 'ms',
  millis: 'ms',
  millisecond: 'ms',
  milliseconds: 'ms',
  sec: 's',
  secs: 's',
  second: 's',
  seconds: 's',
  min: 'm',
  mins: 'm',
  minute: 'm',
  minutes: 'm',
  hr: 'h',
  hrs: 'h',
  hour: 'h',
  hours: 'h',
  day: 'd',
  days: 'd',
  pct: '%',
  percent: '%',
  k: 'KiB',
  kb: 'kB',
  kib: 'KiB',
  m: 'MiB',
  mb: 'MB',
  mib: 'MiB',
  g: 'GiB',
  gb: 'GB',
  gib: 'GiB',
  t: 'TiB',
  tb: 'TB',
  tib: 'TiB',
  byte: 'B',
  bytes: 'B',
  b: 'B',
  $: 'USD',
  dollar: 'USD',
  dollars: 'USD',
  '€': 'EUR',
  euro: 'EUR',
  euros: 'EUR',
  '£': 'GBP',
  rps: '/s',
  'req/s': '/s',
  'per second': '/s',
  '/sec': '/s',
  '/min': '/m',
};

interface Kind {
  readonly valid: (text: string) => boolean;
  readonly units: readonly string[];
  /** What a bare number most likely stands for. */
  readonly bare: string | null;
}

const KINDS: Record<QuantityKind, Kind> = {
  duration: { valid: (text) => parseDuration(text) !== null, units: ['ms', 's', 'm', 'h', 'd'], bare: 's' },
  money: { valid: (text) => parseMoney(text) !== null, units: ['USD', 'EUR', 'GBP'], bare: 'USD' },
  percent: { valid: (text) => parsePercent(text) !== null, units: ['%'], bare: '%' },
  size: { valid: (text) => parseSize(text) !== null, units: ['B', 'kB', 'KiB', 'MB', 'MiB', 'GB', 'GiB'], bare: 'MiB' },
  bound: {
    valid: (text) => [parsePercent, parseSize, parseDuration, parseRate].some((parse) => parse(text) !== null),
    units: ['%', 'ms', 's', 'kB', 'KiB', 'MB', 'MiB', 'GB', 'GiB', '/s', '/m', '/h'],
    bare: null,
  },
};

/** `60` -> `60s`, `5 mins` -> `5m`, `512mb` -> `512MB`, `$120` -> `120 USD`; undefined when nothing is near. */
export function mendQuantity(kind: QuantityKind, found: unknown): string | undefined {
  if (typeof found !== 'string' && typeof found !== 'number') return undefined;
  const match = /^\s*([$€£]?)\s*(\d{1,12}(?:[.,]\d{1,6})?)\s*([^\d\s][^\d]{0,15})?\s*$/.exec(String(found));
  if (match === null) return undefined;
  const amount = (match[2] as string).replace(',', '.');
  const written = match[1] || match[3]?.trim();
  const { valid, units, bare } = KINDS[kind];
  const candidates = written === undefined ? [bare] : [SYNONYMS[written.toLowerCase()], nearUnit(written, units)];
  for (const unit of candidates) {
    if (unit === null || unit === undefined) continue;
    const mended = kind === 'money' ? `${amount} ${unit}` : `${amount}${unit}`;
    if (valid(mended)) return mended;
  }
  return undefined;
}

function nearUnit(written: string, units: readonly string[]): string | undefined {
  const same = units.find((unit) => unit.toLowerCase() === written.toLowerCase());
  return same ?? units.find((unit) => unit.length > 1 && distance(unit.toLowerCase(), written.toLowerCase()) === 1);
}
