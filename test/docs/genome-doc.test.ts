/** docs/genome.md names every field of the schema with its default, and no other; its example is a genome. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { jsonSchemaText } from '../../genome/json-schema.ts';
import { inspectGenome } from '../../genome/read.ts';
import { parseTranscript } from './transcript.ts';

interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: Node | boolean;
  readonly items?: Node | readonly Node[];
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
  readonly required?: readonly string[];
  readonly default?: unknown;
  readonly const?: unknown;
}

const DOC = readFileSync(join(import.meta.dirname, '../../docs/genome.md'), 'utf8');

/**
 * Every field by its path, with what a table should say of its default. Fields of one provider only stand under it:
 * `nspawn clouds.NAME.image`.
 */
function fieldsOf(node: Node, path: string, under = '', found = new Map<string, string>()): Map<string, string> {
  for (const option of [...(node.anyOf ?? []), ...(node.oneOf ?? [])]) {
    const provider = option.properties?.provider?.const;
    fieldsOf(option, path, provider === undefined ? under : `${provider} `, found);
  }
  for (const [key, value] of Object.entries(node.properties ?? {})) {
    const at = path === '' ? key : `${path}.${key}`;
    const needed = value.default === undefined && node.required?.includes(key) === true;
    found.set(under + at, needed ? 'needed' : value.default === undefined ? 'none' : `\`${shown(value.default)}\``);
    fieldsOf(value, at, under, found);
  }
  // One provider of DNS has the same fields as each of several by name.
  if (path === 'dns') return found;
  if (typeof node.additionalProperties === 'object') fieldsOf(node.additionalProperties, `${path}.NAME`, under, found);
  if (node.items !== undefined && !Array.isArray(node.items)) fieldsOf(node.items as Node, path, under, found);
  return found;
}

/** What the tables say, by the same paths: a heading such as `### clouds: nspawn` tells the provider. */
function documentedFields(): Map<string, string> {
  const found = new Map<string, string>();
  let under = '';
  for (const line of DOC.split('\n')) {
    const heading = /^#+ (?:(?:clouds|dns): ([a-z0-9]+))?/.exec(line);
    if (heading !== null) under = heading[1] === undefined ? '' : `${heading[1]} `;
    const [, path, value] = /^\| `([A-Za-z0-9.]+)` \| [^|]*\| ([^|]*) \| (?=[^|]{4,})/.exec(line) ?? [];
    if (path !== undefined && value !== undefined) found.set(under + path, value.trim());
  }
  return found;
}

const shown = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

test('every field is in a table with its default, and nothing else is', () => {
  const documented = documentedFields();
  const fields = fieldsOf(JSON.parse(jsonSchemaText()) as Node, '');
  expect(fields.size).toBeGreaterThan(60);
  expect(Object.fromEntries([...documented].sort())).toEqual(Object.fromEntries([...fields].sort()));
});

test('the example is a genome without a finding', async () => {
  const example = parseTranscript(DOC).find((step) => step.kind === 'file');
  const folder = mkdtempSync(join(tmpdir(), 'cell-doc-'));
  try {
    const file = join(folder, 'genome.yaml');
    writeFileSync(file, example?.text ?? '');
    const { genome, findings } = await inspectGenome(file);
    expect(findings).toEqual([]);
    expect(genome?.functions.web?.needs).toEqual({ store: 'own' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the genome in README.md is one', async () => {
  const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
  const folder = mkdtempSync(join(tmpdir(), 'cell-doc-'));
  try {
    mkdirSync(join(folder, 'functions'));
    const file = join(folder, 'genome.yaml');
    writeFileSync(file, /```yaml\n([\s\S]*?)```/.exec(readme)?.[1] ?? '');
    expect(await inspectGenome(file)).toMatchObject({ findings: [], genome: { organism: 'small' } });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
