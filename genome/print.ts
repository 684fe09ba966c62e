/** Findings as people read them: the place, the line with what is meant underlined, what was expected, the likely word. */
import { styleText } from 'node:util';
import type { Finding } from './finding.ts';

export interface PrintOptions {
  readonly colour: boolean;
  /** Columns of the terminal; longer lines are cut around what is meant. */
  readonly width?: number;
}

/** One block a finding, and nothing when there are none. */
export function renderFindings(findings: readonly Finding[], options: PrintOptions): string {
  return findings.map((finding) => renderFinding(finding, options)).join('\n');
}

/** `2 errors, 1 warning`, or an empty text. */
export function countFindings(findings: readonly Finding[]): string {
  const count = (severity: Finding['severity']) => findings.filter((finding) => finding.severity === severity).length;
  return (['error', 'warning'] as const)
    .filter((severity) => count(severity) > 0)
    .map((severity) => `${count(severity)} ${severity}${count(severity) === 1 ? '' : 's'}`)
    .join(', ');
}

function renderFinding(finding: Finding, { colour, width = 120 }: PrintOptions): string {
  type Style = Parameters<typeof styleText>[0];
  const paint = (style: Style, text: string) => (colour ? styleText(style, text, { validateStream: false }) : text);
  const loud = finding.severity === 'error' ? 'red' : 'yellow';
  const place = `${finding.file}:${finding.line}:${finding.column}`;
  const head = `${paint('bold', place)}: ${paint(loud, finding.severity)}: ${plain(finding.message)} ${paint('dim', `[${finding.code}]`)}`;
  const gutter = String(finding.line).padStart(4);
  const { line, column, length } = cut(finding, Math.max(20, width - gutter.length - 3));
  // Tabs stay tabs under the line, so that the marks stand where the terminal puts the text.
  const indent = [...line.slice(0, column - 1)].map((character) => (character === '\t' ? '\t' : ' ')).join('');
  const marks = paint(loud, '^'.repeat(Math.max(1, length)));
  const meant = finding.suggestion === undefined ? '' : `did you mean \`${plain(finding.suggestion)}\`?`;
  const expected = finding.expected === undefined ? '' : `expected ${plain(finding.expected)}`;
  const hint = [expected, meant].filter((part) => part !== '').join('; ');
  const lines = [head, `${paint('dim', `${gutter} |`)} ${plain(line)}`, `${paint('dim', '     |')} ${indent}${marks}`];
  if (hint !== '') lines.push(`${paint('dim', '     =')} ${hint}`);
  return `${lines.join('\n')}\n`;
}

/** What a terminal would act on, from a file that anybody may have written. */
function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is replaced
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}

function cut(finding: Finding, width: number): { line: string; column: number; length: number } {
  const { sourceLine: line, sourceColumn: column } = finding;
  const length = Math.max(1, Math.min(finding.length, line.length - column + 1));
  if (line.length <= width) return { line, column, length };
  const from = Math.max(0, Math.min(column - 1 - Math.floor(width / 3), line.length - width));
  const to = Math.min(line.length, from + width);
  const before = from > 0 ? '…' : '';
  const after = to < line.length ? '…' : '';
  const shown = `${before}${line.slice(from + before.length, to - after.length)}${after}`;
  return {
    line: shown,
    column: column - from,
    length: Math.max(1, Math.min(length, shown.length - (column - from) + 1)),
  };
}
