/**
 * Ed25519 identities in the form OpenSSH uses, so that one key both signs entries and logs in.
 *
 * Only node:crypto: every tick loads this. OpenSSH's unencrypted private key format (PROTOCOL.key in its source) is
 * small enough to be read and written here, and Node can neither.
 */
import type { KeyObject } from 'node:crypto';
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify as verifySignature,
} from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CellError } from '../errors.ts';
import type { CellId, PublicKey } from '../model.ts';
import { replaceFile } from './replace.ts';

export interface Identity {
  readonly id: CellId;
  readonly publicKey: PublicKey;
  /** OpenSSH private key. Not enumerable, so that no log or JSON of an identity shows it. */
  readonly privatePem: string;
  /** An Ed25519 signature, 64 bytes. */
  sign(bytes: Uint8Array): Buffer;
}

const TYPE = 'ssh-ed25519';
const MAGIC = Buffer.from('openssh-key-v1\0', 'latin1');
const BEGIN = '-----BEGIN OPENSSH PRIVATE KEY-----';
const END = '-----END OPENSSH PRIVATE KEY-----';
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
/** The length of a key blob: two length-prefixed strings, the type and 32 bytes. */
const BLOB_LENGTH = 4 + TYPE.length + 4 + 32;

/** A new key pair as OpenSSH keeps it. */
export function generateHostKey(): { readonly privatePem: string; readonly publicKey: PublicKey } {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const seed = Buffer.from(jwk.d ?? '', 'base64url');
  const raw = Buffer.from(jwk.x ?? '', 'base64url');
  return { privatePem: encodePrivate(seed, raw), publicKey: publicLine(raw) };
}

/** The identity that a private key (OpenSSH PEM) gives. Throws NOT_FOUND when it is none that we can read. */
export function identityFrom(privatePem: string): Identity {
  const { seed, raw } = decodePrivate(privatePem);
  const x = raw.toString('base64url');
  const key = createPrivateKey({
    key: { kty: 'OKP', crv: 'Ed25519', d: seed.toString('base64url'), x },
    format: 'jwk',
  });
  const publicKey = publicLine(raw);
  const identity = { id: cellId(publicKey), publicKey, sign: (bytes: Uint8Array) => sign(null, bytes, key) };
  return Object.defineProperty(identity, 'privatePem', { value: privatePem, enumerable: false }) as Identity;
}

/** The identity kept in a home (file `key`). Throws NOT_FOUND. */
export function loadIdentity(home: string): Identity {
  const file = join(home, 'key');
  let pem: string;
  try {
    pem = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CellError('NOT_FOUND', `There is no key at ${file}`, {
      cause,
      suggestion: '`cell doctor` says what this home lacks.',
    });
  }
  return identityFrom(pem);
}

/** Whose home it is, for who may not read its key. Throws NOT_FOUND. */
export function loadId(home: string): CellId {
  let line: string;
  try {
    line = readFileSync(join(home, 'key.pub'), 'utf8').trim();
  } catch {
    return loadIdentity(home).id; // made by a program that did not keep it
  }
  return cellId(line);
}

/** Makes the home's key unless it has one: going on after an interruption keeps who we are. */
export function ensureIdentity(home: string): Identity {
  try {
    return loadIdentity(home);
  } catch (error) {
    if (!(error instanceof CellError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'))
      throw error;
  }
  return saveIdentity(home, generateHostKey().privatePem);
}

/** Keeps a private key as the home's, readable by its owner only, as `ssh -i` wants it. */
export function saveIdentity(home: string, privatePem: string): Identity {
  const identity = identityFrom(privatePem);
  mkdirSync(home, { recursive: true });
  replaceFile(join(home, 'key'), privatePem, 0o600);
  replaceFile(join(home, 'key.pub'), `${identity.publicKey}\n`);
  return identity;
}

/** Whether `sig` (64 bytes) is by the key. False, never a throw, for anything that is no key or no signature. */
export function verify(publicKey: PublicKey | KeyObject, bytes: Uint8Array, sig: Uint8Array): boolean {
  if (sig.length !== 64) return false;
  try {
    return verifySignature(null, bytes, typeof publicKey === 'string' ? keyObject(publicKey) : publicKey, sig);
  } catch {
    return false;
  }
}

/** The key for many verifications. Throws for anything but an Ed25519 line. */
export function keyObject(publicKey: PublicKey): KeyObject {
  const x = keyBlob(publicKey).subarray(-32).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

/** The fingerprint of a key: the first 130 bits of SHA-256 over its blob, in lower-case base32 (26 characters). */
export function cellId(publicKey: PublicKey): CellId {
  return fingerprint(keyBlob(publicKey));
}

/** The first 130 bits of SHA-256 in lower-case base32: 26 characters. */
export function fingerprint(bytes: Uint8Array): string {
  return base32(createHash('sha256').update(bytes).digest()).slice(0, 26);
}

/** Whether a text is exactly one Ed25519 key line without options or comment, in the one way to write it. */
export function isPublicKey(text: unknown): text is PublicKey {
  if (typeof text !== 'string' || text.length > 100) return false;
  const blob = Buffer.from(text.slice(TYPE.length + 1), 'base64');
  return blob.length === BLOB_LENGTH && text === publicLine(blob.subarray(-32));
}

function keyBlob(publicKey: PublicKey): Buffer {
  const line = publicKey.split(' ').slice(0, 2).join(' ');
  if (!isPublicKey(line)) {
    throw new CellError('NOT_FOUND', 'This is no Ed25519 public key', {
      suggestion: 'Give a line such as: ssh-ed25519 AAAA…',
    });
  }
  return Buffer.from(line.slice(TYPE.length + 1), 'base64');
}

function publicLine(raw: Uint8Array): PublicKey {
  return `${TYPE} ${Buffer.concat([text(TYPE), text(raw)]).toString('base64')}`;
}

/** RFC 4648 base32 in lower case, without padding. */
function base32(bytes: Uint8Array): string {
  let out = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) out += BASE32[(held >> (bits - 5)) & 31];
  }
  return bits > 0 ? out + BASE32[(held << (5 - bits)) & 31] : out;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The format's string: its length in four bytes, then the bytes. */
function text(value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function encodePrivate(seed: Buffer, raw: Buffer): string {
  const check = randomBytes(4); // written twice: how a reader sees that a passphrase was right
  const open = Buffer.concat([check, check, text(TYPE), text(raw), text(Buffer.concat([seed, raw])), text('')]);
  const padding = Buffer.from(Array.from({ length: (8 - (open.length % 8)) % 8 }, (_, index) => index + 1));
  const blob = Buffer.concat([text(TYPE), text(raw)]);
  const body = [
    MAGIC,
    text('none'),
    text('none'),
    text(''),
    uint32(1),
    text(blob),
    text(Buffer.concat([open, padding])),
  ];
  const lines =
    Buffer.concat(body)
      .toString('base64')
      .match(/.{1,70}/g) ?? [];
  return `${[BEGIN, ...lines, END].join('\n')}\n`;
}

function decodePrivate(pem: string): { readonly seed: Buffer; readonly raw: Buffer } {
  try {
    const start = pem.indexOf(BEGIN);
    const end = pem.indexOf(END);
    if (start < 0 || end < start) throw new Error('no OpenSSH private key');
    const bytes = Buffer.from(pem.slice(start + BEGIN.length, end), 'base64');
    if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error('not in format openssh-key-v1');
    const outer = reader(bytes.subarray(MAGIC.length));
    if (outer.string().toString() !== 'none') throw new Error('it is protected by a passphrase');
    outer.string();
    outer.string();
    if (outer.uint32() !== 1) throw new Error('it holds several keys');
    outer.string();
    const inner = reader(outer.string());
    const check = inner.uint32();
    if (inner.uint32() !== check) throw new Error('its check numbers differ');
    if (inner.string().toString() !== TYPE) throw new Error('it is not an Ed25519 key');
    const raw = inner.string();
    const pair = inner.string();
    if (raw.length !== 32 || pair.length !== 64 || !pair.subarray(32).equals(raw)) throw new Error('its halves differ');
    return { seed: pair.subarray(0, 32), raw };
  } catch (cause) {
    throw new CellError('NOT_FOUND', 'The private key cannot be read', {
      why: cause instanceof Error ? cause.message : String(cause),
      suggestion: 'An unencrypted Ed25519 key in OpenSSH format is expected: ssh-keygen -t ed25519 -N "".',
    });
  }
}

function reader(bytes: Buffer) {
  let at = 0;
  const take = (length: number): Buffer => {
    if (at + length > bytes.length) throw new Error('it is cut off');
    at += length;
    return bytes.subarray(at - length, at);
  };
  const number = () => take(4).readUInt32BE();
  return { uint32: number, string: () => take(number()) };
}
