/** Comparing plain data: by its canonical text, keys sorted. */
import type { Inputs } from '../handler.ts';
import type { Json } from '../stack.ts';

/** The same text for the same value, whatever the order of its keys. An absent value is not null. */
export function canonical(value: Json | undefined): string {
  if (value === undefined) return 'undefined';
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const keys = Object.keys(value).sort();
  const object = value as Inputs;
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(object[key])}`).join(',')}}`;
}

/** The top-level keys whose values differ, sorted. */
export function keysThatDiffer(before: Inputs, after: Inputs): readonly string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].filter((key) => canonical(before[key]) !== canonical(after[key])).sort();
}

/** Every string in a value. */
export function stringsIn(value: Json | undefined): readonly string[] {
  if (typeof value === 'string') return [value];
  if (value === null || value === undefined || typeof value !== 'object') return [];
  return Object.values(value).flatMap((part: Json) => stringsIn(part));
}
