/**
 * Writes genome.schema.json from the schema; with `--check` says whether it is current, and ends with 1 when it is not.
 *
 *   node genome/schema.main.ts [--check]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jsonSchemaText } from './json-schema.ts';

const file = join(import.meta.dirname, 'genome.schema.json');
const text = jsonSchemaText();

if (!process.argv.includes('--check')) writeFileSync(file, text);
else if (readCurrent() !== text) {
  console.error('genome/genome.schema.json is not what genome/schema.ts says: run `node genome/schema.main.ts`');
  process.exitCode = 1;
}

function readCurrent(): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
