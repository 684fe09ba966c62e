import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { jsonSchemaText } from '../../genome/json-schema.ts';
import { parseDuration, parseMoney, parsePercent, parseSize } from '../../genome/units.ts';

type Node = { [key: string]: unknown };
const schema = JSON.parse(jsonSchemaText()) as Node;

/** Every field below, with its path. */
function* fields(node: Node, path = ''): Generator<[string, Node]> {
  for (const [key, field] of Object.entries((node.properties ?? {}) as Record<string, Node>)) {
    yield [`${path}.${key}`, field];
    yield* fields(field, `${path}.${key}`);
  }
  for (const inner of [node.additionalProperties, node.items, ...((node.oneOf ?? []) as Node[])]) {
    if (typeof inner === 'object' && inner !== null) yield* fields(inner as Node, `${path}.*`);
  }
}

describe('the JSON Schema for editors', () => {
  it('is current: `node genome/schema.main.ts` writes it', () => {
    expect(readFileSync(join(import.meta.dirname, '../../genome/genome.schema.json'), 'utf8')).toBe(jsonSchemaText());
  });

  it('describes every field', () => {
    const all = [...fields(schema)];
    expect(all.length).toBeGreaterThan(50);
    expect(all.filter(([, field]) => typeof field.description !== 'string').map(([path]) => path)).toEqual([]);
  });

  it('knows no keys but its own, as the program does', () => {
    const objects = [...fields(schema)].map(([, field]) => field).filter((field) => 'properties' in field);
    expect(objects.filter((object) => object.additionalProperties !== false)).toEqual([]);
  });

  it('has patterns that take what the program takes', () => {
    const pattern = (path: string) =>
      new RegExp(String([...fields(schema)].find(([name]) => name === path)?.[1].pattern), 'u');
    const samples = [
      '60s',
      '1.5h',
      '5',
      '120 USD',
      '4.5 EUR',
      '40%',
      '512MiB',
      '7 d',
      ' 5s ',
      '5 mins',
      '',
      '-1s',
      '$5',
      '5.123 USD',
    ];
    for (const text of samples) {
      expect(pattern('.body.heartbeat').test(text), text).toBe(parseDuration(text) !== null);
      expect(pattern('.body.maxMonthlyCost').test(text), text).toBe(parseMoney(text) !== null);
      expect(pattern('.healing.maxUnhealthy').test(text), text).toBe(parsePercent(text) !== null);
    }
    expect(parseSize('512MiB')).toBe(2 ** 29);
  });
});
