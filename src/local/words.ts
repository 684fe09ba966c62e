/**
 * Words of a command line in a unit: split, unescaped and expanded as systemd.syntax(7) and systemd.service(5) say. No
 * shell. Pure.
 */

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  s: ' ',
  '\\': '\\',
  '"': '"',
  "'": "'",
};
/** Its number is a byte for \xNN and \NNN, which may be part of a character, and a character for the others. */
const NUMBERED = /\\(?:x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/y;

/** What an escape at `at` stands for and how long it is; one that is unknown stands for itself, as in systemd. */
function escapeAt(text: string, at: number): { readonly bytes: Buffer; readonly length: number } {
  const known = ESCAPES[text[at + 1] as string];
  if (known !== undefined) return { bytes: Buffer.from(known), length: 2 };
  NUMBERED.lastIndex = at;
  const [all, hex, octal, short, long] = NUMBERED.exec(text) ?? [];
  if (all === undefined) return { bytes: Buffer.from('\\'), length: 1 };
  const code = octal === undefined ? Number.parseInt(hex ?? short ?? long ?? '', 16) : Number.parseInt(octal, 8);
  const isByte = hex !== undefined || octal !== undefined;
  const most = isByte ? 0xff : 0x10ffff;
  if (code === 0 || code > most || (code >= 0xd800 && code <= 0xdfff)) throw new Error(`not a character: ${all}`);
  return { bytes: isByte ? Buffer.of(code) : Buffer.from(String.fromCodePoint(code)), length: all.length };
}

/** Splits as systemd does: quotes group, `\` escapes as in C; no shell. Throws on a quote without an end. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: Buffer[] | null = null;
  let quote: string | null = null;
  const done = () => {
    if (word !== null) words.push(Buffer.concat(word).toString());
    word = null;
  };
  for (let i = 0; i < text.length; ) {
    const character = String.fromCodePoint(text.codePointAt(i) as number);
    if (character === '\\' && i + 1 < text.length) {
      const { bytes, length } = escapeAt(text, i);
      word ??= [];
      word.push(bytes);
      i += length;
      continue;
    }
    i += character.length;
    if (quote !== null && character === quote) quote = null;
    else if (quote === null && (character === '"' || character === "'")) {
      quote = character;
      word ??= [];
    } else if (quote === null && /\s/.test(character)) done();
    else {
      word ??= [];
      word.push(Buffer.from(character));
    }
  }
  if (quote !== null) throw new Error(`a quote without an end: ${text}`);
  done();
  return words;
}

/** `$NAME` as a word of its own is split into words, `${NAME}` is put in where it stands, `$$` is a dollar. */
export function expandWords(words: readonly string[], env: Readonly<Record<string, string>>): string[] {
  return words.flatMap((word) => {
    const whole = /^\$([A-Za-z_]\w*)$/.exec(word)?.[1];
    if (whole !== undefined) return splitWords(env[whole] ?? '');
    return [word.replace(/\$\$|\$\{([A-Za-z_]\w*)\}/g, (match, name) => (match === '$$' ? '$' : (env[name] ?? '')))];
  });
}
