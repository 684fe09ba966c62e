/**
 * Which values of a resource are secret, and how they are kept out of messages.
 *
 * The unit is a top-level key: what is secret anywhere inside it is encrypted as a whole.
 */
import { CellError, messageOf } from '../../src/errors.ts';
import type { Inputs, ResourceHandler } from '../handler.ts';
import type { Json } from '../stack.ts';
import { stringsIn } from './json.ts';

/** Shorter texts are found in everything by accident; a secret of three letters is none. */
const SHORTEST = 4;

/** The secret keys among the inputs: those the program marked, and those the handler says are secret. */
export function secretInputs(handler: ResourceHandler, inputs: Inputs, marked: Iterable<string>): readonly string[] {
  return [...new Set([...handler.secretInputs, ...marked])].filter((key) => Object.hasOwn(inputs, key)).sort();
}

/** The secret keys among the outputs: of the same name as a secret input, said by the handler, or holding its text. */
export function secretOutputs(
  handler: ResourceHandler,
  outputs: Inputs,
  inputs: Inputs,
  secretInputKeys: readonly string[],
): readonly string[] {
  const names = new Set([...handler.secretInputs, ...secretInputKeys]);
  const texts = textsOf(inputs, secretInputKeys);
  const holds = (value: Json | undefined) =>
    stringsIn(value).some((text) => texts.some((secret) => text.includes(secret)));
  return Object.keys(outputs)
    .filter((key) => names.has(key) || holds(outputs[key]))
    .sort();
}

/** The texts that must not be shown, of the values at these keys. */
export function textsOf(values: Inputs, keys: readonly string[]): readonly string[] {
  return keys.flatMap((key) => stringsIn(values[key])).filter((text) => text.length >= SHORTEST);
}

/** The texts in credentials that must not be shown: a bare string, and what is kept under a telling name. */
export function textsOfCredentials(credentials: Json | undefined): readonly string[] {
  if (credentials === null || typeof credentials !== 'object') return stringsIn(credentials);
  return Object.entries(credentials)
    .flatMap(([key, value]: [string, Json]) => {
      if (value !== null && typeof value === 'object') return textsOfCredentials(value);
      return /key|token|secret|password|passphrase/i.test(key) ? stringsIn(value) : [];
    })
    .filter((text) => text.length >= SHORTEST);
}

/** The text without the secrets, also where they stand escaped as in JSON. Longest first, as one may hold another. */
function redact(text: string, secrets: readonly string[]): string {
  const forms = secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), secret.trim()]);
  const longestFirst = [...new Set(forms)]
    .filter((form) => form.length >= SHORTEST)
    .sort((a, b) => b.length - a.length);
  return longestFirst.reduce((rest, form) => rest.replaceAll(form, '[secret]'), text);
}

/** A copy of what was thrown, and of its causes, without the secrets: safe to print with `--debug`. */
export function redacted(thrown: unknown, secrets: readonly string[], depth = 0): Error {
  const clean = (text: string) => redact(text, secrets);
  const cause = thrown instanceof Error && thrown.cause !== undefined && depth < 8;
  const details = cause ? { cause: redacted(thrown.cause, secrets, depth + 1) } : {};
  let copy: Error;
  if (thrown instanceof CellError) {
    copy = new CellError(thrown.code, clean(thrown.message), {
      ...details,
      ...(thrown.why === undefined ? {} : { why: clean(thrown.why) }),
      ...(thrown.suggestion === undefined ? {} : { suggestion: clean(thrown.suggestion) }),
      fields: thrown.fields,
    });
  } else {
    copy = new Error(clean(messageOf(thrown)), details);
  }
  if (thrown instanceof Error && thrown.stack !== undefined) copy.stack = clean(thrown.stack);
  return copy;
}
