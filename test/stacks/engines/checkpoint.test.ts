import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CellError } from '../../../src/errors.ts';
import {
  backupOf,
  type Checkpoint,
  readCheckpoint,
  sealCheckpoint,
  unsealCheckpoint,
  writeCheckpoint,
} from '../../../stacks/engines/checkpoint.ts';
import { passphraseOf, type StackHome, stackHome } from '../../../stacks/engines/home.ts';
import type { Json } from '../../../stacks/stack.ts';

let base: string;
let home: StackHome;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'cell-checkpoint-'));
  home = stackHome(base, 'embedded', 'garden');
});

afterEach(() => rmSync(base, { recursive: true, force: true }));

const one = (id: string, inputs: Record<string, Json> = { open: 1, hidden: 'a secret' }): Checkpoint => ({
  resources: [
    {
      type: 'cell:x:Thing',
      name: 'a',
      id,
      inputs: { values: inputs, secret: ['hidden'] },
      outputs: { values: {}, secret: [] },
    },
  ],
  pending: [
    {
      operation: 'create',
      type: 'cell:x:Thing',
      name: 'b',
      inputs: { values: { hidden: 'other' }, secret: ['hidden'] },
    },
  ],
});

const thrownBy = (work: () => unknown): CellError => {
  try {
    work();
  } catch (thrown) {
    return thrown as CellError;
  }
  throw new Error('it did not throw');
};

test('whatever is sealed opens again, and shows no secret', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.uuid(), (values, secret) => {
      const inputs = { ...(JSON.parse(JSON.stringify(values)) as Record<string, Json>), hidden: [secret] };
      const checkpoint = one('1', inputs);
      const sealed = sealCheckpoint('garden', checkpoint, 'passphrase');
      expect(JSON.stringify(sealed)).not.toContain(secret);
      const opened = unsealCheckpoint('garden', JSON.parse(JSON.stringify(sealed)) as Json, 'passphrase');
      expect(opened.resources[0]?.inputs.values).toEqual(inputs);
      expect(opened.resources[0]?.inputs.secret).toContain('hidden');
      expect(opened.pending).toEqual(checkpoint.pending);
    }),
  );
});

test('a plain value that looks sealed comes back as it was', () => {
  const inputs = { odd: { $sealed: 'not really' }, hidden: 'x' };
  const sealed = sealCheckpoint('garden', one('1', inputs), 'p');
  expect(unsealCheckpoint('garden', sealed, 'p').resources[0]?.inputs.values).toEqual(inputs);
});

test('a sealed value opens in its own place only, and with its passphrase', () => {
  const sealed = JSON.parse(JSON.stringify(sealCheckpoint('garden', one('1'), 'p')));
  expect(() => unsealCheckpoint('garden', sealed, 'q')).toThrow(/does not open/);
  const moved = structuredClone(sealed);
  moved.resources[0].inputs.open = moved.resources[0].inputs.hidden;
  expect(() => unsealCheckpoint('garden', moved, 'p')).toThrow(/inputs\/open/);
  const bytes = Buffer.from(sealed.resources[0].inputs.hidden.$sealed, 'base64');
  bytes[bytes.length - 1]! ^= 1;
  sealed.resources[0].inputs.hidden.$sealed = bytes.toString('base64');
  expect(() => unsealCheckpoint('garden', sealed, 'p')).toThrow(/does not open/);
});

test('the passphrase is made once, for its owner only, and each stack has its own', () => {
  const passphrase = passphraseOf(home);
  expect(passphrase.length).toBeGreaterThanOrEqual(43);
  expect(passphraseOf(home)).toBe(passphrase);
  expect(statSync(home.passphraseFile).mode & 0o777).toBe(0o600);
  expect(passphraseOf(stackHome(base, 'embedded', 'other'))).not.toBe(passphrase);
});

test('there is none before the first is written', () => {
  expect(readCheckpoint('garden', home)).toBeNull();
});

test.each<[string, (file: string) => void]>([
  ['cut short', (file) => truncateSync(file, 40)],
  ['empty', (file) => truncateSync(file, 0)],
  ['gone', (file) => rmSync(file)],
  ['of a later version', (file) => writeFileSync(file, readFileSync(file, 'utf8').replace('"v": 1', '"v": 2'))],
  ['of another stack', (file) => writeFileSync(file, readFileSync(file, 'utf8').replace('garden', 'forest'))],
  ['something else', (file) => writeFileSync(file, '[]')],
])('when the last one is %s, the one before it counts', (_how, spoil) => {
  const passphrase = passphraseOf(home);
  writeCheckpoint('garden', home, one('1'), passphrase);
  writeCheckpoint('garden', home, one('2'), passphrase);
  expect(readCheckpoint('garden', home)?.resources[0]?.id).toBe('2');
  spoil(home.checkpointFile);
  expect(readCheckpoint('garden', home)?.resources[0]?.id).toBe('1');
});

test('with no good copy, the error says which file and what to do', () => {
  writeCheckpoint('garden', home, one('1'), passphraseOf(home));
  writeFileSync(home.checkpointFile, '{"v": 1');
  expect(existsSync(backupOf(home.checkpointFile))).toBe(false);
  const error = thrownBy(() => readCheckpoint('garden', home));
  expect(error.code).toBe('CHECKPOINT_CORRUPT');
  expect(error.message).toContain(home.checkpointFile);
  expect(error.suggestion).toContain('backup');
});

test('without its passphrase it is not taken for an empty one', () => {
  writeCheckpoint('garden', home, one('1'), passphraseOf(home));
  rmSync(home.passphraseFile);
  expect(thrownBy(() => readCheckpoint('garden', home)).code).toBe('CHECKPOINT_CORRUPT');
});

test.each(['', '../up', 'a/b', '.hidden', 'x'.repeat(101), 'a b'])('%j is no name for a stack', (name) => {
  expect(thrownBy(() => stackHome(base, 'embedded', name)).code).toBe('USAGE');
});
