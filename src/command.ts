/**
 * What all commands have in common: where the organism is, one JSON document with --json, and errors that say what
 * failed, why, and what to do next. Exit codes: 0 done, 1 failed, 2 wrong usage.
 */
import { dirname, join, resolve } from 'node:path';
import { styleText } from 'node:util';
import { Command, Flags } from '@oclif/core';
import { CellError, messageOf } from './errors.ts';

/** The part of `--json` that says what went wrong. */
export interface ErrorJson {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly why: string | null;
    readonly suggestion: string | null;
    readonly fields: CellError['fields'];
    /** With --debug: the messages of what caused it, outermost first. */
    readonly causes?: readonly string[];
  };
}

export abstract class CellCommand extends Command {
  static override enableJsonFlag = true;
  static override baseFlags = {
    home: Flags.string({
      description: 'where this computer keeps its side of an organism [default: .cell beside the genome]',
      env: 'CELL_HOME',
      helpGroup: 'GLOBAL',
      helpValue: 'DIR',
    }),
    genome: Flags.string({
      char: 'g',
      description: 'the genome',
      default: 'genome.yaml',
      helpGroup: 'GLOBAL',
      helpValue: 'FILE',
    }),
    debug: Flags.boolean({ description: 'show what caused an error', helpGroup: 'GLOBAL' }),
  };

  /** The folder of --home, or `.cell` beside the genome. */
  protected homeOf(flags: { readonly home?: string | undefined; readonly genome: string }): string {
    return resolve(flags.home ?? join(dirname(resolve(flags.genome)), '.cell'));
  }

  /** Whether what goes to stdout may be coloured: a terminal, and no NO_COLOR. */
  protected get colour(): boolean {
    return process.stdout.isTTY === true && process.stdout.hasColors();
  }

  /** Progress goes to stderr with --json too: only stdout is for one document. */
  override logToStderr(text = ''): void {
    process.stderr.write(`${text}\n`);
  }

  /** One document, and plain: it is read by programs. */
  override logJson(json: unknown): void {
    process.stdout.write(`${JSON.stringify(json, null, 2)}\n`);
  }

  override toErrorJson(thrown: unknown): ErrorJson {
    const { code, message, why, suggestion, fields } = this.#understood(thrown);
    const causes = this.debugging ? { causes: causesOf(thrown).map(messageOf) } : {};
    return { error: { code, message, why: why ?? null, suggestion: suggestion ?? null, fields, ...causes } };
  }

  /** Prints, and leaves by the exit code: thrown further, the error would be printed again, in oclif's way. */
  override async catch(thrown: Error & { oclif?: { exit?: number }; code?: string }): Promise<void> {
    // `this.exit(code)` is no error.
    if (thrown.code === 'EEXIT') {
      process.exitCode = thrown.oclif?.exit ?? 0;
      return;
    }
    const { code } = this.#understood(thrown);
    process.exitCode = code === 'USAGE' ? 2 : 1;
    if (this.jsonEnabled()) this.logJson(this.toErrorJson(thrown));
    else process.stderr.write(this.#render(thrown));
  }

  // Parsing itself may have failed, so the flag is looked for where it would stand.
  private get debugging(): boolean {
    const end = this.argv.indexOf('--');
    return (end === -1 ? this.argv : this.argv.slice(0, end)).includes('--debug');
  }

  #render(thrown: unknown): string {
    const { code, message, why, suggestion } = this.#understood(thrown);
    const paint = (style: 'red' | 'dim', text: string) => styleText(style, text, { stream: process.stderr });
    const lines = [`${paint('red', 'Error:')} ${message}`];
    if (why !== undefined) lines.push(indent(why));
    if (suggestion !== undefined) lines.push(`${paint('dim', 'Next:')}  ${suggestion}`);
    if (this.debugging) {
      if (code === 'INTERNAL' && thrown instanceof Error) lines.push(paint('dim', thrown.stack ?? ''));
      for (const cause of causesOf(thrown)) {
        const shown = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
        lines.push(paint('dim', indent(`caused by ${shown}`)));
      }
    }
    return `${lines.join('\n')}\n`;
  }

  /** Anything thrown, in the form of our own errors. */
  #understood(thrown: unknown): Understood {
    if (thrown instanceof CellError) return thrown;
    const { message, oclif } = thrown as Error & { oclif?: { exit?: number } };
    if (oclif?.exit === 2) {
      const [first = '', ...rest] = String(message)
        .replace(/\nSee more help with --help\s*$/, '')
        .split('\n')
        .map((line) => line.trimEnd());
      const why = rest.join('\n').trim();
      const suggestion = `Look at \`cell ${this.id ?? 'COMMAND'} --help\`.`;
      return { code: 'USAGE', message: first, why: why === '' ? undefined : why, suggestion, fields: {} };
    }
    const suggestion = 'This is a mistake in cell itself: --debug shows where.';
    return { code: 'INTERNAL', message: messageOf(thrown), why: undefined, suggestion, fields: {} };
  }
}

type Understood = Pick<CellError, 'message' | 'why' | 'suggestion' | 'fields'> & { readonly code: string };

function causesOf(thrown: unknown): unknown[] {
  const causes: unknown[] = [];
  for (let cause = (thrown as Error | null)?.cause; cause !== undefined && causes.length < 10; ) {
    causes.push(cause);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return causes;
}

const indent = (text: string) =>
  text
    .split('\n')
    .map((line) => `       ${line}`)
    .join('\n');
