/** The parts of a box that decide and touch nothing, or only files. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { allow, rightLine, withRight } from '../../src/box/allow.ts';
import { hierarchies } from '../../src/box/cgroups.ts';
import { checkedDir, writeBox } from '../../src/box/files.ts';
import { mountsBelow } from '../../src/box/host.ts';
import { candidates, parseNetwork, taken } from '../../src/box/network.ts';
import { nspawnArguments } from '../../src/box/power.ts';
import { organismOf } from '../../src/box/words.ts';
import { generateHostKey } from '../../src/effects/keys.ts';

describe('a network', () => {
  test('gives every address but its own, the first and the last, each once, from where the id says', () => {
    fc.assert(
      fc.property(fc.integer({ min: 24, max: 29 }), fc.integer({ min: 1, max: 6 }), fc.string(), (prefix, own, id) => {
        const all = [...candidates(parseNetwork(`10.77.0.${own}/${prefix}`), id)];
        expect(new Set(all).size).toBe(2 ** (32 - prefix) - 3);
        expect(all.filter((address) => !isIPv4(address) || !address.startsWith('10.77.0.'))).toEqual([]);
        for (const not of [own, 0, 2 ** (32 - prefix) - 1]) expect(all).not.toContain(`10.77.0.${not}`);
        expect([...candidates(parseNetwork(`10.77.0.${own}/${prefix}`), id)]).toEqual(all);
      }),
    );
    const first = ['b1', 'b2', 'b3'].map((id) => candidates(parseNetwork('10.77.0.1/16'), id).next().value);
    expect(new Set(first).size).toBe(3);
  });

  test.each(['10.77.0.0/24', '10.77.0.255/24', '10.77.0.1', '10.77.0.1/8', '10.77.0.300/24', 'fd00::1/64', ''])(
    'is not %j',
    (text) => expect(() => parseNetwork(text)).toThrow(expect.objectContaining({ code: 'USAGE' })),
  );
});

test.each([
  ['10.77.0.9/24', 'eth0'],
  ['10.77.0.1/32', 'eth0'],
  ['10.0.0.1/8', 'eth0'],
  ['10.77.0.200/25', 'eth0'],
  ['10.77.1.1/24', null],
  ['10.76.0.1/16', null],
  ['192.0.2.2/24', null],
])('a network of machines beside %s is taken by %s', (address, by) => {
  const line = (name: string, of: string) =>
    `2: ${name}    inet ${of} brd 192.0.2.255 scope global ${name}\\       valid_lft forever`;
  const shown = [line('lo', '127.0.0.1/8'), line('cellbr0', '10.77.0.1/24'), line('eth0', address), ''].join('\n');
  expect(taken(parseNetwork('10.77.0.1/24'), 'cellbr0', shown)).toBe(by);
});

test.each(['relative', '/a b', '/a:b', '/a,b', '/a/../b', '/', "/a'b"])('%j cannot be the folder of a box', (dir) => {
  expect(() => checkedDir(dir)).toThrow(expect.objectContaining({ code: 'USAGE' }));
});

test.each([
  ['lab-b1', 'lab'],
  ['lab-x-b1', 'lab-x'],
  ['lab', null],
  ['-b1', null],
  ['lab-', null],
  ['../lab-b1', null],
  ['lab-B1', null],
])('the organism of %s is %s', (id, organism) => expect(organismOf(id)).toBe(organism));

describe('the line of a key', () => {
  const wish = { dir: '/var/lib/cell-box', organism: 'lab', quota: 3, serve: ['/usr/bin/node', '/opt/my cell/box.js'] };
  const line = rightLine(wish, 'ssh-ed25519 AAAA');

  test('allows one command and nothing else, whatever the path of the program', () => {
    expect(line).toBe(
      `restrict,command="/usr/bin/node '/opt/my cell/box.js' --dir /var/lib/cell-box --organism lab --quota 3" ssh-ed25519 AAAA cell-box:/var/lib/cell-box:lab`,
    );
  });

  test("takes the place of the organism's last one, and leaves the others alone", () => {
    const others = ['# mine', 'ssh-ed25519 BBBB me', rightLine({ ...wish, organism: 'my-lab' }, 'ssh-ed25519 CCCC')];
    const before = [...others.slice(0, 2), rightLine({ ...wish, quota: 9 }, 'ssh-ed25519 DDDD'), others[2]].join('\n');
    expect(withRight(before, line)).toBe(`${[...others, line].join('\n')}\n`);
    expect(withRight(withRight(before, line), line)).toBe(withRight(before, line));
    expect(withRight('', line)).toBe(`${line}\n`);
  });
});

describe('allowing an organism', () => {
  let dir: string;
  const at = (name: string) => join(dir, name);
  const wish = (more: object = {}) => ({
    ...{ dir, organism: 'lab', quota: 2, port: 2222, address: '192.0.2.10', serve: ['cell'] },
    ...{ authorizedKeys: at('ssh/authorized_keys'), out: at('lab.key'), hostKeyFile: at('host.pub') },
    ...more,
  });
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'cell-allow-'));
    mkdirSync(at('locks'));
    writeBox(dir, { v: 1, bridge: 'cellbr0', network: '10.77.0.1/24', dns: null });
    writeFileSync(at('host.pub'), `${generateHostKey().publicKey} root@box\n`);
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  test('makes a key that only its owner reads, and says what goes into the genome', async () => {
    const { clouds } = await allow(wish());
    expect(statSync(at('lab.key')).mode & 0o777).toBe(0o600);
    expect(statSync(at('ssh/authorized_keys')).mode & 0o777).toBe(0o600);
    expect(statSync(at('ssh')).mode & 0o777).toBe(0o700);
    expect(clouds).toContain('box: { address: 192.0.2.10, port: 2222, hostKey: ssh-ed25519 AAAA');
    expect(clouds).not.toContain('root@box');
    expect(clouds).toContain(`credentials: file:${at('lab.key')}`);
  });

  test('again, with another quota, keeps the key and one line', async () => {
    await allow(wish());
    const key = readFileSync(at('lab.key'), 'utf8');
    await Promise.all([allow(wish({ quota: 5 })), allow(wish({ organism: 'other', out: at('other.key') }))]);
    const lines = readFileSync(at('ssh/authorized_keys'), 'utf8').trim().split('\n');
    expect(readFileSync(at('lab.key'), 'utf8')).toBe(key);
    expect(lines).toHaveLength(2);
    expect(lines.find((one) => one.endsWith(':lab'))).toContain('--quota 5');
  });

  test.each([
    [{ organism: 'Lab; id' }, 'USAGE'],
    [{ quota: -1 }, 'USAGE'],
    [{ quota: 1.5 }, 'USAGE'],
    [{ hostKeyFile: 'none' }, 'NOT_FOUND'],
    [{ dir: join(tmpdir(), 'no-box-here') }, 'NOT_FOUND'],
  ])('with %j changes nothing', async (more, code) => {
    await expect(allow(wish(more))).rejects.toMatchObject({ code });
    expect([existsSync(at('lab.key')), existsSync(at('ssh'))]).toEqual([false, false]);
  });
});

test('mounts at and below a folder are found innermost first, also with white space, and no namesakes', () => {
  const line = (point: string) => `1 2 0:3 / ${point} rw - overlay overlay rw`;
  const info = ['/a', '/a/b\\040c', '/a/b\\040c/d', '/ab', '/x/a'].map(line).join('\n');
  expect(mountsBelow('/a', info)).toEqual(['/a/b c/d', '/a/b c', '/a']);
  expect(mountsBelow('/none', info)).toEqual([]);
});

test('control groups are found where they are, alone or beside older ones', () => {
  const v2 = '1 2 0:3 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw';
  const v1 = '1 2 0:3 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct';
  expect(hierarchies(`${v1}\n${v2}`)).toMatchObject({
    unified: '/sys/fs/cgroup/unified',
    legacy: { cpu: '/sys/fs/cgroup/cpu,cpuacct' },
  });
  expect(() => hierarchies(v1)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
});

test('nspawn is told everything that its machine must not take from the box', () => {
  const [tag, id, bridge] = ['c0123456789a', 'lab-b1', 'cellbr0'];
  const words = nspawnArguments({
    ...{ tag, id, bridge, root: '/d/root', containers: '/d/containers', log: '/d/log' },
    ...{ cpus: null, memory: null },
  });
  for (const word of ['--register=no', '--keep-unit', '--settings=no', '--resolv-conf=off', '--link-journal=no'])
    expect(words).toContain(word);
  expect(words).toContain('--network-bridge=cellbr0');
  expect(words.filter((word) => /capability|private-users|volatile/.test(word))).toEqual([]);
});
