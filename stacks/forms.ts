/**
 * Forms: how a value is written once its holes are filled, where a provider wants it otherwise than it is said in a plan.
 */
import { isIPv6 } from 'node:net';
import type { Json } from './stack.ts';

type Write = (value: Json) => Json;

const FORMS: Readonly<Record<string, Write>> = {
  /** Ids are texts, and some providers take those of others as numbers. */
  $number: Number,
  /** Those that are not empty, in order. */
  $list: (value) => (value as readonly string[]).filter((part) => part !== '').sort(),
  /** Parts of a text, one after the other; lists with commas. */
  $text: (value) => (value as readonly Json[]).map(String).join(''),
  /** The type of the record that says an address. */
  $recordType: (value) => (isIPv6(String(value)) ? 'AAAA' : 'A'),
  $base64: (value) => Buffer.from(String(value)).toString('base64'),
  /** For cloud-init, whose YAML has all of JSON in it. */
  $cloudConfig: (value) => `#cloud-config\n${JSON.stringify(value, null, 1)}\n`,
};

/** The value inside of a form and how it is to be written, or null for what is none. */
export function formOf(value: Json): { readonly of: Json; readonly write: Write } | null {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null;
  const [entry, ...more] = Object.entries(value);
  if (entry === undefined || more.length > 0 || !Object.hasOwn(FORMS, entry[0])) return null;
  return { of: entry[1], write: FORMS[entry[0]] as Write };
}
