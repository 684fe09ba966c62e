import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseGenome } from '../../genome/parse.ts';
import { renderFindings } from '../../genome/print.ts';
import { bigGenome, findingsIn, GARDEN, gardenWith } from './garden.ts';

const MIB = 1024 * 1024;
/** What is promised, in ms of this thread's own time: the clock on the wall also counts what else the machine does. */
const SECOND = 1000;

function parsed(text: string) {
  const start = process.threadCpuUsage();
  const { genome, findings } = parseGenome(text, 'genome.yaml');
  const { user, system } = process.threadCpuUsage(start);
  return { genome, findings, took: (user + system) / 1000 };
}

/** A busy computer is slower for all: what it takes for a good genome of a thousand functions counts thrice. */
let within = SECOND;
beforeAll(() => {
  within = Math.max(SECOND, 3 * parsed(bigGenome(1000)).took);
});

function answers(text: string) {
  const { genome, findings, took } = parsed(text);
  expect(took).toBeLessThan(within);
  expect(genome === null).toBe(findings.some((finding) => finding.severity === 'error'));
  for (const finding of findings.slice(0, 5)) {
    expect(finding.line).toBeGreaterThan(0);
    expect(finding.column).toBeGreaterThan(0);
    expect(finding.length).toBeGreaterThan(0);
    expect(finding.sourceLine.length).toBeLessThanOrEqual(400);
    expect(finding.sourceColumn).toBeLessThanOrEqual(finding.sourceLine.length + 1);
  }
  renderFindings(findings.slice(0, 20), { colour: false });
  return findings;
}

const letter = (index: number) => String.fromCharCode(97 + index);
const bomb = [
  'a: &a [x, x, x, x, x, x, x, x, x]',
  ...Array.from(
    { length: 20 },
    (_, i) =>
      `${letter(i + 1)}: &${letter(i + 1)} [${Array(9)
        .fill(`*${letter(i)}`)
        .join(', ')}]`,
  ),
].join('\n');

/** Each with the code of its first finding. */
const HOSTILE: readonly (readonly [what: string, text: string, code: string])[] = [
  ['ten megabytes of letters', 'a'.repeat(10 * MIB), 'too-large'],
  ['ten megabytes of good genome', `${GARDEN}${'# more\n'.repeat((10 * MIB) / 7)}`, 'too-large'],
  ['a hundred thousand open brackets', '['.repeat(100_000), 'too-deep'],
  ['a megabyte of open braces', '{a: '.repeat(MIB / 4), 'too-deep'],
  ['a megabyte of list items in each other', '- '.repeat(MIB / 2), 'too-deep'],
  ['a megabyte of question marks', '? '.repeat(MIB / 2), 'too-deep'],
  ['mappings a thousand deep', Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:\n`).join(''), 'too-deep'],
  ['ninety thousand keys', Array.from({ length: 90_000 }, (_, i) => `k${i}: 1\n`).join(''), 'too-large'],
  [
    'thirty thousand wrong functions',
    `functions:\n${Array.from({ length: 30_000 }, (_, i) => `  k${i}: 1\n`).join('')}`,
    'missing-key',
  ],
  ['one key thirty thousand times', 'a: 1\n'.repeat(30_000), 'missing-key'],
  ['a megabyte of documents', '---\n'.repeat(MIB / 4), 'too-large'],
  ['a megabyte of empty lines', '\n'.repeat(MIB), 'too-large'],
  ['a megabyte of spaces', ' '.repeat(MIB), 'empty'],
  ['a megabyte of anchors', '&a '.repeat(MIB / 3), 'too-large'],
  ['a megabyte of aliases', '- *a\n'.repeat(30_000), 'too-large'],
  ['a megabyte of tags', '! '.repeat(MIB / 2), 'too-large'],
  ['a megabyte of quotation marks', '"'.repeat(MIB), 'too-large'],
  ['a megabyte of commas', `[${','.repeat(MIB - 2)}]`, 'syntax'],
  ['a megabyte of closing brackets', ']'.repeat(MIB), 'syntax'],
  ['a megabyte in one list', `[${'a, '.repeat(MIB / 3 - 2)}]`, 'too-large'],
  ['a key of a megabyte', `${'a'.repeat(MIB - 10)}: 1`, 'syntax'],
  ['a word of a megabyte', `organism: ${'a'.repeat(MIB - 20)}`, 'missing-key'],
  ['a secret-like name over and over', 'TOKEN: '.repeat(MIB / 7), 'too-deep'],
  ['a URL that never ends', `a: x://${'a'.repeat(MIB - 20)}`, 'missing-key'],
  ['aliases of aliases that stand for billions', bomb, 'too-large'],
  ['directives', '%a b\n'.repeat(1000), 'directive'],
];

describe('no text can hurt', () => {
  it.each(HOSTILE)('%s is answered within a second', (_, text, code) => {
    expect(answers(text)[0]?.code).toBe(code);
  });

  it('ten megabytes are refused with the limit and what to do', () => {
    expect(answers('a'.repeat(10 * MIB))).toMatchObject([
      { message: expect.stringContaining('1 MiB'), expected: expect.stringContaining('source') },
    ]);
  });

  it('a thousand functions are read', () => {
    expect(answers(bigGenome(1000))).toEqual([]);
  });

  it('findings without number are counted rather than listed', () => {
    const findings = answers(`functions:\n${'  a: 1\n'.repeat(5000)}`);
    expect(findings).toHaveLength(1001);
    expect(findings.at(-1)).toMatchObject({ code: 'too-many-findings', message: '4004 more findings are not listed' });
  });
});

describe('what YAML can do and a genome must not', () => {
  it.each([
    ['a second document', `${GARDEN}---\na: 1\n`, 'several-documents', '---'],
    ['a merge key', gardenWith('    port: 7002', '    <<: { port: 7002 }'), 'merge-key', '<<'],
    ['a custom tag', gardenWith('organism: garden', 'organism: !name garden'), 'tag', '!name'],
    ['a tag of a language', gardenWith('organism: garden', 'organism: !!js/function garden'), 'tag', '!!js/function'],
    ['a repeated key', gardenWith('    port: 7002', '    port: 7002\n    port: 7003'), 'duplicate-key', 'port'],
    ['an alias without an anchor', gardenWith('garden.example.org\nbody', '*nothing\nbody'), 'alias', '*nothing'],
    ['an alias inside of itself', gardenWith('data: [./data]', 'data: &d [*d]'), 'alias', '*d'],
    ['a tab for indentation', gardenWith('    port: 7002', '\tport: 7002'), 'tab', '\t'],
    ['a NUL byte', gardenWith('run: node db.js', 'run: node\0db.js'), 'character', '\0'],
    ['half a surrogate pair', gardenWith('run: node db.js', 'run: \ud83d db.js'), 'character', '\ud83d'],
    ['bytes that were no UTF-8', gardenWith('run: node db.js', 'run: \ufffd db.js'), 'character', '\ufffd'],
    [
      'the key of a prototype',
      gardenWith('    port: 7002', '    port: 7002\n    __proto__: { port: 1 }'),
      'unknown-key',
      '__proto__',
    ],
    ['an old version of YAML', `%YAML 1.1\n---\n${GARDEN}`, 'directive', '%YAML 1.1'],
    ['a bracket that is not closed', gardenWith('data: [./data]', 'data: [./data'), 'syntax', null],
  ])('%s is refused at its place', (_, text, code, underlined) => {
    const found = findingsIn(text).find((finding) => finding.code === code);
    expect(found?.severity).toBe('error');
    if (underlined !== null && found !== undefined) {
      const start = found.column - 1;
      expect(found.sourceLine.slice(start, start + underlined.length)).toBe(underlined);
    }
  });

  it.each([
    ['nothing', ''],
    ['a comment', '# soon\n'],
    ['null', '~'],
  ])('%s is an empty genome', (_, text) => {
    expect(findingsIn(text)).toMatchObject([{ code: 'empty', suggestion: 'cell init' }]);
  });

  it.each([
    ['a number', '5'],
    ['a list', '- a\n- b'],
    ['a word', 'genome'],
  ])('%s is no genome', (_, text) => {
    expect(findingsIn(text)).toMatchObject([{ code: 'wrong-value', line: 1, column: 1 }]);
  });
});

describe('what is only unusual', () => {
  it('a byte-order mark is skipped, and columns are counted after it', () => {
    expect(findingsIn(`\ufeff${GARDEN}`)).toEqual([]);
    expect(findingsIn(`\ufeff${GARDEN}`.replace('organism: garden', 'organism: Garden'))).toMatchObject([
      { line: 1, column: 11 },
    ]);
  });

  it('lines may end as on Windows', () => {
    expect(findingsIn(GARDEN.replaceAll('\n', '\r\n'))).toEqual([]);
    const text = gardenWith('port: 7002', 'port: 80').replaceAll('\n', '\r\n');
    expect(findingsIn(text)).toMatchObject([{ line: 22, column: 11, sourceLine: '    port: 80' }]);
  });

  it('an alias stands for its anchor, and what is wrong in it is shown there, once', () => {
    expect(
      findingsIn(
        gardenWith('health: { http: /health, every: 5s', 'health: &h { http: /health, every: 5s').replace(
          'health: { command: ./check }',
          'health: *h',
        ),
      ),
    ).toEqual([]);
    const wrong = gardenWith('every: 5s, timeout: 2s, within: 30s }', 'every: &e 5x }').replace(
      '{ command: ./check }',
      '{ command: ./check, every: *e }',
    );
    expect(findingsIn(wrong).map((finding) => finding.line)).toEqual([13]);
  });

  it('a version directive of YAML 1.2 is fine', () => {
    expect(findingsIn(`%YAML 1.2\n---\n${GARDEN}`)).toEqual([]);
  });
});

describe('any text at all', () => {
  it('a changed genome never throws, and ends in time', () => {
    const piece = fc.constantFrom(
      '[',
      ']',
      '{',
      '}',
      ':',
      '- ',
      '\n',
      '\t',
      '&a ',
      '*a',
      '!t ',
      '<<: ',
      '"',
      "'",
      '|',
      '>',
      '#',
      '%',
      '\0',
      '\ufeff',
      '---\n',
      '? ',
      ',',
      '0x',
      '__proto__: ',
      '\ud800',
    );
    const change = fc.record({
      at: fc.nat(GARDEN.length),
      remove: fc.nat(40),
      insert: fc.oneof(piece, fc.string({ maxLength: 8 })),
    });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        let text = GARDEN;
        for (const { at, remove, insert } of changes) text = text.slice(0, at) + insert + text.slice(at + remove);
        answers(text);
      }),
      { numRuns: 400 },
    );
  });

  it('random bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        answers(Buffer.from(bytes).toString('utf8'));
        answers(Buffer.from(bytes).toString('utf16le'));
      }),
      { numRuns: 300 },
    );
  });

  it('random values in the place of any value never throw', () => {
    const lines = GARDEN.split('\n');
    fc.assert(
      fc.property(fc.nat(lines.length - 2), fc.json({ maxDepth: 3 }), (index, json) => {
        const line = lines[index] as string;
        const colon = line.indexOf(':');
        answers(
          [...lines.slice(0, index), `${line.slice(0, colon + 1)} ${json}`, ...lines.slice(index + 1)].join('\n'),
        );
      }),
      { numRuns: 300 },
    );
  });
});
