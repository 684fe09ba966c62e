import { expect, test } from 'vitest';
import { decrypt, encrypt, generateRecipient } from '../../src/effects/vault.ts';

test('any recipient reads what was encrypted to several, nobody else does, and a change shows', async () => {
  const [one, two, three] = await Promise.all([generateRecipient(), generateRecipient(), generateRecipient()]);
  const sealed = await encrypt([one.recipient, two.recipient, one.recipient], Buffer.from('secret'));
  expect(sealed.includes('secret')).toBe(false);
  expect((await decrypt(one.identity, sealed)).toString()).toBe('secret');
  expect((await decrypt(`${two.identity}\n`, sealed)).toString()).toBe('secret');
  await expect(decrypt(three.identity, sealed)).rejects.toMatchObject({ code: 'CHECKPOINT_CORRUPT' });
  sealed[sealed.length - 1]! ^= 1;
  await expect(decrypt(one.identity, sealed)).rejects.toMatchObject({ code: 'CHECKPOINT_CORRUPT' });
});

test('nothing is encrypted to nobody', async () => {
  await expect(encrypt([], Buffer.from('x'))).rejects.toMatchObject({ code: 'NOT_ALLOWED' });
});
