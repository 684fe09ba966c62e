/**
 * The embedded engine's checkpoint: what exists, and what was begun and is not known to have ended.
 *
 * On disk it is JSON with `v: 1`. Secret values are sealed with AES-256-GCM; the key comes by HKDF-SHA256 (RFC 5869)
 * from the stack's passphrase, which has 256 random bits, so a slow derivation would add nothing. The place of a value
 * is authenticated with it: a sealed value moved to another key or resource does not open.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { messageOf } from '../../src/errors.ts';
import type { Inputs } from '../handler.ts';
import type { Json } from '../stack.ts';
import { corrupt } from './failures.ts';
import { type StackHome, writeDurably } from './home.ts';

/** Values with the keys among them that are secret. In the clear: never leaves the process. */
export interface Values {
  readonly values: Inputs;
  readonly secret: readonly string[];
}

/** A resource that exists. */
export interface Known {
  readonly type: string;
  readonly name: string;
  readonly id: string;
  readonly inputs: Values;
  readonly outputs: Values;
}

/** An operation that was begun. A create may have made something that no id is known of. */
export interface Pending {
  readonly operation: 'create' | 'update' | 'delete';
  readonly type: string;
  readonly name: string;
  readonly inputs: Values;
}

export interface Checkpoint {
  /** In the order they were made; they are deleted in reverse. */
  readonly resources: readonly Known[];
  readonly pending: readonly Pending[];
}

const SEALED = '$sealed';
type Stored = { readonly [key: string]: Json };

/** Reads a stack's checkpoint: the last one, else the last good copy; null when there is none. */
export function readCheckpoint(stack: string, home: StackHome): Checkpoint | null {
  const file = home.checkpointFile;
  const copies = [file, backupOf(file)].filter((path) => existsSync(path));
  let first: unknown;
  for (const path of copies) {
    try {
      const passphrase = existsSync(home.passphraseFile) ? readFileSync(home.passphraseFile, 'utf8').trim() : '';
      return unsealCheckpoint(stack, JSON.parse(readFileSync(path, 'utf8')) as Json, passphrase);
    } catch (thrown) {
      first ??= thrown;
    }
  }
  if (copies.length === 0) return null;
  throw corrupt(file, messageOf(first));
}

/** Writes it, atomically; the one before stays beside it as the last good copy. */
export function writeCheckpoint(stack: string, home: StackHome, checkpoint: Checkpoint, passphrase: string): void {
  const text = `${JSON.stringify(sealCheckpoint(stack, checkpoint, passphrase), null, 1)}\n`;
  writeDurably(home.checkpointFile, text, backupOf(home.checkpointFile));
}

export function backupOf(file: string): string {
  return `${file}.bak`;
}

/** As it is stored and sent. */
export function sealCheckpoint(stack: string, checkpoint: Checkpoint, passphrase: string): Json {
  const salt = randomBytes(16);
  const key = keyOf(passphrase, salt);
  const seal = (place: string, { values, secret }: Values): Stored =>
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => {
        // A value that looks sealed is sealed too, so that reading it back is never a guess.
        const hide = secret.includes(name) || looksSealed(value);
        return [name, hide ? sealValue(key, `${stack}/${place}/${name}`, value) : value];
      }),
    );
  return {
    v: 1,
    stack,
    salt: salt.toString('base64'),
    resources: checkpoint.resources.map(({ inputs, outputs, ...known }) => ({
      ...known,
      inputs: seal(`${known.type}/${known.name}/inputs`, inputs),
      outputs: seal(`${known.type}/${known.name}/outputs`, outputs),
    })),
    pending: checkpoint.pending.map(({ inputs, ...pending }) => ({
      ...pending,
      inputs: seal(`${pending.type}/${pending.name}/pending`, inputs),
    })),
  };
}

/** Throws a plain Error that says what is wrong with it. */
export function unsealCheckpoint(stack: string, stored: Json, passphrase: string): Checkpoint {
  const { v, stack: name, salt, resources, pending } = object(stored, 'the checkpoint');
  if (v !== 1) throw new Error(`its version is ${String(v)}, expected 1`);
  if (name !== stack) throw new Error(`it is of stack ${String(name)}`);
  const key = keyOf(passphrase, Buffer.from(text(salt, 'salt'), 'base64'));
  const open = (place: string, values: Json | undefined): Values => {
    const secret: string[] = [];
    const opened = Object.entries(object(values, place)).map(([at, value]): [string, Json] => {
      if (!looksSealed(value)) return [at, value];
      secret.push(at);
      return [at, openValue(key, `${stack}/${place}/${at}`, value)];
    });
    return { values: Object.fromEntries(opened), secret };
  };
  return {
    resources: list(resources, 'resources').map((item) => {
      const { type, name, id, inputs, outputs } = object(item, 'a resource');
      const who = { type: text(type, 'type'), name: text(name, 'name'), id: text(id, 'id') };
      const place = `${who.type}/${who.name}`;
      return { ...who, inputs: open(`${place}/inputs`, inputs), outputs: open(`${place}/outputs`, outputs) };
    }),
    pending: list(pending, 'pending').map((item) => {
      const { operation, type, name, inputs } = object(item, 'a pending operation');
      const who = { type: text(type, 'type'), name: text(name, 'name') };
      if (operation !== 'create' && operation !== 'update' && operation !== 'delete') {
        throw new Error(`there is no operation ${String(operation)}`);
      }
      return { operation, ...who, inputs: open(`${who.type}/${who.name}/pending`, inputs) };
    }),
  };
}

function keyOf(passphrase: string, salt: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', passphrase, salt, 'cell checkpoint v1', 32));
}

function sealValue(key: Buffer, place: string, value: Json): Json {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: 16 }).setAAD(Buffer.from(place));
  const body = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()]);
  return { [SEALED]: Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64') };
}

function openValue(key: Buffer, place: string, sealed: Stored): Json {
  const bytes = Buffer.from(text(sealed[SEALED], SEALED), 'base64');
  try {
    const cipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), { authTagLength: 16 });
    cipher.setAAD(Buffer.from(place));
    cipher.setAuthTag(bytes.subarray(12, 28));
    return JSON.parse(Buffer.concat([cipher.update(bytes.subarray(28)), cipher.final()]).toString('utf8')) as Json;
  } catch (cause) {
    throw new Error(`the secret at ${place} does not open with the passphrase beside it`, { cause });
  }
}

function looksSealed(value: Json | undefined): value is Stored {
  return value !== null && typeof value === 'object' && !Array.isArray(value) && Object.hasOwn(value, SEALED);
}

function object(value: Json | undefined, what: string): Stored {
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Stored;
  throw new Error(`${what} is no object`);
}

function list(value: Json | undefined, what: string): readonly Json[] {
  if (Array.isArray(value)) return value as readonly Json[];
  throw new Error(`${what} is no list`);
}

function text(value: Json | undefined, what: string): string {
  if (typeof value === 'string') return value;
  throw new Error(`${what} is no text`);
}
