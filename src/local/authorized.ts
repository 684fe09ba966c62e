/**
 * authorized_keys as OpenSSH reads it: `[options] type base64 [comment]`, a line a key. Pure.
 *
 * Understood options: `command="…"`, `restrict`, `pty`, `no-pty`; the ones about forwarding are true anyway, for this
 * server forwards nothing. A line with an option that would narrow the access in a way not kept here (`from=`,
 * `expiry-time=`, `cert-authority`, `principals=`) is left out: better no access than too much.
 */
export interface AuthorizedKey {
  readonly type: string;
  /** The key's wire format. */
  readonly blob: Buffer;
  /** Runs instead of what the client asks for. */
  readonly command: string | null;
  readonly pty: boolean;
}

const HARMLESS = new Set([
  'agent-forwarding',
  'no-agent-forwarding',
  'port-forwarding',
  'no-port-forwarding',
  'x11-forwarding',
  'no-x11-forwarding',
  'user-rc',
  'no-user-rc',
]);
const TYPES = new Set(['ssh-ed25519']);

/** Every line that grants something. */
export function parseAuthorizedKeys(text: string): AuthorizedKey[] {
  return text
    .split(/\r?\n/)
    .map(parseLine)
    .filter((key) => key !== null);
}

function parseLine(line: string): AuthorizedKey | null {
  const rest = line.trim();
  if (rest === '' || rest.startsWith('#')) return null;
  const words = splitOutsideQuotes(rest, /\s/);
  const at = words.findIndex((word) => TYPES.has(word));
  const [type, base64] = [words[at], words[at + 1]];
  if (at < 0 || at > 1 || type === undefined || base64 === undefined) return null;
  const blob = Buffer.from(base64, 'base64');
  if (blob.length < 40 || blob.toString('base64').replace(/=+$/, '') !== base64.replace(/=+$/, '')) return null;
  let command: string | null = null;
  let pty = true;
  for (const option of at === 1 ? splitOutsideQuotes(words[0] as string, /,/) : []) {
    const [name = ''] = option.split('=', 1);
    const lower = name.toLowerCase();
    if (lower === 'command') {
      const value = /^"(.*)"$/s.exec(option.slice(name.length + 1))?.[1];
      if (value === undefined || command !== null) return null;
      command = value.replaceAll('\\"', '"');
    } else if (lower === 'restrict' || lower === 'no-pty') pty = false;
    else if (lower === 'pty') pty = true;
    else if (!HARMLESS.has(lower)) return null;
  }
  return { type, blob, command, pty };
}

/** Splits where `separator` matches one character outside double quotes. `\"` inside quotes is a quote. */
function splitOutsideQuotes(text: string, separator: RegExp): string[] {
  const words: string[] = [];
  let word = '';
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i] as string;
    if (quoted && character === '\\' && text[i + 1] === '"') {
      word += '\\"';
      i++;
      continue;
    }
    if (character === '"') quoted = !quoted;
    if (!quoted && separator.test(character)) {
      if (word !== '') words.push(word);
      word = '';
    } else word += character;
  }
  if (word !== '') words.push(word);
  return words;
}
