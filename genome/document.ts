/**
 * Text -> plain values with their positions, by the `yaml` package, in a way that no text can hurt:
 *
 *   1. refuse what is too long, or holds characters that no text file has;
 *   2. lex and parse to a concrete tree (neither recurses), stopping at the first sign of too much;
 *   3. compose it (this recurses, so only now that the depth is known);
 *   4. convert to plain values, refusing what YAML can do and a genome must not: merge keys, tags, repeated keys.
 */
import { Composer, CST, type Document, Lexer, type ParsedNode, Parser } from 'yaml';
import { type Converted, convert } from './convert.ts';
import { MAX_FINDINGS, type Problem, type Range, type Source } from './finding.ts';
import { MAX_DEPTH, MAX_LINES, MAX_MARKS, MAX_TEXT, MAX_TOKENS } from './limits.ts';

/** The values are null when the text is not well formed; the problems say why. */
export interface ReadDocument {
  readonly converted: Converted | null;
  readonly problems: readonly Problem[];
}

export function readDocument(source: Source): ReadDocument {
  const problems: Problem[] = [];
  const report = (code: string, message: string, range: Range, expected?: string, suggestion?: string) =>
    problems.push({ severity: 'error', code, message, expected, suggestion, path: [], range });
  if (!checkText(source, report)) return { converted: null, problems };
  const tokens = tokenize(source.text, report);
  if (tokens === null) return { converted: null, problems };
  const document = compose(tokens, source.text.length);
  if (document === undefined || isEmpty(document)) {
    if (document === undefined || document.errors.length === 0) {
      report('empty', 'the genome is empty', [0, 1], 'at least organism, zone, clouds, dns and functions', 'cell init');
    }
  }
  const errors = document?.errors ?? [];
  for (const error of errors.slice(0, MAX_FINDINGS)) {
    const [code, message] = SYNTAX[error.code] ?? ['syntax', lowerFirst(error.message)];
    report(code, message, [error.pos[0], Math.max(error.pos[1], error.pos[0] + 1)], EXPECTED[error.code]);
  }
  const next = errors[MAX_FINDINGS];
  if (next !== undefined)
    report('too-many-findings', `${errors.length - MAX_FINDINGS} more findings are not listed`, next.pos);
  for (const warning of document?.warnings ?? []) {
    const tag = warning.code === 'TAG_RESOLVE_FAILED';
    report(
      tag ? 'tag' : 'syntax',
      tag ? 'a tag has no meaning here' : lowerFirst(warning.message),
      warning.pos,
      'plain values',
    );
  }
  if (document === undefined || problems.length > 0) return { converted: null, problems };
  const converted = convert(document);
  return { converted, problems: converted.problems };
}

type Report = (code: string, message: string, range: Range, expected?: string, suggestion?: string) => void;

/** Control characters, halves of surrogate pairs, and what decoders put in place of bytes that are no UTF-8. */
const FOREIGN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f\ufffd-\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

function checkText(source: Source, report: Report): boolean {
  const { text } = source;
  if (text.length > MAX_TEXT) {
    const most = `${MAX_TEXT / 1024 / 1024} MiB`;
    const expected = `at most ${most}; programs and data belong into files of a \`source\` folder`;
    report('too-large', `the genome has more than ${most} of text`, [0, 1], expected);
    return false;
  }
  if (source.lines > MAX_LINES) {
    report('too-large', `the genome has ${source.lines} lines`, [0, 1], `at most ${MAX_LINES} lines`);
    return false;
  }
  let found = 0;
  for (const match of text.matchAll(FOREIGN)) {
    const code = (match[0].codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0');
    if (found++ < 20)
      report(
        'character',
        `the character U+${code} cannot be in a genome`,
        [match.index, match.index + 1],
        'UTF-8 text',
      );
    else break;
  }
  return found === 0;
}

const MARKS: readonly string[] = [CST.DOCUMENT, CST.FLOW_END, CST.SCALAR];

/** Stage 2: the concrete syntax, or null when there is too much of something. */
function tokenize(text: string, report: Report): CST.Token[] | null {
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  let count = 0;
  let marks = 0;
  let errors = 0;
  let commas = 0;
  let documents = 0;
  let offset = 0;
  let previous = '';
  for (const lexeme of new Lexer().lex(text)) {
    const at: Range = [offset, offset + 1];
    if (++count > MAX_TOKENS) {
      report('too-large', `the genome has more than ${MAX_TOKENS} words and signs`, at, 'a smaller genome');
      return null;
    }
    // After the mark of a plain scalar comes its text, which may look like anything.
    const type = previous === CST.SCALAR ? 'scalar' : CST.tokenType(lexeme);
    if (type === 'anchor' || type === 'alias' || type === 'tag' || type === 'directive-line') marks++;
    if (marks > MAX_MARKS) {
      report(
        'too-large',
        `the genome has more than ${MAX_MARKS} anchors, aliases and tags`,
        at,
        'the values written out',
      );
      return null;
    }
    if (type === 'directive-line' && !/^%YAML 1\.2\s*$/.test(lexeme)) {
      report(
        'directive',
        'a genome has no % directives',
        [offset, offset + lexeme.length],
        'YAML 1.2, without directives',
      );
      return null;
    }
    for (const token of parser.next(lexeme)) {
      tokens.push(token);
      if (token.type === 'error') errors++;
    }
    // Empty items and stray brackets by the thousand are no genome, and cost more than words do.
    if (type === 'comma') commas++;
    else if (type !== 'space' && type !== 'newline' && type !== 'comment') commas = 0;
    if (errors > MAX_MARKS || commas > MAX_MARKS) {
      report('syntax', 'this is no YAML', at, 'key: value');
      return null;
    }
    if (parser.stack.length > MAX_DEPTH) {
      report('too-deep', `values are nested more than ${MAX_DEPTH} deep here`, at, 'the few levels a genome has');
      return null;
    }
    // Marks of the lexer's own are no part of the text.
    if (previous === CST.SCALAR || !MARKS.includes(lexeme)) offset += lexeme.length;
    previous = lexeme;
  }
  tokens.push(...parser.end());
  for (const token of tokens) {
    if (token.type !== 'document' || ++documents < 2) continue;
    report(
      'several-documents',
      'a second document begins here',
      [token.offset, token.offset + 3],
      'one document: one genome a file',
    );
    return null;
  }
  return tokens;
}

/** Stage 3. An error's stack trace costs more than finding it, and nobody sees these: none are taken meanwhile. */
function compose(tokens: readonly CST.Token[], length: number): Document.Parsed<ParsedNode> | undefined {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    // uniqueKeys compares every key with every other; convert.ts does it in one pass.
    const composer = new Composer({
      version: '1.2',
      schema: 'core',
      merge: false,
      uniqueKeys: false,
      stringKeys: true,
      prettyErrors: false,
    });
    const [document] = composer.compose(tokens, true, length);
    return document as Document.Parsed<ParsedNode> | undefined;
  } finally {
    Error.stackTraceLimit = limit;
  }
}

function isEmpty(document: Document.Parsed): boolean {
  const contents = document.contents as { value?: unknown; source?: string } | null;
  return contents === null || ('value' in contents && contents.value === null);
}

const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);

/** The library's findings that are commonest, in words for people who do not write parsers. */
const SYNTAX: Partial<Record<string, [code: string, message: string]>> = {
  TAB_AS_INDENT: ['tab', 'a tab is used to indent'],
  NON_STRING_KEY: ['syntax', 'a key must be a plain word'],
  TAG_RESOLVE_FAILED: ['tag', 'a tag has no meaning here'],
  MULTIPLE_DOCS: ['several-documents', 'a second document begins here'],
};
const EXPECTED: Partial<Record<string, string>> = {
  TAB_AS_INDENT: 'spaces: YAML does not allow tabs there',
  NON_STRING_KEY: 'a name, such as web',
  TAG_RESOLVE_FAILED: 'plain values',
  MULTIPLE_DOCS: 'one document: one genome a file',
  BAD_ALIAS: 'an anchor (&name) above it',
  MULTILINE_IMPLICIT_KEY: 'a key and its colon on one line',
  BAD_INDENT: 'the same indentation as the lines beside it',
};
