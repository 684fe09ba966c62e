/** An image is made once, whole or not at all, and is blank: from a root of a few files, for debootstrap takes minutes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ensureImage, type ImageWish } from '../../src/box/image.ts';
import { packageRoot } from '../../src/programs.ts';
import { NSPAWN, needs } from './needs.ts';

const ENABLED = ['cron.service', 'ssh.service', 'systemd-networkd.service'];
/** Enough for a copy to be seen half done. */
const FILES = 5_000;

describe.skipIf(needs('images of a box', NSPAWN))('an image', () => {
  let dir: string;
  let base: string;
  let wish: ImageWish;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'cell-image-'));
  });
  beforeAll(() => {
    base = mkdtempSync(join(tmpdir(), 'cell-base-'));
    wish = { name: 'small', suite: 'trixie', packages: [], base };
    const put = (path: string, text = '') => {
      mkdirSync(join(base, path, '..'), { recursive: true });
      writeFileSync(join(base, path), text);
    };
    put('etc/os-release', 'ID=debian\n');
    put('etc/machine-id', '0123456789abcdef0123456789abcdef\n');
    for (const kind of ['rsa', 'ed25519']) put(`etc/ssh/ssh_host_${kind}_key`, 'secret');
    put('etc/ssh/sshd_config');
    for (const unit of [...ENABLED, 'caddy.service', 'nightly.timer', 'console-getty.service'])
      put(`usr/lib/systemd/system/${unit}`, '[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n');
    const wants = join(base, 'etc/systemd/system/multi-user.target.wants');
    mkdirSync(wants, { recursive: true });
    for (const unit of ['caddy.service', 'nightly.timer', 'ssh.service'])
      symlinkSync(`/usr/lib/systemd/system/${unit}`, join(wants, unit));
    put('etc/rc3.d/S01haproxy');
    put('etc/rc3.d/S01cron');
    put('etc/rc3.d/K01caddy');
    mkdirSync(join(base, 'many'));
    for (let index = 0; index < FILES; index++) writeFileSync(join(base, 'many', String(index)), 'x');
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  afterAll(() => rmSync(base, { recursive: true, force: true }));

  const box = () => join(dir, 'box');
  const images = () => readdirSync(join(box(), 'images'));
  const make = () => ensureImage(box(), wish, () => {});

  /** In a process of its own, which is killed when the condition holds. */
  async function killedWhen(holds: () => boolean): Promise<void> {
    const code = `import { ensureImage } from ${JSON.stringify(pathToFileURL(join(packageRoot(), 'src/box/image.ts')).href)};
      await ensureImage(${JSON.stringify(box())}, ${JSON.stringify(wish)}, () => {});`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'ignore', detached: true });
    const ended = once(child, 'exit');
    while (!holds() && child.exitCode === null) await sleep(1);
    // With the copy that it started: an outage ends both.
    process.kill(-child.pid!, 'SIGKILL');
    await ended;
  }

  test('is nobody, and starts nothing but what a blank machine needs', async () => {
    expect(await make()).toBe(true);
    const root = join(box(), 'images/small');
    expect(readdirSync(join(root, 'etc/ssh'))).toEqual(['sshd_config']);
    expect(readFileSync(join(root, 'etc/machine-id'), 'utf8')).toBe('');
    expect(readdirSync(join(root, 'etc/systemd/system/multi-user.target.wants')).sort()).toEqual(ENABLED);
    expect(readdirSync(join(root, 'etc/rc3.d')).sort()).toEqual(['K01caddy', 'S01cron']);
    expect(readdirSync(join(base, 'etc/ssh'))).toHaveLength(3);
    expect(await make()).toBe(false);
  });

  test('whose making was cut off is not there, and the same call makes it', async () => {
    await killedWhen(() => existsSync(join(box(), 'images/.small/many')));
    expect(images()).toEqual(['.small']);
    expect(await make()).toBe(true);
    expect(images()).toEqual(['small']);
    expect(readdirSync(join(box(), 'images/small/many'))).toHaveLength(FILES);
  });

  test('is made by one at a time', async () => {
    const results = await Promise.allSettled([make(), make(), make()]);
    expect(results.filter((one) => one.status === 'fulfilled' && one.value)).toHaveLength(1);
    expect(images()).toEqual(['small']);
  });

  test.each([
    [{ name: '../up' }, 'USAGE'],
    [{ suite: '--foreign' }, 'USAGE'],
    [{ packages: ['git', '--extra'] }, 'USAGE'],
    [{ mirror: 'x' }, 'USAGE'],
    [{ base: '/none' }, 'NOT_FOUND'],
  ])('with %j is not made', async (more, code) => {
    await expect(ensureImage(box(), { ...wish, ...more }, () => {})).rejects.toMatchObject({ code });
    expect(existsSync(join(box(), 'images')) ? images() : []).toEqual([]);
  });
});
