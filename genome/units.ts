/**
 * Quantities with units, parsed strictly: a number, an optional fraction and a unit, nothing else.
 *
 * Canonical forms: durations in milliseconds, sizes in bytes, percentages 0 to 100, money in cents, rates per second.
 */

const QUANTITY = /^(\d+(?:\.\d+)?)\s*([A-Za-z%/]+)$/;

const DURATION: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZE: Record<string, number> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};
const RATE: Record<string, number> = { '/s': 1, '/m': 1 / 60, '/h': 1 / 3600 };

function quantity(text: string, units: Record<string, number>): number | null {
  const match = QUANTITY.exec(text.trim());
  const unit = match?.[2];
  if (match === null || unit === undefined || !Object.hasOwn(units, unit)) return null;
  return Number(match[1]) * (units[unit] as number);
}

/** `90s`, `1.5h`, `250ms` -> milliseconds (whole), or null. */
export function parseDuration(text: string): number | null {
  const ms = quantity(text, DURATION);
  return ms === null ? null : Math.round(ms);
}

/** `512MiB`, `1GB` -> bytes (whole), or null. */
export function parseSize(text: string): number | null {
  const bytes = quantity(text, SIZE);
  return bytes === null ? null : Math.round(bytes);
}

/** `80%` -> 80, or null. May pass 100: two busy cores are 200% of one. */
export function parsePercent(text: string): number | null {
  return quantity(text, { '%': 1 });
}

/** `120/s`, `30/m` -> per second, or null. */
export function parseRate(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*(\/[smh])$/.exec(text.trim());
  return match === null ? null : Number(match[1]) * (RATE[match[2] as string] as number);
}

/** `120 USD`, `4.50 EUR` -> cents and currency, or null. */
export function parseMoney(text: string): { cents: number; currency: string } | null {
  const match = /^(\d+(?:\.\d{1,2})?)\s*([A-Z]{3})$/.exec(text.trim());
  return match === null ? null : { cents: Math.round(Number(match[1]) * 100), currency: match[2] as string };
}

/** Milliseconds as people write them: `90s` stays `90s`, `120000` becomes `2m`. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const size = DURATION[unit] as number;
    if (ms >= size && ms % size === 0 && !(unit === 'm' && ms < 120_000)) return `${ms / size}${unit}`;
  }
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)}s` : `${Math.round(ms)}ms`;
}

/** Cents as people write them: `1250` USD becomes `12.50 USD`. */
export function formatMoney(cents: number, currency: string): string {
  return `${(cents / 100).toFixed(2)} ${currency}`;
}
