import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { countFindings, renderFindings } from '../../genome/print.ts';
import { findingsIn, gardenWith } from './garden.ts';

describe('findings as people read them', () => {
  it('show the place, the line, what is meant underlined, what was expected and the likely word', () => {
    expect(renderFindings(findingsIn(gardenWith('divide: delegate', 'divide: replcate')), { colour: false })).toBe(
      [
        'genome.yaml:18:13: error: `divide` cannot be `replcate` [unknown-value]',
        '  18 |     divide: replcate',
        '     |             ^^^^^^^^',
        '     = expected delegate, replicate or never; did you mean `replicate`?',
        '',
      ].join('\n'),
    );
  });

  it('say the same with colours', () => {
    const findings = findingsIn(gardenWith('port: 7002', 'prt: 7002'));
    const coloured = renderFindings(findings, { colour: true });
    expect(coloured).not.toBe(renderFindings(findings, { colour: false }));
    expect(stripVTControlCharacters(coloured)).toBe(renderFindings(findings, { colour: false }));
  });

  it.each([0, 3, 200, 900])('a long line is cut around what is meant, with %i characters before it', (before) => {
    const text = gardenWith(
      'run: node db.js',
      `run: node db.js\n    env: { A: "${'a '.repeat(before)}", B: [x], C: "${'c '.repeat(500)}" }`,
    );
    const [, line = '', marks = ''] = renderFindings(findingsIn(text), { colour: false, width: 80 }).split('\n');
    expect(line.length).toBeLessThanOrEqual(80);
    expect(line.slice(marks.indexOf('^'), marks.lastIndexOf('^') + 1)).toBe('[x]');
  });

  it('keep tabs under tabs', () => {
    const [, line = '', marks = ''] = renderFindings(findingsIn(gardenWith('port: 7002', 'port:\t\t80')), {
      colour: false,
    }).split('\n');
    expect(marks.slice(7)).toBe('         \t\t^^');
    expect(line.slice(7)).toBe('    port:\t\t80');
  });

  it('send nothing to the terminal that it would act on', () => {
    const text = renderFindings(findingsIn(gardenWith('divide: delegate', 'divide: "\\e[31mred\\u202e"')), {
      colour: false,
    });
    expect(text).toContain('�[31mred�');
    expect(text).not.toContain('\u202e');
  });

  it('are counted', () => {
    expect(countFindings([])).toBe('');
    expect(countFindings(findingsIn('a: 1\nb: 2'))).toMatch(/^\d+ errors$/);
    expect(countFindings(findingsIn(gardenWith('port: 7002', 'prt: 7002')))).toBe('1 error, 1 warning');
  });
});
