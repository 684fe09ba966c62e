/** Artefacts by content: what a cell hands on is what it was given, or it hands on nothing. */
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { folderArtefact } from '../../src/effects/artefacts.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cell-artefacts-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function stored(): Promise<string> {
  const draft = join(dir, 'draft');
  mkdirSync(join(draft, 'dist'), { recursive: true });
  writeFileSync(join(draft, 'dist/a.js'), 'export const a = 1;\n');
  writeFileSync(join(draft, 'package.json'), '{}\n');
  const { hash } = await folderArtefact('cli', draft, ['dist', 'package.json']);
  const folder = join(dir, hash);
  renameSync(draft, folder);
  return folder;
}

describe('an artefact in a store', () => {
  it('has the checksum it is named by, wherever it lies', async () => {
    const folder = await stored();
    const { hash, files } = await folderArtefact('cli', folder, ['dist', 'package.json']);
    expect(folder.endsWith(hash)).toBe(true);
    expect(files.map(({ path }) => path)).toEqual(['dist/a.js', 'package.json']);
    cpSync(folder, join(dir, 'checkout'), { recursive: true });
    expect((await folderArtefact('cli', join(dir, 'checkout'), ['dist', 'package.json'])).hash).toBe(hash);
  });

  it('is not handed on when it was cut short since', async () => {
    const folder = await stored();
    truncateSync(join(folder, 'dist/a.js'), 3);
    await expect(folderArtefact('cli', folder, ['dist', 'package.json'])).rejects.toMatchObject({
      code: 'ARTEFACT_CORRUPT',
    });
  });

  it('is not handed on when a file of it is gone', async () => {
    const folder = await stored();
    rmSync(join(folder, 'dist/a.js'));
    await expect(folderArtefact('cli', folder, ['dist', 'package.json'])).rejects.toMatchObject({
      code: 'ARTEFACT_CORRUPT',
    });
  });
});
