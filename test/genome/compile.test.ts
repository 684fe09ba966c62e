import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile, firstCell } from '../../genome/compile.ts';
import { parseGenome } from '../../genome/parse.ts';
import type { Genome } from '../../genome/schema.ts';
import { birthId, firstBirth, stackName, stackNames } from '../../stacks/names.ts';
import { bigGenome, GARDEN, gardenGenome } from './garden.ts';

/** The same values with every mapping's keys turned around. */
function turned<T>(value: T): T {
  if (Array.isArray(value)) return value.map(turned) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, turned(member)]),
  ) as T;
}

describe('compile', () => {
  it('makes a body, and a voice for the domains of this cell', () => {
    const genome = gardenGenome();
    const [body, voice, ...rest] = compile(genome, firstCell(genome));
    const birth = firstBirth('garden');
    expect(rest).toEqual([]);
    expect(body).toMatchObject({ name: `garden-${birth}-body`, kind: 'body', cell: birth, engine: 'embedded' });
    expect(voice).toMatchObject({ name: `garden-${birth}-voice`, kind: 'voice', cell: birth });
    expect(JSON.stringify(voice)).toContain('www.garden.example.org');
    expect(body?.resources.length).toBeGreaterThan(0);
  });

  it('makes no voice for a cell whose functions have no domain', () => {
    const genome = gardenGenome();
    const who = { birth: birthId('x', 1), parent: 'x', cloud: 'near', functions: ['db'] };
    expect(compile(genome, who).map((stack) => stack.kind)).toEqual(['body']);
    expect(compile(genome, { ...who, functions: [] }).map((stack) => stack.kind)).toEqual(['body']);
  });

  it('gives the same bytes for the same input, whatever order its keys and functions are in', () => {
    const genome = gardenGenome(GARDEN.replace('    port: 7002', '    port: 7002\n    domain: db.garden.example.org'));
    const who = firstCell(genome);
    const once = JSON.stringify(compile(genome, who));
    expect(JSON.stringify(compile(structuredClone(genome), structuredClone(who)))).toBe(once);
    fc.assert(
      fc.property(fc.shuffledSubarray(Object.keys(genome.functions), { minLength: 2 }), (order) => {
        const functions = Object.fromEntries(
          order.map((name) => [name, genome.functions[name]]),
        ) as Genome['functions'];
        expect(JSON.stringify(compile(turned({ ...genome, functions }), { ...who, functions: order }))).toBe(once);
      }),
    );
  });

  it.each([1, 10, 1000])('a genome of %i functions becomes stacks in less than a second', (functions) => {
    const { genome } = parseGenome(bigGenome(functions), 'genome.yaml');
    if (genome === null) throw new Error('the big genome has findings');
    const start = performance.now();
    const stacks = compile(genome, firstCell(genome));
    expect(performance.now() - start).toBeLessThan(1000);
    expect(JSON.stringify(stacks[1]).match(/f\d+\.big\.test/g)?.length).toBeGreaterThanOrEqual(functions);
  });

  it('holds no value of a secret: only the holes that an engine fills', () => {
    const genome = gardenGenome();
    expect(JSON.stringify(compile(genome, firstCell(genome)))).toContain('{"$secret":"hostKey"}');
  });

  it.each([
    [{ cloud: 'far' }, 'the genome has no cloud `far`'],
    [{ cloud: 'constructor' }, 'the genome has no cloud `constructor`'],
    [{ functions: ['wbe'] }, 'the genome has no function `wbe`'],
  ])('%o is refused with what there is', (change, message) => {
    const genome = gardenGenome();
    expect(() => compile(genome, { ...firstCell(genome), ...change })).toThrow(message);
  });

  it('the first cell performs everything, in the cloud that is named first', () => {
    const genome = gardenGenome(GARDEN.replace('clouds:\n', 'clouds:\n  zebra: { provider: local }\n'));
    expect(firstCell(genome)).toEqual({
      birth: firstBirth('garden'),
      parent: 'seed',
      cloud: 'zebra',
      functions: ['db', 'web'],
    });
  });
});

describe('names', () => {
  it('a birth is b and ten hex digits of a hash, and so the same everywhere', () => {
    expect(birthId('garden', 0)).toMatch(/^b[0-9a-f]{10}$/);
    expect(birthId('garden', 0)).toBe(firstBirth('garden'));
    expect(birthId('garden', 1)).not.toBe(birthId('garden', 0));
  });

  it('the stacks of a cell are named by its organism, its birth and what they are', () => {
    expect(stackName('garden', 'b0123456789', 'body')).toBe('garden-b0123456789-body');
    expect(stackNames('garden', 'b0123456789')).toEqual({
      body: stackName('garden', 'b0123456789', 'body'),
      voice: stackName('garden', 'b0123456789', 'voice'),
    });
  });
});
