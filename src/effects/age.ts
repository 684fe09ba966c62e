/** The age identity of a home: what is encrypted to it can be read here only. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere, writeAtomic } from './files.ts';
import { decrypt, generateRecipient } from './vault.ts';

/** Makes the identity, once. */
export async function createRecipient(home: string): Promise<void> {
  if ((await readIfThere(join(home, 'age.key'))) !== null) return;
  const fresh = await generateRecipient();
  // The public half first: whoever finds the private one finds both.
  await writeAtomic(join(home, 'age.pub'), `${fresh.recipient}\n`);
  await writeAtomic(join(home, 'age.key'), `${fresh.identity}\n`, 0o600);
}

export async function recipientOf(home: string): Promise<string> {
  return (await readFile(join(home, 'age.pub'), 'utf8')).trim();
}

/** Opens what was sealed to this home. Throws when it was not, or was changed. */
export async function unseal(home: string, bytes: Uint8Array): Promise<Buffer> {
  return decrypt((await readFile(join(home, 'age.key'), 'utf8')).trim(), bytes);
}
