import { describe, expect, it } from 'vitest';
import { parseGenome } from '../../genome/parse.ts';
import { findingsIn, GARDEN, gardenWith } from './garden.ts';

describe('a genome that is right', () => {
  it('has no findings, and its quantities are parsed', () => {
    const { genome, findings } = parseGenome(GARDEN, 'genome.yaml');
    expect(findings).toEqual([]);
    expect(genome?.body).toEqual({
      maxCells: 4,
      maxMonthlyCost: { cents: 12_000, currency: 'USD' },
      heartbeat: 60_000,
      schedule: 'auto',
      stemCells: 0,
    });
    expect(genome?.functions.web?.pressure.cpu?.bounds[1]).toEqual({ kind: 'percent', value: 80 });
  });
});

/** The part of the garden, what it becomes, and the finding at that line. */
const SHAPES: readonly (readonly [
  what: string,
  part: string,
  becomes: string,
  code: string,
  underlined: string,
  suggestion: string | undefined,
])[] = [
  ['an unknown key at the top', 'zone:', 'zonne:', 'unknown-key', 'zonne', 'zone'],
  ['an unknown key in a section', 'heartbeat:', 'hartbeat:', 'unknown-key', 'hartbeat', 'heartbeat'],
  ['an unknown key in a cloud', 'monthly:', 'montly:', 'unknown-key', 'montly', 'monthly'],
  ['an unknown key in a function', '    throttle:', '    throtle:', 'unknown-key', 'throtle', 'throttle'],
  ['an unknown key in a measure', 'path:', 'pth:', 'unknown-key', 'pth', 'path'],
  ['an unknown key that is near nothing', '    data:', '    quux:', 'unknown-key', 'quux', undefined],
  ['a near miss of a word', 'divide: delegate', 'divide: delgate', 'unknown-value', 'delgate', 'delegate'],
  ['another near miss of a word', 'divide: delegate', 'divide: replcate', 'unknown-value', 'replcate', 'replicate'],
  [
    'a provider that is not known',
    'provider: local, monthly',
    'provider: lcal, monthly',
    'unknown-value',
    'lcal',
    'local',
  ],
  ['a need of a kind that is not known', 'db: shared', 'db: shard', 'unknown-value', 'shard', 'shared'],
  ['a duration without a unit', 'heartbeat: 60s', 'heartbeat: 60', 'wrong-value', '60', '60s'],
  ['a duration with an unknown unit', 'heartbeat: 60s', 'heartbeat: 5 mins', 'wrong-value', '5 mins', '5m'],
  ['money before its number', '120 USD', '$120', 'wrong-value', '$120', '120 USD'],
  ['a currency in small letters', '120 USD', '120 usd', 'wrong-value', '120 usd', '120 USD'],
  ['a percentage without its sign', 'maxUnhealthy: 40%', 'maxUnhealthy: 40', 'wrong-value', '40', '40%'],
  ['a bound with a near miss of a unit', '[5%, 80%]', '[5%, 80 percent]', 'wrong-value', '80 percent', '80%'],
  ['a number in quotes', 'maxCells: 4', 'maxCells: "4"', 'wrong-value', '"4"', '4'],
  ['a number where text belongs', 'run: node db.js', 'run: 5', 'wrong-value', '5', '"5"'],
  ['more cells than there may be', 'maxCells: 4', 'maxCells: 4000', 'wrong-value', '4000', undefined],
  ['a port out of range', 'port: 7002', 'port: 80', 'wrong-value', '80', undefined],
  ['a name in capitals', 'organism: garden', 'organism: Garden', 'wrong-value', 'Garden', undefined],
  ['a function with a name that cannot be one', '  db:', '  Db_1:', 'wrong-name', 'Db_1', 'db-1'],
  ['a missing bound', '[5, 100]', '[5]', 'wrong-value', '[5]', undefined],
  ['an empty section', 'dns: { provider: local, ttl: 5s }', 'dns:', 'empty-value', 'dns', undefined],
  ['a list where a mapping belongs', 'health: { command: ./check }', 'health: [a]', 'wrong-value', '[a]', undefined],
  ['a health path that is none', 'http: /health', 'http: health', 'wrong-value', 'health', undefined],
];

describe('what does not fit the schema', () => {
  it.each(SHAPES)('%s is found at its place', (_, part, becomes, code, underlined, suggestion) => {
    const text = gardenWith(part, becomes);
    const line = text.slice(0, GARDEN.indexOf(part) + (part.length - part.trimStart().length)).split('\n').length;
    const found = findingsIn(text).find((finding) => finding.code === code && finding.line === line);
    expect(found).toMatchObject({ severity: 'error', sourceLine: text.split('\n')[line - 1] });
    expect(found?.sourceLine.slice(found.column - 1, found.column - 1 + found.length)).toBe(underlined);
    expect(found?.suggestion).toBe(suggestion);
    expect(parseGenome(text, 'genome.yaml').genome).toBeNull();
  });

  it('a missing key is found at the key that should hold it', () => {
    const text = gardenWith('    run: node db.js\n', '');
    expect(findingsIn(text)).toMatchObject([
      { code: 'missing-key', line: text.split('\n').indexOf('  db:') + 1, column: 3, length: 2 },
    ]);
  });

  it('all findings are told at once, those of the cross-field checks among them', () => {
    const text = gardenWith('divide: delegate', 'divide: delgate')
      .replace('heartbeat: 60s', 'heartbeat: 60')
      .replace('port: 7002', 'port: 7001')
      .replace('domain: www.garden', 'domain: www.gardn');
    expect(findingsIn(text).map((finding) => finding.code)).toEqual([
      'wrong-value',
      'domain-outside-zone',
      'unknown-value',
      'port-taken',
    ]);
  });

  it('nothing is concluded from what could not be read', () => {
    expect(findingsIn(gardenWith('zone: garden.example.org', 'zone: GARDEN')).map((finding) => finding.code)).toEqual([
      'wrong-value',
    ]);
    expect(findingsIn(gardenWith('suspectAfter: 3m', 'suspectAfter: 3')).map((finding) => finding.code)).toEqual([
      'wrong-value',
    ]);
    expect(findingsIn(gardenWith('[5%, 80%]', '[80%, x]')).map((finding) => finding.code)).toEqual(['wrong-value']);
  });
});
