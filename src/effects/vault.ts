/**
 * Secrets that travel: encrypted with age to the cells that may need them. The library is loaded when first needed, so
 * that an idle tick never pays for it.
 */
import { CellError, messageOf } from '../errors.ts';

/** A new age pair: the recipient is public and goes into the lineage, the identity stays in its home (mode 0600). */
export async function generateRecipient(): Promise<{ readonly identity: string; readonly recipient: string }> {
  const age = await import('age-encryption');
  const identity = await age.generateX25519Identity();
  return { identity, recipient: await age.identityToRecipient(identity) };
}

/** Encrypts to every recipient (`age1…`); any one of them can read it. Throws NOT_ALLOWED without one. */
export async function encrypt(recipients: readonly string[], bytes: Uint8Array): Promise<Buffer> {
  const unique = [...new Set(recipients)];
  if (unique.length === 0) throw new CellError('NOT_ALLOWED', 'Nobody could read what is encrypted to no recipient');
  const { Encrypter } = await import('age-encryption');
  const encrypter = new Encrypter();
  for (const recipient of unique) encrypter.addRecipient(recipient);
  return Buffer.from(await encrypter.encrypt(bytes));
}

/** Decrypts with an age identity (`AGE-SECRET-KEY-…`). Throws CHECKPOINT_CORRUPT when it is not for us or was changed. */
export async function decrypt(identity: string, bytes: Uint8Array): Promise<Buffer> {
  const { Decrypter } = await import('age-encryption');
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity.trim());
  try {
    return Buffer.from(await decrypter.decrypt(bytes));
  } catch (cause) {
    throw new CellError('CHECKPOINT_CORRUPT', 'An encrypted file cannot be read', {
      why: messageOf(cause),
      suggestion: 'It was encrypted to other cells, or changed on its way. `git log` in memory.git says who wrote it.',
      cause,
    });
  }
}
