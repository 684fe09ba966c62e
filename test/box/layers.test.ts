/** Layers: what a box takes from a machine, and from whom; who gets it, and when it goes. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { placesOf } from '../../src/box/files.ts';
import { bakeLayers } from '../../src/box/layers.ts';
import { createMachine, removeMachine } from '../../src/box/machines.ts';
import { folderArtefact } from '../../src/effects/artefacts.ts';
import { openYard, type Yard } from './support.ts';

let yard: Yard;
/** The lower folders that each machine was laid over, by the end of its root. */
let laid: Record<string, readonly string[]>;
beforeEach(() => {
  yard = openYard();
  laid = {};
  const { overlay } = yard.host;
  Object.assign(yard.host, {
    overlay: async (lower: readonly string[], upper: string, work: string, root: string) => {
      laid[root.split('/').at(-2) ?? ''] = lower;
      await overlay(lower, upper, work, root);
    },
  });
});
afterEach(() => yard.close());

const make = (birth: string, organism = 'lab') => createMachine(yard, organism, 9, yard.order(birth));
const bake = (birth: string, ...hashes: readonly string[]) => bakeLayers(yard, 'lab', { birth, hashes });
const storeOf = (id: string) => join(placesOf(yard.dir, id).root, 'opt/cell/store');
const layers = (organism = 'lab') => {
  const folder = join(yard.dir, 'layers', organism);
  return existsSync(folder) ? readdirSync(folder).filter((name) => name !== 'current.json') : [];
};

/** Puts an artefact into a machine's store, as an imprint does. */
async function give(id: string, text: string): Promise<string> {
  const draft = join(storeOf(id), 'draft');
  mkdirSync(join(draft, 'dist'), { recursive: true });
  writeFileSync(join(draft, 'dist/a.js'), text);
  writeFileSync(join(draft, 'node'), '#!/bin/sh\n');
  chmodSync(join(draft, 'node'), 0o4755);
  const { hash } = await folderArtefact('cli', draft, ['dist', 'node']);
  renameSync(draft, join(storeOf(id), hash));
  return hash;
}

describe('what is baked', () => {
  test('is under the next machine of that organism, and under no other', async () => {
    await make('b1');
    const hash = await give('lab-b1', 'one');
    expect(await bake('b1', hash)).toEqual([hash]);
    const layer = join(yard.dir, 'layers/lab', hash);
    expect(await make('b2')).toMatchObject({ layers: [hash] });
    expect(laid['lab-b2']).toEqual([layer, join(yard.dir, 'images/debian-13')]);
    expect(await make('b2', 'other')).not.toHaveProperty('layers');
    expect(laid['other-b2']).toEqual([join(yard.dir, 'images/debian-13')]);
    const kept = join(layer, 'opt/cell/store', hash);
    expect(readFileSync(join(kept, 'dist/a.js'), 'utf8')).toBe('one');
    expect(statSync(join(kept, 'node')).mode & 0o7777).toBe(0o755);
    expect(readdirSync(layer)).toEqual(['opt']);
  });

  test('leaves out what a cell that runs keeps beside it', async () => {
    await make('b1');
    const hash = await give('lab-b1', 'one');
    const compiled = join(storeOf('lab-b1'), hash, '.cache/v24');
    mkdirSync(compiled, { recursive: true });
    writeFileSync(join(compiled, '011f7fdd'), 'compiled');
    expect(await bake('b1', hash)).toEqual([hash]);
    expect(readdirSync(join(yard.dir, 'layers/lab', hash, 'opt/cell/store', hash)).sort()).toEqual(['dist', 'node']);
  });

  test('is not copied twice', async () => {
    await make('b1');
    const hash = await give('lab-b1', 'one');
    await bake('b1', hash);
    const { ino } = statSync(join(yard.dir, 'layers/lab', hash));
    await bake('b1', hash);
    expect(statSync(join(yard.dir, 'layers/lab', hash)).ino).toBe(ino);
  });

  test('stays for as long as a machine needs it, and goes with the last', async () => {
    await make('b1');
    const [one, two] = [await give('lab-b1', 'one'), await give('lab-b1', 'two')];
    await bake('b1', one);
    await make('b2');
    await bake('b1', two);
    expect(layers()).toEqual([one, two].sort());
    expect(await make('b3')).toMatchObject({ layers: [two] });
    await removeMachine(yard, 'lab-b2');
    expect(layers()).toEqual([two]);
    await bake('b1');
    expect(layers()).toEqual([two]);
    expect(await make('b4')).not.toHaveProperty('layers');
    for (const birth of ['b1', 'b3', 'b4']) await removeMachine(yard, `lab-${birth}`);
    expect(readdirSync(join(yard.dir, 'layers'))).toEqual([]);
  });

  test('begins anew after one that was killed', async () => {
    await make('b1');
    const hash = await give('lab-b1', 'one');
    mkdirSync(join(yard.dir, 'layers/lab', `.new-${hash}`, 'opt/cell/store', hash, 'dist'), { recursive: true });
    await bake('b1', hash);
    expect(layers()).toEqual([hash]);
  });
});

describe('refused', () => {
  const SOME = 'f'.repeat(64);

  test('from a machine that does not run', async () => {
    await expect(bake('b1', SOME)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(existsSync(join(yard.dir, 'layers'))).toBe(false);
  });

  test('an artefact that is not there', async () => {
    await make('b1');
    await expect(bake('b1', SOME)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(layers()).toEqual([]);
  });

  test.each([
    ['other content', (folder: string) => writeFileSync(join(folder, 'dist/a.js'), 'two')],
    ['a file too many', (folder: string) => writeFileSync(join(folder, 'dist/b.js'), '')],
    ['a link in the place of a file', (folder: string) => replace(folder, 'dist/a.js', '/etc/passwd')],
    ['a link in the place of a folder', (folder: string) => replace(folder, 'dist', '/etc')],
    ['a pipe', (folder: string) => pipe(folder, 'dist/a.js')],
  ])('%s under its name', async (_, change) => {
    await make('b1');
    const hash = await give('lab-b1', 'one');
    change(join(storeOf('lab-b1'), hash));
    await expect(bake('b1', hash)).rejects.toMatchObject({ code: 'ARTEFACT_CORRUPT' });
    expect(layers()).toEqual([]);
    expect(await make('b2')).not.toHaveProperty('layers');
  });

  test.each(['opt', 'opt/cell', 'opt/cell/store'])('%s as a link to where the box has something', async (path) => {
    await make('b1');
    const hash = await give('lab-b1', 'one');
    const { root } = placesOf(yard.dir, 'lab-b1');
    const elsewhere = join(yard.dir, 'elsewhere');
    renameSync(join(root, path), elsewhere);
    symlinkSync(elsewhere, join(root, path));
    await expect(bake('b1', hash)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      why: expect.stringMatching(/ELOOP|ENOTDIR/),
    });
    expect(layers()).toEqual([]);
  });

  function replace(folder: string, path: string, by: string): void {
    renameSync(join(folder, path), join(folder, '..', 'aside'));
    symlinkSync(by, join(folder, path));
  }

  function pipe(folder: string, path: string): void {
    renameSync(join(folder, path), join(folder, '..', 'aside'));
    execFileSync('mkfifo', [join(folder, path)]);
  }
});

test('an empty artefact is known by its hash like any other', async () => {
  await make('b1');
  const hash = createHash('sha256').update('').digest('hex');
  mkdirSync(join(storeOf('lab-b1'), hash), { recursive: true });
  expect(await bake('b1', hash)).toEqual([hash]);
});
