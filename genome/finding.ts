/**
 * Findings: what is wrong with a genome, where, and what was probably meant. Every part of this folder reports
 * `Problem`s (ranges in the text); `Source` turns them into `Finding`s (lines and columns), all in one place, so that
 * a secret written into the file is blotted out of every line that is shown, whoever complained about that line.
 */

export type Path = readonly (string | number)[];
/** Offsets into the text: [start, end). */
export type Range = readonly [start: number, end: number];

export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly code: string;
  readonly message: string;
  readonly expected?: string | undefined;
  readonly suggestion?: string | undefined;
  readonly path: Path;
  readonly range: Range;
}

export interface Finding {
  readonly severity: 'error' | 'warning';
  /** Short and stable: `unknown-key`. */
  readonly code: string;
  /** What is wrong. */
  readonly message: string;
  /** What would be right. */
  readonly expected?: string;
  /** The likely word. */
  readonly suggestion?: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units as editors count. */
  readonly column: number;
  /** How much of the line it is about; at least 1. */
  readonly length: number;
  /** The line; of a very long one, the part around the column. */
  readonly sourceLine: string;
  /** Where `column` is in `sourceLine`. The same, but for very long lines. */
  readonly sourceColumn: number;
  /** As in `functions.web.run`; empty for the whole document. */
  readonly path: string;
}

/** Past this, findings are counted and no longer listed: nobody reads more, and a hostile file could cause millions. */
export const MAX_FINDINGS = 1000;
/** Longer source lines are cut around the column, so that a one-line megabyte is not repeated with every finding. */
const MAX_LINE = 400;

/** A text with its name, and the places in it that must not be shown. */
export class Source {
  readonly text: string;
  readonly file: string;
  readonly #starts: number[] = [0];
  readonly #hidden: Range[] = [];

  constructor(text: string, file: string) {
    this.text = text;
    this.file = file;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1);
  }

  get lines(): number {
    return this.#starts.length;
  }

  /** From now on the range is shown as asterisks. */
  hide(range: Range): void {
    this.#hidden.push(range);
  }

  /** Line and column of an offset, both from 1. */
  position(offset: number): { line: number; column: number } {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (this.#starts[low] as number) + 1 };
  }

  /** Sorted by place, without repetitions, at most MAX_FINDINGS and one that counts the rest. */
  findings(problems: readonly Problem[]): Finding[] {
    const sorted = problems.toSorted((a, b) => a.range[0] - b.range[0] || a.severity.localeCompare(b.severity));
    const seen = new Set<string>();
    const unique = sorted.filter((problem) => {
      const key = `${problem.range[0]} ${problem.code} ${problem.message}`;
      return !seen.has(key) && seen.add(key);
    });
    const found = unique.slice(0, MAX_FINDINGS).map((problem) => this.#finding(problem));
    const rest = unique.slice(MAX_FINDINGS);
    if (rest.length > 0) {
      const severity = rest.some((problem) => problem.severity === 'error') ? 'error' : 'warning';
      const message = `${rest.length} more findings are not listed`;
      found.push(
        this.#finding({ severity, code: 'too-many-findings', message, path: [], range: rest[0]?.range ?? [0, 1] }),
      );
    }
    return found;
  }

  #finding(problem: Problem): Finding {
    const offset = Math.max(0, Math.min(problem.range[0], this.text.length));
    const { line, column } = this.position(offset);
    const start = this.#starts[line - 1] as number;
    const next = this.#starts[line];
    const full = this.text.slice(start, next === undefined ? this.text.length : next - 1).replace(/\r$/, '');
    const from = full.length <= MAX_LINE ? 0 : Math.max(0, Math.min(column - 1 - MAX_LINE / 2, full.length - MAX_LINE));
    const shown = full.slice(from, from + MAX_LINE);
    const length = Math.max(1, Math.min(problem.range[1] - offset, from + shown.length - (column - 1)));
    return {
      severity: problem.severity,
      code: problem.code,
      message: problem.message,
      ...(problem.expected === undefined ? {} : { expected: problem.expected }),
      ...(problem.suggestion === undefined ? {} : { suggestion: problem.suggestion }),
      file: this.file,
      line,
      column,
      length,
      sourceLine: this.#blot(shown, start + from),
      sourceColumn: column - from,
      path: formatPath(problem.path),
    };
  }

  #blot(shown: string, start: number): string {
    let line = shown;
    for (const [from, to] of this.#hidden) {
      const a = Math.max(0, from - start);
      const b = Math.min(line.length, to - start);
      if (a < b) line = line.slice(0, a) + '*'.repeat(b - a) + line.slice(b);
    }
    return line;
  }
}

/** `['functions', 'web', 'data', 0]` -> `functions.web.data[0]`. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? part : `${text}.${part}`;
  }, '');
}
