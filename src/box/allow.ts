/**
 * `cell box allow`: a key that can make and remove machines of one organism, up to a quota, and nothing else. The right
 * is one line in authorized_keys; it ends when the line is removed.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { dirname } from 'node:path';
import { readIfThere, writeAtomic } from '../effects/files.ts';
import { generateHostKey, identityFrom } from '../effects/keys.ts';
import { shellQuote } from '../effects/quote.ts';
import { CellError } from '../errors.ts';
import { checkedDir, imagesOf, locked, readBox } from './files.ts';
import { ORGANISM } from './words.ts';

export interface AllowWish {
  readonly dir: string;
  readonly organism: string;
  readonly quota: number;
  readonly authorizedKeys: string;
  /** Where the private key goes; a key that is there already is allowed. */
  readonly out: string;
  /** The address for the genome; found out when left out. */
  readonly address?: string | undefined;
  readonly port: number;
  /** The public key the box's sshd answers with. */
  readonly hostKeyFile: string;
  /** The command line of `cell box serve` without its flags. */
  readonly serve: readonly string[];
}

export interface Allowed {
  readonly organism: string;
  readonly quota: number;
  readonly key: string;
  /** What goes into the genome, as YAML. */
  readonly clouds: string;
}

export async function allow(wish: AllowWish): Promise<Allowed> {
  const dir = checkedDir(wish.dir);
  const { organism, quota, out } = wish;
  const box = readBox(dir);
  if (!ORGANISM.test(organism)) throw new CellError('USAGE', `${organism} is no name of an organism`);
  if (!Number.isInteger(quota) || quota < 0 || quota > 1_000)
    throw new CellError('USAGE', 'A quota is 0 to 1000 machines');
  const hostKey = hostKeyOf(wish.hostKeyFile);
  if (!existsSync(out)) await writeAtomic(out, generateHostKey().privatePem, 0o600);
  const { publicKey } = identityFrom(readFileSync(out, 'utf8'));
  const line = rightLine({ ...wish, dir }, publicKey);
  await locked(dir, 'box', async () => {
    mkdirSync(dirname(wish.authorizedKeys), { recursive: true, mode: 0o700 });
    const before = (await readIfThere(wish.authorizedKeys)) ?? '';
    await writeAtomic(wish.authorizedKeys, withRight(before, line), 0o600);
  });
  const [image = 'debian-13'] = imagesOf(dir);
  const address = wish.address ?? addressOf(box.bridge);
  return { organism, quota, key: out, clouds: snippet({ address, port: wish.port, hostKey, image, key: out }) };
}

const markOf = (dir: string, organism: string) => `cell-box:${dir}:${organism}`;

/** The line of authorized_keys. Pure. */
export function rightLine(wish: Pick<AllowWish, 'dir' | 'organism' | 'quota' | 'serve'>, publicKey: string): string {
  const { dir, organism, quota, serve } = wish;
  const words = [...serve, '--dir', dir, '--organism', organism, '--quota', String(quota)];
  const command = words.map((word) => (/^[A-Za-z0-9_./-]+$/.test(word) ? word : shellQuote(word))).join(' ');
  return `restrict,command="${command.replaceAll('"', '\\"')}" ${publicKey} ${markOf(dir, organism)}`;
}

/** The file with this right in place of the one this organism had here. Pure. */
export function withRight(text: string, line: string): string {
  const mark = line.slice(line.lastIndexOf(' '));
  const others = text.split('\n').filter((one) => one.trim() !== '' && !one.trimEnd().endsWith(mark));
  return `${[...others, line].join('\n')}\n`;
}

function hostKeyOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim().split(' ').slice(0, 2).join(' ');
  } catch (cause) {
    throw new CellError('NOT_FOUND', `There is no host key at ${file}`, {
      suggestion: 'Install openssh-server, or say where its Ed25519 key is: --host-key.',
      cause,
    });
  }
}

/** The first address of this box that is neither its own loop nor the machines' bridge. */
function addressOf(bridge: string): string {
  const all = Object.entries(networkInterfaces()).flatMap(([name, list]) => (name === bridge ? [] : (list ?? [])));
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? 'ADDRESS-OF-THIS-BOX';
}

function snippet(to: { address: string; port: number; hostKey: string; image: string; key: string }): string {
  const port = to.port === 22 ? '' : `, port: ${to.port}`;
  return `clouds:
  box:
    provider: nspawn
    box: { address: ${to.address}${port}, hostKey: ${to.hostKey} }
    image: ${to.image}
    credentials: file:${to.key}
`;
}
