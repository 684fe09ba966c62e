/** What whoever approves a changed genome is told. */
import { describe, expect, test } from 'vitest';
import { parseGenome } from '../genome/parse.ts';
import type { Genome } from '../genome/schema.ts';
import { boundWarnings, cellPlans, warningsOf } from '../src/foresee.ts';
import { birthOf } from './decide/feeds.ts';
import { gardenAfter } from './genome/garden.ts';

function genomeAfter(changes: Parameters<typeof gardenAfter>[0]): Genome {
  const { genome, findings } = parseGenome(gardenAfter(changes), 'genome.yaml');
  if (genome === null) throw new Error(JSON.stringify(findings));
  return genome;
}

const before = genomeAfter({});
const [name = ''] = Object.keys(before.functions);

test.each([
  ['nothing', {}, []],
  ['a higher limit', { 'body.maxCells': 9 }, [/maxCells is raised: apply it with --raise-limits/]],
  ['more money', { 'body.maxMonthlyCost': '900 USD' }, [/maxMonthlyCost is raised/]],
  ['a package', { [`functions.${name}.packages`]: ['redis'] }, [/needs redis: .* say no until it is installed/]],
  [
    'a secret',
    { [`functions.${name}.secrets`]: { TOKEN: 'env:TOKEN' } },
    [/asks for the secret TOKEN from env:TOKEN: apply it where that can be had/],
  ],
])('%s', (_, changes, expected) => {
  const found = warningsOf(before, genomeAfter(changes));
  expect(found).toHaveLength(expected.length);
  for (const [index, pattern] of expected.entries()) expect(found[index]).toMatch(pattern);
});

test('a cloud that no cell has a credential for', () => {
  const far = Object.assign({}, before.clouds.near!, { credentials: 'file:key' });
  const [warning, ...more] = warningsOf(before, { ...before, clouds: { ...before.clouds, far } });
  expect(warning).toMatch(/clouds.far is new, and no cell makes a machine there until it has a credential/);
  expect(more).toEqual([]);
});

describe('what cells do', () => {
  const cell = (id: string, functions: readonly string[]) => ({
    ...birthOf(id),
    ...{ parent: 'S', state: 'living' as const, bornAt: 0, budget: 0, attempts: [], weaned: true, why: '', functions },
  });
  const lineage = {
    cells: { A: cell('A', [name]), B: cell('B', []) },
    maxCells: before.body.maxCells,
    mint: 'B',
    seederAttempts: [],
    homes: Object.fromEntries(Object.keys(before.functions).map((one) => [one, ['A']])),
  };
  const carried = (genome: Genome) => ({ genome, files: [] });

  test('only what runs otherwise is started anew', () => {
    const env = genomeAfter({ [`functions.${name}.env`]: { COLOUR: 'green' } });
    expect(cellPlans(lineage, carried(before), carried(env)).map(({ does }) => does)).toEqual([
      [`starts ${name} anew`],
      ['takes the genome in; nothing is started anew'],
    ]);
    const ttl = genomeAfter({ 'dns.ttl': '1s' });
    expect(cellPlans(lineage, carried(before), carried(ttl))[0]?.does).toEqual([
      'takes the genome in; nothing is started anew',
    ]);
  });

  test('a file that a function carries starts it anew, one beside it does not', () => {
    const source = { ...before, functions: { [name]: { ...before.functions[name]!, source: './app' } } };
    const files = (path: string, text: string) => [{ path, mode: 0o644, content: Buffer.from(text) }];
    const does = (path: string) => {
      const [was, will] = [files(path, 'a'), files(path, 'b')].map((list) => ({ genome: source, files: list }));
      return cellPlans(lineage, was!, will!)[0]?.does[0];
    };
    expect(does('app/main.js')).toBe(`starts ${name} anew`);
    expect(does('apple/main.js')).toMatch(/nothing is started anew/);
  });

  test('a higher limit is more budget for the one cell that may take it up, once', () => {
    const more = genomeAfter({ 'body.maxCells': before.body.maxCells + 2 });
    const [, holder] = cellPlans(lineage, carried(before), carried(more));
    expect(holder?.does).toEqual([
      `gets a budget of 2 more once every cell runs it: up to ${more.body.maxCells} cells`,
    ]);
    const [, same] = cellPlans({ ...lineage, maxCells: more.body.maxCells }, carried(before), carried(more));
    expect(same?.does).toEqual(['takes the genome in; nothing is started anew']);
    expect(boundWarnings(lineage, more)).toEqual([]);
    expect(boundWarnings({ ...lineage, mint: 'S' }, more)).toEqual([expect.stringMatching(/first cell is gone/)]);
  });

  test('a limit that is lower than there are cells ends none', () => {
    const [warning, ...rest] = boundWarnings(lineage, { ...before, body: { ...before.body, maxCells: 1 } });
    expect(warning).toMatch(/maxCells is 1, and there are 2: none divides, and none has to go/);
    expect(rest).toEqual([]);
  });

  test('new functions begin at the first, what is gone ends where it is', () => {
    const other = { ...before, functions: { other: before.functions[name]! } };
    expect(cellPlans(lineage, carried(before), carried(other))).toEqual([
      { name: 'A', does: [`ends ${name}`] },
      { name: 'B', does: ['takes the genome in; nothing is started anew'] },
      { name: 'the first to take it in', does: ['begins other'] },
    ]);
  });
});
