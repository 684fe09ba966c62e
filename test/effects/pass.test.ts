/** rsync between two folders by a Remote that is a shell on this computer; a function goes on changing files meanwhile. */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Passing, pass, seenIn } from '../../src/effects/pass.ts';
import { COPY, DUMP, FROM } from '../../src/effects/room.ts';
import { ASK_FOR_TOOLS, toolsIn } from '../../src/effects/rsync.ts';
import { type Side, sideHere, sideThere } from '../../src/effects/side.ts';
import { shellRemote } from './remote.support.ts';

const tools = toolsIn((await sideHere(tmpdir()).sh(ASK_FOR_TOOLS)).stdout);
const LARGE = 17 * 2 ** 20;

let base: string;
let source: string;
let target: string;
/** Called before a line runs on the machine. */
let meanwhile: (line: string) => void;
const remote = shellRemote({ umask: '077', before: (line) => meanwhile(line) });

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'cell-pass-'));
  [source, target] = [join(base, 'source'), join(base, 'target')];
  for (const folder of [source, target]) mkdirSync(folder);
  meanwhile = () => {};
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

/** Everything of a folder that has to arrive, but for its hand-over's own room. */
function tree(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  const inodes = new Map<number, string>();
  const walk = (path: string) => {
    const stat = lstatSync(join(folder, path), { bigint: true });
    const mode = (Number(stat.mode) & 0o7777).toString(8);
    if (stat.isDirectory()) {
      if (path !== '') found[path] = `folder ${mode} ${stat.mtimeNs}`;
      for (const name of readdirSync(join(folder, path)).sort()) walk(path === '' ? name : `${path}/${name}`);
    } else if (stat.isSymbolicLink()) found[path] = `-> ${readlinkSync(join(folder, path))}`;
    else {
      const same = inodes.get(Number(stat.ino));
      inodes.set(Number(stat.ino), path);
      const hash = createHash('sha256')
        .update(readFileSync(join(folder, path)))
        .digest('hex');
      found[path] = same === undefined ? `file ${mode} ${stat.mtimeNs} ${stat.size} ${hash}` : `the same as ${same}`;
    }
  };
  walk('');
  for (const path of Object.keys(found)) if (/^\.handover(?:$|\/(?!dump))/.test(path)) delete found[path];
  return found;
}

function write(path: string, text: string | Buffer, mode = 0o644): void {
  const file = join(source, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
}

function poke(path: string, at: number, text: string): void {
  const file = openSync(join(source, path), 'r+');
  writeSync(file, text, at);
  closeSync(file);
}

describe.skipIf(tools === null).each(['push', 'pull'])('%s', (direction) => {
  const ends = (): { readonly from: Side; readonly to: Side } =>
    direction === 'push'
      ? { from: sideHere(source), to: sideThere(remote, target) }
      : { from: sideThere(remote, source), to: sideHere(target) };
  const go = (last: boolean, more: Partial<Passing> = {}) =>
    pass({ ...ends(), paths: ['data'], last, tools: tools as NonNullable<typeof tools>, ...more });

  it('carries odd names, links, hard links, holes, modes and times, and nothing else', async () => {
    for (const name of ['a b', '-rf', '*', "it's", '$HOME', 'new\nline', '\\', 'ünï😀', ' ', '.hidden']) {
      write(`data/${name}`, name, 0o640);
    }
    write('data/one', 'linked');
    linkSync(join(source, 'data/one'), join(source, 'data/two'));
    symlinkSync('/nowhere', join(source, 'data/dangling'));
    symlinkSync('one', join(source, 'data/link'));
    write('data/holes', '');
    truncateSync(join(source, 'data/holes'), 64 * 2 ** 20);
    mkdirSync(join(source, 'data/empty'), { mode: 0o750 });
    utimesSync(join(source, 'data/one'), 1_000, 1_000.123456);
    write('other', 'not data');
    await go(true);
    const { other: _, ...expected } = tree(source);
    expect(tree(target)).toEqual(expected);
    expect(statSync(join(target, 'data/holes')).blocks).toBeLessThan(1_000);
  });

  it('removes what is gone and replaces what became another kind of thing, whatever the target had', async () => {
    write('data/a/b', 'x');
    write('data/c', 'x');
    write('data/e', 'x');
    mkdirSync(join(target, 'data/c/deep'), { recursive: true });
    mkdirSync(join(base, 'outside'));
    writeFileSync(join(base, 'outside/b'), 'untouched');
    symlinkSync(join(base, 'outside'), join(target, 'data/a'));
    symlinkSync(join(base, 'outside/b'), join(target, 'data/e'));
    writeFileSync(join(target, 'data/gone'), 'x');
    await go(true, { paths: ['data', 'missing'] });
    expect(tree(target)).toEqual(tree(source));
    expect(readFileSync(join(base, 'outside/b'), 'utf8')).toBe('untouched');
    rmSync(join(source, 'data'), { recursive: true });
    await go(true);
    expect(tree(target)).toEqual({});
  });

  it('leaves alone what the hand-over itself keeps, also where all of the folder is data', async () => {
    write('data/a', 'x');
    write(`${DUMP}/all.sql`, 'dumped');
    write(`${FROM}/b1/x`, 'of a replica');
    write(`${COPY}/since`, '1');
    mkdirSync(join(target, FROM, 'b2'), { recursive: true });
    await go(true, { paths: ['.'] });
    expect(readFileSync(join(target, DUMP, 'all.sql'), 'utf8')).toBe('dumped');
    expect(readdirSync(join(target, FROM))).toEqual(['b2']);
    expect(readFileSync(join(target, COPY, 'since'), 'utf8')).not.toBe('1');
    rmSync(join(source, DUMP), { recursive: true });
    await go(true, { paths: ['data', DUMP] });
    expect(existsSync(join(target, DUMP))).toBe(false);
  });

  it('refuses a path that leads through a link', async () => {
    mkdirSync(join(base, 'outside/b'), { recursive: true });
    writeFileSync(join(base, 'outside/b/secret'), 'x');
    symlinkSync(join(base, 'outside'), join(source, 'a'));
    await expect(go(true, { paths: ['a/b'] })).rejects.toMatchObject({ code: 'NOT_ALLOWED' });
    await go(true, { paths: ['a'] });
    expect(readlinkSync(join(target, 'a'))).toBe(join(base, 'outside'));
  });

  it('changes a large file in place, and only where it differs', async () => {
    write('data/large', Buffer.alloc(LARGE, 'x'));
    await go(false);
    const { ino } = statSync(join(target, 'data/large'));
    poke('data/large', 9_000_000, 'changed');
    const { bytes } = await go(true);
    expect(tree(target)).toEqual(tree(source));
    expect(statSync(join(target, 'data/large')).ino).toBe(ino);
    expect(bytes).toBeLessThan(LARGE / 20);
  });

  it('does not write through hard links that the source no longer has', async () => {
    write('data/one', Buffer.alloc(LARGE, 'x'));
    linkSync(join(source, 'data/one'), join(source, 'data/two'));
    await go(false);
    write('data/new', Buffer.alloc(LARGE, 'y'));
    renameSync(join(source, 'data/new'), join(source, 'data/one'));
    await go(true);
    expect(tree(target)).toEqual(tree(source));
  });

  it('sees a file that was written again at the time it had', async () => {
    write('data/same', 'first');
    write('data/large', Buffer.alloc(LARGE, 'x'));
    await go(false);
    for (const name of ['same', 'large']) {
      const { atime, mtime } = statSync(join(source, 'data', name));
      poke(`data/${name}`, 0, 'other');
      utimesSync(join(source, 'data', name), atime, mtime);
    }
    // As the copy has it, to the nanosecond: only the content is left to tell.
    for (const name of ['same', 'large']) {
      const { atime, mtime } = statSync(join(source, 'data', name));
      utimesSync(join(target, 'data', name), atime, mtime);
    }
    await go(true);
    expect(tree(target)).toEqual(tree(source));
  });

  it('goes on where it was cut off', async () => {
    write('data/a', 'x');
    write('data/large', Buffer.from(Array.from({ length: 9_000_000 }, (_, index) => (index * 7919) % 251)));
    let seen = 0;
    const cut = go(false, {
      onBytes: (bytes) => {
        seen += bytes;
        if (seen > 4_000_000) throw new Error('cut off');
      },
    });
    await expect(cut).rejects.toThrow('cut off');
    expect(existsSync(join(target, 'data/large'))).toBe(false);
    const { bytes } = await go(true);
    expect(tree(target)).toEqual(tree(source));
    expect(bytes).toBeLessThan(8_000_000);
  });

  it('says which file it could not read, when nothing runs any more', async ({ skip }) => {
    if (process.getuid?.() === 0) skip('root reads everything');
    write('data/shut', 'x', 0o000);
    await go(false);
    await expect(go(true)).rejects.toMatchObject({ code: 'REMOTE_FAILED', why: expect.stringContaining('shut') });
  });

  it('says what the machine says when it has no rsync', async () => {
    write('data/a', 'x');
    const without = shellRemote({ env: { PATH: '/nowhere' }, before: () => {} });
    const side = direction === 'push' ? { to: sideThere(without, target) } : { from: sideThere(without, source) };
    await expect(go(true, side)).rejects.toMatchObject({ code: expect.stringMatching(/^REMOTE_FAILED$/) });
  });

  it('ends with the connection', async () => {
    write('data/a', 'x');
    meanwhile = (line) => {
      if (line.includes('--server')) throw new Error('the connection broke');
    };
    await expect(go(true)).rejects.toThrow('the connection broke');
  });

  it('has everything at the stop, whatever went on while it copied', async () => {
    const NAMES = ['a', 'b', 'c', 'd/e', 'd/f', 'd'] as const;
    const change = fc.record({
      what: fc.constantFrom('write', 'poke', 'silent', 'grow', 'remove', 'rename', 'link', 'hard', 'mode', 'folder'),
      name: fc.constantFrom(...NAMES),
      other: fc.constantFrom(...NAMES),
      value: fc.integer({ min: 0, max: 99 }),
    });
    const changes = fc.array(change, { maxLength: 6 });
    let begun = 0;
    const apply = ({ what, name, other, value }: typeof change extends fc.Arbitrary<infer C> ? C : never) => {
      const [file, second] = [join(source, 'data', name), join(source, 'data', other)];
      try {
        if (what === 'write') write(`data/${name}`, `${value} is written`);
        else if (what === 'grow') writeFileSync(file, `${value} more`, { flag: 'a' });
        else if (what === 'poke') poke(`data/${name}`, 0, String(value));
        else if (what === 'remove') rmSync(file, { recursive: true });
        else if (what === 'rename') renameSync(file, second);
        else if (what === 'link') symlinkSync(other, file);
        else if (what === 'hard') linkSync(second, file);
        else if (what === 'mode') chmodSync(file, 0o600 + value);
        else if (what === 'folder') mkdirSync(file);
        else {
          // Through a mapping: the time stays that of a write since this pass began.
          const { atime, mtime, mtimeMs, size } = statSync(file);
          if (mtimeMs < begun) return;
          poke(`data/${name}`, Math.max(0, size - 2), String(value).padStart(2, '0').slice(0, Math.min(2, size)));
          utimesSync(file, atime, mtime);
        }
      } catch {
        // Nothing there to do it to.
      }
    };
    await fc.assert(
      fc.asyncProperty(
        changes,
        fc.array(fc.record({ during: fc.array(changes, { maxLength: 5 }), after: changes }), { maxLength: 3 }),
        async (first, passes) => {
          for (const folder of [source, target]) {
            rmSync(folder, { recursive: true });
            mkdirSync(folder);
          }
          mkdirSync(join(source, 'data'));
          begun = Date.now();
          first.forEach(apply);
          for (const { during, after } of passes) {
            begun = Date.now();
            const left = [...during];
            meanwhile = () => left.shift()?.forEach(apply);
            await go(false);
            left.flat().forEach(apply);
            meanwhile = () => {};
            after.forEach(apply);
          }
          await go(true);
          expect(tree(target)).toEqual(tree(source));
        },
      ),
      { numRuns: 15 },
    );
  }, 120_000);
});

it('tells tools that will do from others of the same name', () => {
  const gnu = 'find (GNU findutils) 4.10.0\nstat (GNU coreutils) 9.7\ntimeout (GNU coreutils) 9.7\n';
  const version = (number: string, more = '') => `rsync  version ${number}  protocol version 31\n${more}${gnu}`;
  expect(toolsIn(version('3.4.1', '    64-bit files, ACLs, xattrs, optional secluded-args\n'))).toEqual({
    xattrs: true,
  });
  expect(toolsIn(version('3.2.7', '    ACLs, no xattrs, iconv\n'))).toEqual({ xattrs: false });
  expect(toolsIn(version('3.1.3'))).toEqual({ xattrs: false });
  for (const old of ['3.1.2', '2.6.9', '3.0.9']) expect(toolsIn(version(old))).toBeNull();
  expect(toolsIn(`openrsync: protocol version 29\nrsync version 2.6.9 compatible\n${gnu}`)).toBeNull();
  expect(toolsIn('rsync  version 3.4.1  protocol version 32\n')).toBeNull();
  expect(toolsIn('')).toBeNull();
});

it('reads lists with any name in them', () => {
  const name = fc.string({ minLength: 1, unit: 'binary' }).filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(fc.array(fc.record({ links: fc.nat(), size: fc.nat(), name })), (files) => {
      const said = files.map((file) => `${file.links} ${file.size} ${file.name}\0`).join('');
      expect(seenIn(said)).toEqual(files);
    }),
  );
});
