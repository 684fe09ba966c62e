/**
 * zod's issues -> problems at the key or value they are about, in words that say what would have been right.
 */
import type { $ZodError, $ZodIssue } from 'zod/v4/core';
import { flattened } from './branches.ts';
import { type Converted, type Spot, spotAt } from './convert.ts';
import { formatPath, type Path, type Problem, type Range } from './finding.ts';
import { mendQuantity, nearest } from './suggest.ts';
import { allowedAt, branchAt } from './walk.ts';

/** Values at these places may be secrets put where their source belongs: never repeated in a message. */
const DISCREET = new Set(['secrets', 'env', 'credentials']);

/** What is wrong with a value, in the branches that its author meant. */
export function issuesOf({ issues }: $ZodError, value: unknown): readonly $ZodIssue[] {
  return flattened(issues, (path) => branchAt(path as Path, value));
}

export function explain(issue: $ZodIssue, converted: Converted): Problem[] {
  const path = issue.path as Path;
  const spot = spotAt(converted.root, path);
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(path, key, converted));
  if (issue.code === 'invalid_key') return [badKey(issue, path, spot)];
  if (spot === null) return [missing(path, issue, converted)];
  const found = valueAt(converted.value, path);
  const { expected, suggestion } = wanted(issue, found, path, converted.value);
  const last = path.at(-1) ?? 'genome';
  const name = typeof last === 'number' ? formatPath(path.slice(-2)) : last;
  const empty = found === null;
  const discreet = path.some((part) => DISCREET.has(String(part)));
  const code = empty
    ? 'empty-value'
    : issue.code === 'invalid_value' || 'note' in issue
      ? 'unknown-value'
      : 'wrong-value';
  return [
    {
      severity: 'error',
      code,
      message: empty ? `\`${name}\` is empty` : `\`${name}\` cannot be ${discreet ? 'this' : show(found)}`,
      expected,
      suggestion: discreet ? undefined : suggestion,
      path,
      range: empty && spot.key !== null ? spot.key : firstLine(spot.value, found),
    },
  ];
}

function unknownKey(path: Path, key: string, converted: Converted): Problem {
  const keys = allowedAt(path, converted.value)?.keys ?? [];
  const present = valueAt(converted.value, path);
  const free = keys.filter((known) => !Object.hasOwn(present as object, known));
  const here = [...path, key];
  const place = path.length === 0 ? 'at the top' : `in ${formatPath(path)}`;
  return {
    severity: 'error',
    code: 'unknown-key',
    message: `unknown key \`${key.slice(0, 64)}\` ${place}`,
    expected: oneOf(keys),
    suggestion: nearest(key, free) ?? nearest(key, keys),
    path: here,
    range: spotAt(converted.root, here)?.key ?? [0, 1],
  };
}

function badKey(issue: Extract<$ZodIssue, { code: 'invalid_key' }>, path: Path, spot: Spot | null): Problem {
  const key = String(path.at(-1));
  const expected = strip(issue.issues[0]?.message ?? '');
  const variable = expected.includes('variable');
  const mended = variable
    ? key.toUpperCase().replace(/[^A-Z0-9_]+/g, '_')
    : key
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, '-')
        .replace(/^[-0-9]+|-+$/g, '');
  const fits = (variable ? /^[A-Z_][A-Z0-9_]*$/ : /^[a-z][a-z0-9-]{0,31}$/).test(mended);
  const range = spot?.key ?? [0, 1];
  const suggestion = fits ? mended : undefined;
  return {
    severity: 'error',
    code: 'wrong-name',
    message: `\`${key.slice(0, 64)}\` cannot be a name here`,
    expected,
    suggestion,
    path,
    range,
  };
}

/** Shown at the key of what it is missing from, or at the top. */
function missing(path: Path, issue: $ZodIssue, converted: Converted): Problem {
  const parent = path.slice(0, -1);
  const spot = spotAt(converted.root, parent);
  const range: Range = spot?.key ?? (parent.length === 0 || spot === null ? [0, 1] : firstLine(spot.value, {}));
  const place = parent.length === 0 ? 'the genome' : formatPath(parent);
  return {
    severity: 'error',
    code: 'missing-key',
    message: `\`${formatPath(path.slice(-1))}\` is missing from ${place}`,
    expected: 'note' in issue ? wanted(issue, undefined, path, converted.value).expected : undefined,
    path,
    range,
  };
}

/** What zod expected, in words; and the likely value. */
function wanted(
  issue: $ZodIssue,
  found: unknown,
  path: Path,
  root: unknown,
): { expected?: string; suggestion?: string } {
  const expected = expectation(issue);
  const quantity = allowedAt(path, root)?.quantity ?? null;
  const mended = quantity === null ? undefined : mendQuantity(quantity, found);
  const options = optionsOf(issue);
  const near = options !== null && typeof found === 'string' ? nearest(found, options) : undefined;
  const suggestion = mended ?? near ?? retyped(issue, found);
  return { ...(expected === undefined ? {} : { expected }), ...(suggestion === undefined ? {} : { suggestion }) };
}

function optionsOf(issue: $ZodIssue): string[] | null {
  if (issue.code === 'invalid_value') return issue.values.map(String);
  if (issue.code === 'invalid_union' && 'options' in issue) return (issue.options as unknown[]).map(String);
  return null;
}

function expectation(issue: $ZodIssue): string | undefined {
  if (issue.message.startsWith('expected ')) return strip(issue.message);
  const options = optionsOf(issue);
  if (options !== null) return oneOf(options);
  if (issue.code === 'invalid_type') return TYPES[issue.expected] ?? issue.expected;
  if (issue.code === 'too_small')
    return issue.origin === 'array' ? `${issue.minimum} values` : `at least ${issue.minimum}`;
  if (issue.code === 'too_big')
    return issue.origin === 'array' ? `${issue.maximum} values` : `at most ${issue.maximum}`;
  return issue.message;
}

const TYPES: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a mapping (key: value)',
  record: 'a mapping (name: …)',
  array: 'a list ([a, b])',
  tuple: 'a list ([low, high])',
};

/** `"3"` where a number belongs, `5` where text does. */
function retyped(issue: $ZodIssue, found: unknown): string | undefined {
  if (issue.code !== 'invalid_type') return undefined;
  if (issue.expected === 'number' && typeof found === 'string' && /^\d{1,9}$/.test(found)) return found;
  if (issue.expected === 'string' && (typeof found === 'number' || typeof found === 'boolean')) return `"${found}"`;
  return undefined;
}

function show(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a mapping';
  const text = typeof value === 'string' ? value : String(value);
  if (text === '') return 'empty text';
  // Text that looks like something else is shown as what it is.
  if (typeof value === 'string' && /^(?:[\d.+-]+|true|false|null)$/.test(text)) return `"${text}"`;
  const line = text.split('\n')[0] as string;
  return `\`${line.length > 60 || line !== text ? `${line.slice(0, 60)}…` : text}\``;
}

/** A whole block would be underlined to the end of its first line: only its beginning is. */
function firstLine(range: Range, found: unknown): Range {
  return typeof found === 'object' && found !== null && range[1] - range[0] > 80 ? [range[0], range[0] + 1] : range;
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

function oneOf(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

const strip = (message: string) => message.replace(/^expected /, '');
