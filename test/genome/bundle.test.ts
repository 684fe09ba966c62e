import { chmod, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GENOME_FILE, genomeFiles, genomeHash } from '../../genome/bundle.ts';
import { GARDEN, gardenGenome } from './garden.ts';

let outer: string;
let folder: string;
const file = () => join(folder, 'genome.yaml');
const genome = gardenGenome(
  GARDEN.replace('    run: node server.js\n', '    run: node server.js\n    source: ./functions/web/\n'),
);

async function write(path: string, content: string) {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), content);
}

beforeEach(async () => {
  outer = await mkdtemp(join(tmpdir(), 'cell-bundle-'));
  folder = join(outer, 'garden');
  await write('genome.yaml', GARDEN);
  await write('functions/web/server.js', 'listen()');
  await write('functions/web/lib/deep/a.js', 'a');
});
afterEach(() => rm(outer, { recursive: true, force: true }));

const paths = async () => (await genomeFiles(file(), genome)).map((entry) => entry.path);

describe('the files that a genome carries', () => {
  it('are its text and its sources, sorted, without what tools and we keep there', async () => {
    await write('functions/web/node_modules/x/index.js', 'x');
    await write('functions/web/.git/config', 'x');
    await write('functions/web/.cell/key', 'x');
    await write('elsewhere.js', 'x');
    expect(await paths()).toEqual(['functions/web/lib/deep/a.js', 'functions/web/server.js', GENOME_FILE]);
  });

  it('the genome is called the same whatever its file is called', async () => {
    await write('other.yaml', GARDEN);
    expect((await genomeFiles(join(folder, 'other.yaml'), genome)).map((entry) => entry.path)).toContain('genome.yaml');
  });

  it('keep whether they can be run, and nothing else of their mode', async () => {
    await chmod(join(folder, 'functions/web/server.js'), 0o700);
    await chmod(join(folder, 'functions/web/lib/deep/a.js'), 0o600);
    const modes = Object.fromEntries((await genomeFiles(file(), genome)).map((entry) => [entry.path, entry.mode]));
    expect(modes).toEqual({
      'functions/web/lib/deep/a.js': 0o644,
      'functions/web/server.js': 0o755,
      'genome.yaml': 0o644,
    });
  });

  it('a link that stays inside is carried as what it points at', async () => {
    await symlink('server.js', join(folder, 'functions/web/same.js'));
    await symlink('lib', join(folder, 'functions/web/library'));
    const files = await genomeFiles(file(), genome);
    expect(files.find((entry) => entry.path === 'functions/web/same.js')?.content.toString()).toBe('listen()');
    expect(files.map((entry) => entry.path)).toContain('functions/web/library/deep/a.js');
  });

  it('a link that leaves is refused by its name', async () => {
    await writeFile(join(outer, 'secret'), 'secret');
    await symlink(join(outer, 'secret'), join(folder, 'functions/web/leak'));
    await expect(genomeFiles(file(), genome)).rejects.toMatchObject({
      code: 'NOT_ALLOWED',
      message: expect.stringContaining('functions/web/leak'),
    });
  });

  it('a link into a folder that holds it is refused rather than followed for ever', async () => {
    await symlink('..', join(folder, 'functions/web/lib/up'));
    await expect(genomeFiles(file(), genome)).rejects.toMatchObject({
      code: 'NOT_ALLOWED',
      message: expect.stringContaining('lib/up'),
    });
  });

  it('a source that is missing or no folder is named', async () => {
    await rm(join(folder, 'functions'), { recursive: true });
    await expect(genomeFiles(file(), genome)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('./functions/web/'),
    });
    await write('functions/web', 'a file');
    await expect(genomeFiles(file(), genome)).rejects.toMatchObject({
      code: expect.stringMatching(/NOT_ALLOWED|NOT_FOUND/),
    });
  });

  it('too much is refused with the limit, before it is read', async () => {
    await write('functions/web/huge.bin', '');
    await truncate(join(folder, 'functions/web/huge.bin'), 3 * 1024 ** 3);
    await expect(genomeFiles(file(), genome)).rejects.toMatchObject({
      code: 'NOT_ALLOWED',
      why: expect.stringContaining('64 MiB'),
      fields: { path: 'functions/web/huge.bin' },
    });
  });
});

describe('the hash of a genome', () => {
  it('is the same for the same files in any order, and another for any change', async () => {
    const files = await genomeFiles(file(), genome);
    const hash = genomeHash(files);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(genomeHash(files.toReversed())).toBe(hash);
    const [first, ...rest] = files;
    if (first === undefined) throw new Error('no files');
    const others = [
      rest,
      [{ ...first, mode: 0o755 }, ...rest],
      [{ ...first, path: `${first.path}x` }, ...rest],
      [{ ...first, content: Buffer.from('b') }, ...rest],
    ];
    expect(new Set([hash, ...others.map(genomeHash)]).size).toBe(5);
  });
});
