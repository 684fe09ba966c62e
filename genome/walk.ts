/**
 * What the schema allows at a path of a document: for the words of a finding and the near miss it offers. zod says that
 * something does not fit, and where; not what would have.
 */
import type { $ZodType, $ZodTypes } from 'zod/v4/core';
import { branchOf } from './branches.ts';
import type { Path } from './finding.ts';
import { genomeSchema } from './schema.ts';
import { type QuantityKind, quantities } from './words.ts';

export interface Allowed {
  /** Keys of a mapping with fixed keys. */
  readonly keys: readonly string[] | null;
  readonly quantity: QuantityKind | null;
}

/** @param value The document's own value, which picks the branch where the schema has several. */
export function allowedAt(path: Path, value: unknown): Allowed | null {
  const { schema: last, here } = follow(path, value);
  const schema = resolve(last, here);
  if (schema === null) return null;
  const def = (schema as $ZodTypes)._zod.def;
  return {
    keys: def.type === 'object' ? Object.keys(def.shape) : null,
    quantity: quantities.get(schema)?.kind ?? null,
  };
}

/** The branch that is meant of the union at a path, or null where there is none to choose. */
export function branchAt(path: Path, value: unknown): number | null {
  const { schema, here } = follow(path, value);
  const def = schema === null ? null : (schema as $ZodTypes)._zod.def;
  return def?.type === 'union' ? branchOf(def, here) : null;
}

/** The schema at a path, and the value there. */
function follow(path: Path, value: unknown): { readonly schema: $ZodType | null; readonly here: unknown } {
  let schema: $ZodType | null = genomeSchema;
  let here = value;
  for (const part of path) {
    const above = resolve(schema, here);
    schema = above === null ? null : step(above, part);
    here = typeof here === 'object' && here !== null ? (here as Record<string | number, unknown>)[part] : undefined;
  }
  return { schema, here };
}

function step(schema: $ZodType, part: string | number): $ZodType | null {
  const def = (schema as $ZodTypes)._zod.def;
  if (def.type === 'object') return Object.hasOwn(def.shape, part) ? (def.shape[part] ?? null) : null;
  if (def.type === 'record') return def.valueType;
  if (def.type === 'array') return def.element;
  if (def.type === 'tuple') return def.items[Number(part)] ?? null;
  return null;
}

/** Peels defaults, options and transforms off, and picks the variant of a union by its discriminator. */
function resolve(schema: $ZodType | null, value: unknown): $ZodType | null {
  if (schema === null) return null;
  const def = (schema as $ZodTypes)._zod.def;
  if (quantities.has(schema)) return schema;
  if (def.type === 'optional' || def.type === 'default' || def.type === 'prefault')
    return resolve(def.innerType, value);
  if (def.type === 'pipe') return resolve(def.in, value);
  if (def.type === 'union' && 'discriminator' in def) {
    const key = String(def.discriminator);
    const wanted = (value as Record<string, unknown> | null | undefined)?.[key];
    const fits = def.options.find((option) => option._zod.propValues?.[key]?.has(wanted as string));
    return resolve(fits ?? null, value);
  }
  if (def.type === 'union') {
    const branch = branchOf(def, value);
    return branch === null ? schema : resolve(def.options[branch] ?? null, value);
  }
  return schema;
}
