/**
 * Secrets that were written into the genome. It is copied to every cell, kept in git for ever and shown to everybody who
 * may read it, so what looks like a credential is refused, and is never repeated in the finding that says so.
 */
import type { Converted } from './convert.ts';
import type { Problem, Range, Source } from './finding.ts';
import { MAX_TEXT } from './limits.ts';

/** Formats that providers publish so that they can be recognised, and what everybody calls them. */
const KNOWN: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----/, 'a private key'],
  [/\bAGE-SECRET-KEY-1[0-9A-Z]{20,}/, 'an age secret key'],
  [/\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/, 'an AWS access key'],
  [/\bgh[pousr]_[A-Za-z0-9]{30,}/, 'a GitHub token'],
  [/\bgithub_pat_[A-Za-z0-9_]{30,}/, 'a GitHub token'],
  [/\bglpat-[A-Za-z0-9_-]{18,}/, 'a GitLab token'],
  [/\bdo[opr]_v1_[a-f0-9]{40,}/, 'a DigitalOcean token'],
  [/\bxox[abprs]-[A-Za-z0-9-]{10,}/, 'a Slack token'],
  [/\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}/, 'a Stripe key'],
  [/\bnpm_[A-Za-z0-9]{36}\b/, 'an npm token'],
  [/\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\./, 'a JSON web token'],
  [/\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/:@$]{0,100}:[^\s/:@${}]{1,200}@/i, 'a password in a URL'],
];

/** Names of variables that hold a secret, and not, say, the name of a file with one. */
const NAMED =
  /(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|SECRET|TOKEN|API_?KEY|PRIVATE_KEY|SECRET_KEY|ACCESS_KEY|CREDENTIALS?)$/;

/** `API_TOKEN: value`, as it would be shown when the text is no YAML. References and sources are no secrets. */
const ASSIGNED =
  /((?:\b|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|[A-Z]+_KEY)["']?[ \t]*[:=][ \t]*)(?!["']?(?:env:|file:|command:|\$))([^\s,}#][^\n,}#]*)/g;

/** Blots out what has a known format wherever it stands, also in comments and in text that is no YAML. */
export function hideSecrets(source: Source): void {
  if (source.text.length > MAX_TEXT) {
    source.hide([0, source.text.length]);
    return;
  }
  for (const [pattern] of KNOWN) {
    for (const match of source.text.matchAll(new RegExp(pattern, `g${pattern.flags}`))) {
      const isKey = match[0].startsWith('-----BEGIN');
      const end = isKey ? source.text.indexOf('-----END', match.index) : match.index + match[0].length;
      source.hide([match.index, end === -1 ? source.text.length : end]);
    }
  }
  for (const match of source.text.matchAll(ASSIGNED)) {
    const start = match.index + (match[1] as string).length;
    source.hide([start, start + (match[2] as string).length]);
  }
}

/** The range is what must not be shown. */
export function findSecrets(converted: Converted): Problem[] {
  const problems: Problem[] = [];
  for (const { path, text, range } of converted.texts) {
    const known = KNOWN.find(([pattern]) => pattern.test(text));
    const variable = variableOf(path);
    if (known !== undefined) problems.push(problem('error', `this looks like ${known[1]}`, path, range, variable));
    else if (
      path.length === 4 &&
      path[2] === 'secrets' &&
      path[0] === 'functions' &&
      !/^(?:env|file|command):./.test(text)
    ) {
      // Not a source: the schema says so; the value is hidden, for it is likely to be the secret itself.
      problems.push(problem('error', 'a secret is written here', path, range, variable));
    } else if (path[0] === 'functions' && path[2] === 'env' && path.length === 4 && !/^\$|^$/.test(text)) {
      if (NAMED.test(String(path[3])))
        problems.push(problem('error', `\`${path[3]}\` looks like a secret`, path, range, variable));
      else if (isRandom(text))
        problems.push(problem('warning', `\`${path[3]}\` may be a secret: it looks random`, path, range, variable));
    }
  }
  return problems;
}

function variableOf(path: readonly (string | number)[]): string {
  const last = String(path.at(-1));
  return /^[A-Z_][A-Z0-9_]*$/.test(last) ? last : 'NAME';
}

function problem(
  severity: 'error' | 'warning',
  what: string,
  path: Problem['path'],
  range: Range,
  variable: string,
): Problem {
  const message = `${what}, and a genome is no place for secrets`;
  const place = path[0] === 'functions' ? `, under secrets of the function: ${variable}` : '';
  const expected = `where it comes from${place}: env:${variable}, file:PATH or command:LINE`;
  return { severity, code: 'secret', message, expected, path, range };
}

/** Long, of one piece, and with the mix of characters that keys have: 3.5 bits a character and more. */
function isRandom(text: string): boolean {
  if (text.length < 24 || text.length > 512 || !/^[A-Za-z0-9+/_=-]+$/.test(text)) return false;
  if (!/\d/.test(text) || !/[A-Za-z]/.test(text)) return false;
  // Names and paths have parts; keys are one piece.
  if (/^[a-z0-9]+(?:[-_/][a-z0-9]+){2,}$/.test(text)) return false;
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits >= 3.5;
}
