import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  cellId,
  ensureIdentity,
  generateHostKey,
  identityFrom,
  isPublicKey,
  loadIdentity,
  verify,
} from '../../src/effects/keys.ts';

function home(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cell-keys-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe('a key', () => {
  test('that we write is read by OpenSSH, and one that OpenSSH writes by us', () => {
    const folder = home();
    const identity = ensureIdentity(folder);
    expect(statSync(join(folder, 'key')).mode & 0o777).toBe(0o600);
    expect(
      execFileSync('ssh-keygen', ['-y', '-f', join(folder, 'key')])
        .toString()
        .trim(),
    ).toBe(identity.publicKey);
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'a comment', '-f', join(folder, 'theirs')]);
    const theirs = identityFrom(readFileSync(join(folder, 'theirs'), 'utf8'));
    expect(readFileSync(join(folder, 'theirs.pub'), 'utf8').startsWith(theirs.publicKey)).toBe(true);
  });

  test('is made once and kept', () => {
    const folder = home();
    expect(ensureIdentity(folder).id).toBe(ensureIdentity(folder).id);
    expect(loadIdentity(folder).publicKey).toBe(ensureIdentity(folder).publicKey);
    writeFileSync(join(folder, 'key'), 'damaged');
    expect(() => ensureIdentity(folder)).toThrow(/cannot be read/);
  });

  test('shows its private half in no log and no JSON', () => {
    const identity = identityFrom(generateHostKey().privatePem);
    expect(identity.privatePem).toMatch(/PRIVATE KEY/);
    expect(JSON.stringify(identity)).not.toMatch(/PRIVATE/);
    expect(Object.keys(identity)).not.toContain('privatePem');
  });

  test('signs, and any change shows', () => {
    const identity = identityFrom(generateHostKey().privatePem);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, at, flip) => {
        const sig = identity.sign(bytes);
        expect(verify(identity.publicKey, bytes, sig)).toBe(true);
        const changed = Uint8Array.from(bytes);
        changed[at % bytes.length]! ^= flip;
        expect(verify(identity.publicKey, changed, sig)).toBe(false);
        sig[at % 64]! ^= flip;
        expect(verify(identity.publicKey, bytes, sig)).toBe(false);
      }),
      { numRuns: 50 },
    );
    expect(verify('ssh-ed25519 AAAA', Buffer.from('x'), Buffer.alloc(64))).toBe(false);
  });
});

test('an id is 26 base32 characters of the hash of the key, as OpenSSH hashes it', () => {
  const folder = home();
  const { publicKey, id } = ensureIdentity(folder);
  writeFileSync(join(folder, 'key.pub'), `${publicKey} comment\n`);
  const [, said] = execFileSync('ssh-keygen', ['-l', '-f', join(folder, 'key.pub')])
    .toString()
    .split(' ');
  const hash = Buffer.from(said!.replace('SHA256:', ''), 'base64');
  const bits = [...hash]
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('')
    .slice(0, 130);
  const expected = bits
    .match(/.{5}/g)!
    .map((five) => 'abcdefghijklmnopqrstuvwxyz234567'[Number.parseInt(five, 2)])
    .join('');
  expect(id).toBe(expected);
  expect(cellId(`${publicKey} comment`)).toBe(id);
});

test.each([
  ['', false],
  ['ssh-ed25519 AAAA', false],
  [`${generateHostKey().publicKey} comment`, false],
  [`${generateHostKey().publicKey}\n`, false],
  [generateHostKey().publicKey, true],
  [null, false],
])('%j is a public key: %s', (text, expected) => {
  expect(isPublicKey(text)).toBe(expected);
});
