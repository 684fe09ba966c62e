/**
 * A box whose own init is systemd, and machines of Debian 12: there machines are transient units, limits are systemd's, and
 * a unit boots them with the box. This computer's init may be another one, so the box is itself a machine with systemd.
 */
import { execFile, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hierarchies, inside, killGroup, populated } from '../../src/box/cgroups.ts';
import { environment, mountOverlay, removeTree } from '../../src/box/host.ts';
import type { MachineSeen, Reply } from '../../src/box/words.ts';
import { generateHostKey } from '../../src/effects/keys.ts';
import { packageRoot } from '../../src/programs.ts';
import { BOOKWORM, cachedImage } from './box.ts';
import { NSPAWN, needs } from './needs.ts';

const TAG = 'clabsystemd';
const IMAGE = 'debian-12';
/** Where this repository is inside. */
const REPOSITORY = '/opt/repository';
const NODE = `${REPOSITORY}/node_modules/node/bin/node`;
const UNTIL_MS = 60_000;

describe.skipIf(needs('a box with systemd', NSPAWN, [{ program: 'nsenter', package: 'util-linux' }]))(
  'a box with systemd',
  () => {
    const imprint = generateHostKey();
    const host = generateHostKey();
    let dir: string;
    let image: string;
    const at = (name: string) => join(dir, name);

    beforeAll(async () => {
      image = await cachedImage(BOOKWORM.suite, BOOKWORM.packages);
      await killGroup(TAG);
      dir = mkdtempSync(join(tmpdir(), 'cell-lab-systemd-'));
      for (const name of ['upper', 'work', 'root', 'box/images']) mkdirSync(at(name), { recursive: true });
      symlinkSync('/images', at(`box/images/${IMAGE}`));
      writeFileSync(at('box/imprint'), imprint.privatePem, { mode: 0o600 });
      await bootBox();
    }, 20 * 60_000);
    afterAll(async () => {
      await killGroup(TAG);
      await removeTree(dir);
    });

    /** A whole Debian that may do what a machine of a box may, and the same to machines of its own. */
    async function bootBox(): Promise<void> {
      await mountOverlay([image], at('upper'), at('work'), at('root'));
      writeFileSync(at('root/etc/machine-id'), `${'0123456789abcdef'.repeat(2)}\n`);
      // It has no host key, and nobody logs in to it.
      rmSync(at('root/etc/systemd/system/multi-user.target.wants/ssh.service'), { force: true });
      const binds = [`--bind=${at('box')}:/var/lib/cell-box`, `--bind-ro=${image}:/images`];
      const rights = ['--system-call-filter=bpf @keyring'];
      const words = ['--quiet', '--boot', '--register=no', '--keep-unit', '--private-network', `--machine=${TAG}`];
      const log = openSync(at('log'), 'a');
      const nspawn = inside(TAG, { cpus: null, memory: null }, () =>
        spawn(
          'systemd-nspawn',
          [...words, ...rights, ...binds, `--bind-ro=${packageRoot()}:${REPOSITORY}`, `--directory=${at('root')}`],
          {
            env: { ...environment(), SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' },
            stdio: ['ignore', log, log],
          },
        ),
      );
      closeSync(log);
      nspawn.on('error', () => {});
      await until(async () => (await within(['systemctl', 'is-system-running'])).trim() === 'running');
    }

    /** Runs a program inside; gives stdout, whatever its exit code. */
    async function within(
      command: readonly string[],
      stdin = '',
      env: Readonly<Record<string, string>> = {},
    ): Promise<string> {
      const group = join(hierarchies().unified, 'cell-box', TAG, 'payload/init.scope/cgroup.procs');
      const init = existsSync(group) ? readFileSync(group, 'utf8').split('\n')[0] : '';
      if (!init) return '';
      const child = promisify(execFile)('nsenter', ['--target', init, '--all', '--', ...command], {
        env: { ...environment(), ...env },
      });
      child.child.stdin?.on('error', () => {});
      child.child.stdin?.end(stdin);
      return child.then(
        ({ stdout }) => stdout,
        ({ stdout = '' }: { stdout?: string }) => stdout,
      );
    }

    async function until(holds: () => Promise<boolean>): Promise<void> {
      const end = performance.now() + UNTIL_MS;
      while (!(await holds())) {
        if (performance.now() > end)
          throw new Error(`it did not come: ${readFileSync(at('log'), 'utf8').slice(-2_000)}`);
        await sleep(100);
      }
    }

    async function ask<T>(op: string, body: object = {}): Promise<T> {
      const command = [NODE, `${REPOSITORY}/src/box/serve.main.ts`, 'serve', '--organism', 'lab', '--quota', '1'];
      const reply = JSON.parse(await within(command, JSON.stringify(body), { SSH_ORIGINAL_COMMAND: op })) as Reply;
      if ('error' in reply) throw new Error(JSON.stringify(reply.error));
      return reply.ok as T;
    }

    const cell = (...words: string[]) => within([NODE, `${REPOSITORY}/bin/dev.js`, ...words, '--json']);
    const units = async () =>
      (await within(['systemctl', 'list-units', 'cell-box-c*', '--no-legend', '--plain']))
        .split('\n')
        .filter((line) => line !== '');

    async function login({ address }: MachineSeen, line: string): Promise<string> {
      writeFileSync(at('box/known'), `${address} ${host.publicKey}\n`);
      const options = [
        '-i',
        '/var/lib/cell-box/imprint',
        '-o',
        'UserKnownHostsFile=/var/lib/cell-box/known',
        '-o',
        'BatchMode=yes',
      ];
      let said = '';
      await until(async () => {
        said = (await within(['ssh', ...options, `root@${address}`, line])).trim();
        return said !== '';
      });
      return said;
    }

    test('makes machines that are units of it, switches and removes them, and boots them with itself', {
      timeout: 300_000,
    }, async () => {
      const box = JSON.parse(await cell('box', 'init', '--image', IMAGE, '--suite', 'bookworm')) as {
        startsBy: string;
      };
      expect(box.startsBy).toBe('cell-box.service');
      const keys = { imprintKey: imprint.publicKey, hostKey: host.privatePem };
      const order = { birth: 'b1', parent: 'seed', cloud: 'near', image: IMAGE, cpus: 0.5, memory: 2 ** 29, ...keys };
      const made = await ask<MachineSeen>('create', order);
      expect(made).toMatchObject({ id: 'lab-b1', running: true });
      expect(await login(made, 'systemctl is-system-running --wait; . /etc/os-release; echo $VERSION_ID')).toBe(
        'running\n12',
      );
      const [unit = '', ...more] = (await units()).map((line) => line.split(' ')[0]!);
      expect(more).toEqual([]);
      const limits = ['systemctl', 'show', unit, '--property=CPUQuotaPerSecUSec,MemoryMax'];
      expect(await within(limits)).toBe('CPUQuotaPerSecUSec=500ms\nMemoryMax=536870912\n');
      await ask('change', { birth: 'b1', parent: 'seed', cpus: 0.25 });
      expect(await within(limits)).toBe('CPUQuotaPerSecUSec=250ms\nMemoryMax=infinity\n');
      expect(await ask('create', order)).toMatchObject({ address: made.address });
      expect(await units()).toHaveLength(1);

      await login(made, 'echo kept >/srv/kept && sync && echo done');
      expect(await ask('power-off', { birth: 'b1' })).toMatchObject({ running: false });
      expect(await units()).toEqual([]);
      expect(await ask('boot', { birth: 'b1' })).toMatchObject({ running: true });
      expect(await login(made, 'cat /srv/kept')).toBe('kept');

      await killGroup(TAG);
      expect(populated(TAG)).toBe(false);
      await bootBox();
      await until(async () => (await ask<MachineSeen | null>('find', { birth: 'b1' }))?.running === true);
      expect(await login(made, 'cat /srv/kept')).toBe('kept');

      await ask('remove', { birth: 'b1' });
      expect(await units()).toEqual([]);
      expect((await within(['findmnt', '--list', '--noheadings', '--output=TARGET'])).includes('lab-b1')).toBe(false);
      expect(await ask('list')).toEqual([]);
      expect(await within(['systemctl', '--failed', '--no-legend'])).toBe('');
    });
  },
);
