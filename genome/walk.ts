/**
 * What the schema allows at a path of a document: for the words of a finding and the near miss it offers. zod says that
 * something does not fit, and where; not what would have.
 */
import type { $ZodType, $ZodTypes } from 'zod/v4/core';
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
  let schema: $ZodType | null = resolve(genomeSchema, value);
  let here: unknown = value;
  for (const part of path) {
    here = typeof here === 'object' && here !== null ? (here as Record<string | number, unknown>)[part] : undefined;
    schema = schema === null ? null : resolve(step(schema, part), here);
  }
  if (schema === null) return null;
  const def = (schema as $ZodTypes)._zod.def;
  return {
    keys: def.type === 'object' ? Object.keys(def.shape) : null,
    quantity: quantities.get(schema)?.kind ?? null,
  };
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
  return schema;
}
