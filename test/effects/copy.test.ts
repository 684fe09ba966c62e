/** Copies between two folders by a Remote that is a shell on this computer, as another user with a tight umask. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pull, push, workOf } from '../../src/effects/copy.ts';
import { manifest } from '../../src/effects/files.ts';
import type { Remote } from '../../src/effects/ssh.ts';
import { shellRemote } from './remote.support.ts';

/** Where this runs as root, the other side does not: root's tar keeps modes by itself and opens every folder. */
const OTHER = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
const DATA = ['data'];

let base: string;
let here: string;
let there: string;
/** Lines that the other side ran. */
let ran: string[];
/** Called before a line runs. */
let before: (line: string) => void;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'cell-copy-'));
  chmodSync(base, 0o755);
  here = join(base, 'here');
  there = join(base, 'there');
  for (const folder of [here, there]) mkdirSync(folder);
  if (OTHER.uid !== undefined) chownSync(there, OTHER.uid, OTHER.gid);
  ran = [];
  before = () => {};
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

/** A shell on this computer that another user has. */
const remote = shellRemote({
  uid: OTHER.uid,
  gid: OTHER.gid,
  umask: '077',
  before: (line) => {
    ran.push(line);
    before(line);
  },
});

function write(root: string, path: string, text: string, mode = 0o644): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
}

/** Everything below a folder: kind and mode, and text or target. */
async function contents(folder: string): Promise<Record<string, string>> {
  const files = await manifest(folder, ['.']);
  return Object.fromEntries(
    files.map(({ path, mode, folder: isFolder, link }) => {
      const what = isFolder ? 'folder' : link === undefined ? readFileSync(join(folder, path), 'utf8') : `-> ${link}`;
      return [path, link === undefined ? `${mode.toString(8)} ${what}` : what];
    }),
  );
}

const pushAll = async () => push(remote, here, there, DATA, await manifest(there, DATA));
const pullAll = async () => pull(remote, there, here, DATA, await manifest(there, DATA));

const ODD = ['a b', '-rf', '--help', '*', "it's", '"', '$HOME', 'new\nline', '\\', 'ünï😀', ' ', '\t', '.hidden', '@x'];

describe.each(['push', 'pull'])('%s', (direction) => {
  const from = () => (direction === 'push' ? here : there);
  const to = () => (direction === 'push' ? there : here);
  const copy = () => (direction === 'push' ? pushAll() : pullAll());

  /** The other user's, where the other side has them. */
  const own = () => {
    if (OTHER.uid !== undefined) execFileSync('chown', ['-hR', `${OTHER.uid}:${OTHER.gid}`, there]);
  };

  it('carries odd names, empty files and folders, links, modes and times', async () => {
    for (const name of ODD) write(from(), `data/${name}`, name, 0o640);
    for (const name of ODD) write(from(), `data/in/${name}/${name}`, '');
    write(from(), 'data/run', '#!/bin/sh\n', 0o755);
    write(from(), 'data/open', 'x', 0o666);
    mkdirSync(join(from(), 'data/empty/deep'), { recursive: true });
    chmodSync(join(from(), 'data/empty'), 0o700);
    chmodSync(join(from(), 'data'), 0o750);
    symlinkSync('../nowhere', join(from(), 'data/dangling'));
    symlinkSync('in', join(from(), 'data/link'));
    utimesSync(join(from(), 'data/run'), 1_000_000_000.25, 1_000_000_000.25);
    write(from(), 'beside', 'not asked for');
    own();
    const result = await copy();
    expect(result).toMatchObject({ files: 2 * ODD.length + 4, removed: 0 });
    const { beside: _beside, ...wanted } = await contents(from());
    expect(await contents(to())).toEqual(wanted);
    expect(lstatSync(join(to(), 'data/run')).mtimeMs).toBe(1_000_000_000_250);
    ran = [];
    expect(await copy()).toEqual({ files: 0, bytes: 0, removed: 0 });
    expect(ran).toEqual([]);
  });

  it('a second pass brings what changed, and takes away what is gone', async () => {
    for (const name of ODD) write(from(), `data/${name}`, name);
    for (const name of ['same', 'grown', 'mode', 'gone/deep/a', 'gone/b']) write(from(), `data/${name}`, 'x');
    own();
    await copy();
    for (const name of ODD.slice(0, 7)) rmSync(join(from(), 'data', name));
    rmSync(join(from(), 'data/gone'), { recursive: true });
    write(from(), 'data/grown', 'xx');
    write(from(), 'data/new/file', '');
    chmodSync(join(from(), 'data/mode'), 0o600);
    own();
    expect(await copy()).toEqual({ files: 3, bytes: 3, removed: 9 });
    expect(await contents(to())).toEqual(await contents(from()));
  });

  it('what became another kind of thing is replaced, and nothing is written through a link', async () => {
    write(from(), 'data/file-folder', 'x');
    write(from(), 'data/folder-file/deep/x', 'x');
    write(from(), 'data/link-folder', 'x');
    mkdirSync(join(from(), 'data/folder-link'));
    own();
    await copy();
    write(to(), 'outside/x', 'mine');
    rmSync(join(to(), 'data/link-folder'));
    symlinkSync('../outside', join(to(), 'data/link-folder'));
    for (const name of ['file-folder', 'folder-file', 'link-folder', 'folder-link'])
      rmSync(join(from(), 'data', name), { recursive: true });
    write(from(), 'data/file-folder/x', 'y');
    write(from(), 'data/folder-file', 'y');
    write(from(), 'data/link-folder/x', 'theirs');
    symlinkSync('folder-file', join(from(), 'data/folder-link'));
    own();
    await copy();
    expect(readFileSync(join(to(), 'outside/x'), 'utf8')).toBe('mine');
    expect(readlinkSync(join(to(), 'data/folder-link'))).toBe('folder-file');
    rmSync(join(to(), 'outside'), { recursive: true });
    expect(await contents(to())).toEqual(await contents(from()));
  });

  it('closed folders are written to, and closed again', async () => {
    for (const name of ['a', 'b', 'deep/c']) write(from(), `data/closed/${name}`, name, 0o400);
    const close = () => {
      for (const path of ['data/closed/deep', 'data/closed']) chmodSync(join(from(), path), 0o555);
    };
    close();
    own();
    await copy();
    expect(await contents(to())).toEqual(await contents(from()));
    chmodSync(join(from(), 'data/closed'), 0o755);
    chmodSync(join(from(), 'data/closed/deep'), 0o755);
    rmSync(join(from(), 'data/closed/a'));
    rmSync(join(from(), 'data/closed/b'));
    write(from(), 'data/closed/b', 'changed', 0o400);
    write(from(), 'data/closed/deep/d', 'new');
    close();
    own();
    await copy();
    expect(await contents(to())).toEqual(await contents(from()));
  });

  it('with nothing there, nothing is done', async () => {
    expect(await copy()).toEqual({ files: 0, bytes: 0, removed: 0 });
    expect(ran).toEqual([]);
  });

  it('files that go, shrink or become folders while they are read do not fail the first pass', async () => {
    for (const name of ['stays', 'goes', 'sub/goes', 'turns']) write(from(), `data/${name}`, name);
    write(from(), 'data/shrinks', 'x'.repeat(5_000_000));
    own();
    const list = await manifest(there, DATA);
    const disturb = () => {
      rmSync(join(from(), 'data/goes'));
      rmSync(join(from(), 'data/sub'), { recursive: true });
      rmSync(join(from(), 'data/turns'));
      mkdirSync(join(from(), 'data/turns'));
      truncateSync(join(from(), 'data/shrinks'), 10);
    };
    if (direction === 'pull') {
      before = (line) => line.includes('-cf') && disturb();
      await pull(remote, there, here, DATA, list);
    } else {
      // The manifest is taken first; tar starts when its process does.
      const copying = push(remote, here, there, DATA, list);
      before = (line) => line.includes('-xpf') && disturb();
      await copying;
    }
    before = () => {};
    expect(readFileSync(join(to(), 'data/stays'), 'utf8')).toBe('stays');
    own();
    await copy();
    expect(await contents(to())).toEqual(await contents(from()));
  });
});

it('what cannot be read fails, and says which file', async () => {
  write(there, 'data/open', 'x');
  write(there, 'data/shut', 'x', 0o000);
  // Root's own there, which the other user cannot read; without root, a mode that nobody can.
  await expect(pullAll()).rejects.toMatchObject({ code: 'REMOTE_FAILED', why: expect.stringContaining('shut') });
});

it('a machine that goes away in the middle leaves no tar behind', async () => {
  write(here, 'data/large', 'x'.repeat(3_000_000));
  const broken: Remote = {
    ...remote,
    must: async () => {
      throw new Error('gone');
    },
  };
  await expect(push(broken, here, there, DATA, [])).rejects.toThrow('gone');
  write(there, 'data/a', 'x');
  const silent: Remote = { ...remote, run: broken.must as never };
  await expect(pull(silent, there, here, DATA, await manifest(there, DATA))).rejects.toThrow('gone');
  expect(existsSync(join(here, 'data/a'))).toBe(false);
});

it('the work from one to the other names no path twice', () => {
  const paths = ['a', 'a/b', 'a/b/c', 'd', 'd/e'];
  const tree = fc.subarray(paths).chain((chosen) =>
    fc.tuple(...chosen.map(() => fc.constantFrom(0o755, 0o500))).map((modes) =>
      chosen.map((path, index) => ({
        path,
        size: 0,
        mtimeMs: 0,
        mode: modes[index] as number,
        ...(chosen.some((one) => one.startsWith(`${path}/`)) ? { folder: true as const } : {}),
      })),
    ),
  );
  fc.assert(
    fc.property(tree, tree, (one, other) => {
      const { changed, removed, closed } = workOf(one, other);
      for (const list of [changed, removed, closed]) expect(new Set(list).size).toBe(list.length);
      expect(workOf(other, other)).toMatchObject({ changed: [], removed: [], closed: [] });
    }),
  );
});
