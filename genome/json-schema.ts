/** The schema as JSON Schema, for completion and checks in editors. Written to genome.schema.json by schema.main.ts. */
import { z } from 'zod';
import { genomeSchema } from './schema.ts';
import { type QuantityKind, quantities } from './words.ts';

const NUMBER = '\\d+(?:\\.\\d+)?\\s*';
/** What units.ts parses, as patterns that an editor can check. */
const PATTERNS: Record<QuantityKind, string> = {
  duration: `^\\s*${NUMBER}(?:ms|s|m|h|d)\\s*$`,
  money: '^\\s*\\d+(?:\\.\\d{1,2})?\\s*[A-Z]{3}\\s*$',
  percent: `^\\s*${NUMBER}%\\s*$`,
  size: `^\\s*${NUMBER}(?:B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)\\s*$`,
  bound: `^\\s*${NUMBER}(?:%|ms|s|m|h|d|B|kB|MB|GB|TB|KiB|MiB|GiB|TiB|/s|/m|/h)\\s*$`,
};

/** The text of genome.schema.json. The same schema gives the same text. */
export function jsonSchemaText(): string {
  const schema = z.toJSONSchema(genomeSchema, {
    io: 'input',
    override({ zodSchema, jsonSchema }) {
      // zod's word for `startsWith`, which no validator knows; the pattern beside it says the same.
      if (jsonSchema.format === 'starts_with') delete jsonSchema.format;
      const quantity = quantities.get(zodSchema);
      if (quantity === undefined) return;
      const text = jsonSchema.anyOf?.find((option) => typeof option === 'object' && option.type === 'string');
      Object.assign(text ?? jsonSchema, { pattern: PATTERNS[quantity.kind] });
    },
  });
  const { $schema, ...rest } = schema;
  return `${JSON.stringify({ $schema, title: 'The genome of an organism', ...rest }, null, 2)}\n`;
}
