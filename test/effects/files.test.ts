import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  diffManifest,
  type ManifestEntry,
  manifest,
  readIfThere,
  readJson,
  writeAtomic,
  writeIfChanged,
} from '../../src/effects/files.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cell-files-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});
const at = (...parts: string[]) => join(folder, ...parts);

describe('writeAtomic', () => {
  it('makes folders, sets the exact mode whatever the umask, leaves nothing beside', async () => {
    await writeAtomic(at('a/b/file'), 'one', 0o666);
    expect(statSync(at('a/b/file')).mode & 0o777).toBe(0o666);
    await writeAtomic(at('a/b/file'), 'two', 0o600);
    expect(readFileSync(at('a/b/file'), 'utf8')).toBe('two');
    expect(statSync(at('a/b/file')).mode & 0o777).toBe(0o600);
    expect(readdirSync(at('a/b'))).toEqual(['file']);
  });

  it('leaves nothing behind when it fails', async () => {
    mkdirSync(at('taken/full'), { recursive: true });
    await expect(writeAtomic(at('taken'), 'x')).rejects.toThrow();
    expect(readdirSync(folder)).toEqual(['taken']);
  });

  it('never shows half a file to a reader', async () => {
    const texts = ['a', 'b'].map((letter) => letter.repeat(200_000));
    await writeAtomic(at('f'), texts[0] as string);
    let writing = true;
    const writer = (async () => {
      for (let i = 0; i < 20; i++) await writeAtomic(at('f'), texts[i % 2] as string);
      writing = false;
    })();
    while (writing) {
      expect(texts).toContain(readFileSync(at('f'), 'utf8'));
      await new Promise((next) => setImmediate(next));
    }
    await writer;
  });

  it('is skipped when nothing changed, but for a mode that is wrong', async () => {
    expect(await writeIfChanged(at('f'), 'x', 0o600)).toBe(true);
    const { ino } = statSync(at('f'));
    expect(await writeIfChanged(at('f'), 'x', 0o600)).toBe(false);
    expect(statSync(at('f')).ino).toBe(ino);
    chmodSync(at('f'), 0o644);
    expect(await writeIfChanged(at('f'), 'x', 0o600)).toBe(true);
    expect(statSync(at('f')).mode & 0o777).toBe(0o600);
  });
});

describe('readJson', () => {
  it('gives the fallback for no file, and only on request for a broken one', async () => {
    expect(await readJson(at('none'), 7)).toBe(7);
    expect(await readIfThere(at('none'))).toBeNull();
    await writeAtomic(at('bad'), '{"a":');
    await expect(readJson(at('bad'), 7)).rejects.toMatchObject({ code: 'CHECKPOINT_CORRUPT' });
    expect(await readJson(at('bad'), 7, 'fallback')).toBe(7);
  });
});

describe('manifest', () => {
  it('lists files and links in order, and leaves out what cannot be copied', async () => {
    mkdirSync(at('data/deep/empty'), { recursive: true });
    writeFileSync(at('data/b'), 'bb');
    writeFileSync(at('data/deep/a'), 'a');
    writeFileSync(at('outside'), 'x');
    symlinkSync('../outside', at('data/link'));
    const server = createServer();
    await new Promise<void>((done) => server.listen(at('data/socket'), done));
    try {
      const files = await manifest(folder, ['./data', 'data/b', 'missing'], { hash: true });
      expect(files.map((file) => [file.path, file.size, file.link])).toEqual([
        ['data', 0, undefined],
        ['data/b', 2, undefined],
        ['data/deep', 0, undefined],
        ['data/deep/a', 1, undefined],
        ['data/deep/empty', 0, undefined],
        ['data/link', 10, '../outside'],
      ]);
      expect(files[1]?.sha256).toMatch(/^[0-9a-f]{64}$/);
      expect((await manifest(folder, ['.'])).map((file) => file.path)).toContain('data/deep/a');
    } finally {
      await new Promise((done) => server.close(done));
    }
  });

  it.each(['..', '../x', '/etc', 'a/../../b'])('refuses %s', async (path) => {
    await expect(manifest(folder, [path])).rejects.toMatchObject({ code: 'NOT_ALLOWED' });
  });

  it('tells what to copy in a second pass', async () => {
    for (const name of ['same', 'grown', 'gone', 'mode', 'touched']) writeFileSync(at(name), 'x');
    const before = await manifest(folder, ['.']);
    writeFileSync(at('grown'), 'xx');
    writeFileSync(at('new'), '');
    chmodSync(at('mode'), 0o700);
    utimesSync(at('touched'), 1, 1);
    rmSync(at('gone'));
    expect(diffManifest(before, await manifest(folder, ['.']))).toEqual({
      changed: ['grown', 'mode', 'new', 'touched'],
      removed: ['gone'],
    });
  });

  it('with hashes, a touched file with the same bytes is not changed', () => {
    const a: ManifestEntry = { path: 'f', size: 1, mtimeMs: 1, mode: 0o644, sha256: 'aa' };
    expect(diffManifest([a], [{ ...a, mtimeMs: 2 }]).changed).toEqual([]);
    expect(diffManifest([a], [{ ...a, sha256: 'bb' }]).changed).toEqual(['f']);
  });

  it('applying a difference gives the other', () => {
    const entry = fc.record({ size: fc.nat(2), mtimeMs: fc.nat(2), mode: fc.constantFrom(0o600, 0o644) });
    const tree = fc
      .dictionary(fc.constantFrom('a', 'b', 'c', 'd/e'), entry)
      .map((files) => Object.entries(files).map(([path, rest]) => ({ path, ...rest })));
    fc.assert(
      fc.property(tree, tree, (a, b) => {
        const { changed, removed } = diffManifest(a, b);
        const result = new Map(a.map((file) => [file.path, file]));
        for (const path of removed) expect(result.delete(path)).toBe(true);
        for (const file of b) if (changed.includes(file.path)) result.set(file.path, file);
        expect([...result.values()].sort((x, y) => x.path.localeCompare(y.path))).toEqual(
          [...b].sort((x, y) => x.path.localeCompare(y.path)),
        );
        expect(diffManifest(b, b)).toEqual({ changed: [], removed: [] });
      }),
    );
  });
});
