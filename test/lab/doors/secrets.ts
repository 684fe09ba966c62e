/** What is secret in files of a cell, so that it can be looked for elsewhere. */

const PRIVATE_KEY = /-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\s\S]+?-----END \1-----/g;

/** Private keys in a text, also where they are strings of JSON. */
export function privateKeysIn(text: string): readonly string[] {
  const found = text.replaceAll('\\n', '\n').match(PRIVATE_KEY) ?? [];
  return [...new Set(found.map((pem) => `${pem}\n`))];
}

/** A line of a private key's text that is secret: its first lines say only what kind it is. */
export function secretLine(text: string): string {
  const lines = privateKeysIn(text)[0]?.split('\n') ?? [];
  const line = lines[lines[2]?.includes('END') ? 1 : 4] ?? '';
  if (!/^[A-Za-z0-9+/=]{16,}$/.test(line)) throw new Error('this is no private key');
  return line;
}

/** The longest text somewhere in a credential: what is secret of it. */
export function longest(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return '';
  return Object.values(value)
    .map(longest)
    .reduce((a, b) => (b.length > a.length ? b : a), '');
}
