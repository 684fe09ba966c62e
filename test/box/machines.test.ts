import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readMachine, writeMachine } from '../../src/box/files.ts';
import {
  bootMachine,
  changeMachine,
  createMachine,
  findMachine,
  listMachines,
  powerOff,
  removeMachine,
  startMachines,
} from '../../src/box/machines.ts';
import { type MachineOrder, tagOf } from '../../src/box/words.ts';
import { openYard, type Yard } from './support.ts';

let yard: Yard;
beforeEach(() => {
  yard = openYard();
});
afterEach(() => yard.close());

const create = (
  birth: string,
  { quota = 9, organism = 'lab', ...more }: { quota?: number; organism?: string } & Partial<MachineOrder> = {},
) => createMachine(yard, organism, quota, yard.order(birth, more));
const left = () =>
  ['machines', 'addresses'].flatMap((folder) => readdirSync(join(yard.dir, folder)).map((name) => `${folder}/${name}`));
const rootOf = (id: string) => join(yard.dir, 'machines', id, 'root');

describe('a machine', () => {
  test('has who it is, where it is and who may come in on its disk, and runs', async () => {
    const made = await create('b1', { cpus: 2, memory: 1e9 });
    expect(made).toMatchObject({ id: 'lab-b1', organism: 'lab', birth: 'b1', running: true, power: 'on', cpus: 2 });
    const read = (path: string) => readFileSync(join(rootOf('lab-b1'), path), 'utf8');
    expect(read('etc/systemd/network/10-cell.network')).toContain(`Address=${made.address}/24\nGateway=10.77.0.1`);
    expect(read('etc/hostname')).toBe('lab-b1\n');
    expect(read('etc/machine-id')).toMatch(/^[0-9a-f]{32}\n$/);
    expect(read('root/.ssh/authorized_keys')).toBe(`${yard.order('b1').imprintKey}\n`);
    expect(read('etc/ssh/ssh_host_ed25519_key')).toBe(yard.order('b1').hostKey);
    expect(read('etc/ssh/sshd_config.d/10-cell.conf')).toContain('PermitRootLogin prohibit-password');
    for (const secret of ['etc/ssh/ssh_host_ed25519_key', 'root/.ssh/authorized_keys'])
      expect(statSync(join(rootOf('lab-b1'), secret)).mode & 0o777).toBe(0o600);
    expect(statSync(join(yard.dir, 'machines/lab-b1')).mode & 0o777).toBe(0o700);
    expect([...yard.running.values()]).toMatchObject([{ id: 'lab-b1', bridge: 'cellbr0', cpus: 2, memory: 1e9 }]);
    expect(readFileSync(join(yard.dir, 'machines/lab-b1/machine.json'), 'utf8')).not.toContain('PRIVATE KEY');
  });

  test('made again is the same one, with the disk it has', async () => {
    const first = await create('b1');
    writeFileSync(join(rootOf('lab-b1'), 'kept'), '');
    expect(await create('b1', { quota: 1 })).toEqual(first);
    expect(existsSync(join(rootOf('lab-b1'), 'kept'))).toBe(true);
    expect(yard.calls.filter((call) => call.startsWith('boot'))).toHaveLength(1);
  });

  test('asked for by several at once is made once', async () => {
    const made = await Promise.all(Array.from({ length: 6 }, () => create('b1', { quota: 1 })));
    expect(new Set(made.map(({ address }) => address)).size).toBe(1);
    expect(yard.calls.filter((call) => call.startsWith('boot'))).toHaveLength(1);
  });

  test('never writes through a link that its image has in the place of a file', async () => {
    const outside = join(yard.dir, 'outside');
    writeFileSync(outside, 'mine');
    const { overlay } = yard.host;
    Object.assign(yard.host, {
      overlay: async (lower: readonly string[], upper: string, work: string, root: string) => {
        await overlay(lower, upper, work, root);
        mkdirSync(join(root, 'etc'), { recursive: true });
        if (!existsSync(join(root, 'etc/resolv.conf'))) symlinkSync(outside, join(root, 'etc/resolv.conf'));
      },
    });
    await create('b1');
    expect(readFileSync(outside, 'utf8')).toBe('mine');
  });

  test('that is removed leaves nothing; gone already is fine', async () => {
    await create('b1');
    await removeMachine(yard, 'lab-b1');
    expect(left()).toEqual([]);
    expect(yard.running.size).toBe(0);
    await removeMachine(yard, 'lab-b1');
    expect(await findMachine(yard, 'lab-b1')).toBeNull();
  });

  test('gets other tags and limits in place', async () => {
    await create('b1');
    expect(await changeMachine(yard, 'lab-b1', { parent: 'other', cpus: 0.5 })).toMatchObject({
      parent: 'other',
      cpus: 0.5,
    });
    expect([...yard.running.values()]).toMatchObject([{ cpus: 0.5, memory: null }]);
    await expect(changeMachine(yard, 'lab-b2', { parent: 'other' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('the quota', () => {
  test('counts machines of one organism, and what is there is no new one', async () => {
    await create('b1', { quota: 1 });
    await expect(create('b2', { quota: 1 })).rejects.toMatchObject({ code: 'NOT_ALLOWED' });
    await create('b1', { organism: 'other', quota: 1 });
    await create('b1', { quota: 1 });
    await removeMachine(yard, 'lab-b1');
    await create('b2', { quota: 1 });
    expect(listMachines(yard, 'lab').map(({ id }) => id)).toEqual(['lab-b2']);
    expect(listMachines(yard, null)).toHaveLength(2);
  });

  test('holds for several at once', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) => create(`b${index}`, { quota: 3 })),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    expect(listMachines(yard, 'lab')).toHaveLength(3);
  });
});

describe('addresses', () => {
  test('are each of one machine, until none is left', async () => {
    yard.close();
    yard = openYard('10.77.0.1/29');
    const made = await Promise.all(['b1', 'b2', 'b3', 'b4', 'b5'].map((birth) => create(birth)));
    expect(new Set(made.map(({ address }) => address)).size).toBe(5);
    await expect(create('b6')).rejects.toMatchObject({ code: 'PROVIDER_REFUSED' });
    await removeMachine(yard, 'lab-b3');
    expect((await create('b6')).address).toBe(made[2]!.address);
  });

  test('of a machine that never came to be are taken over', async () => {
    yard.close();
    yard = openYard('10.77.0.1/29');
    mkdirSync(join(yard.dir, 'addresses'));
    for (let last = 2; last <= 6; last++) writeFileSync(join(yard.dir, `addresses/10.77.0.${last}`), `lab-dead${last}`);
    expect((await create('b1')).address).toMatch(/^10\.77\.0\.[2-6]$/);
  });
});

describe('cut off', () => {
  test.each(['cut', 'remove', 'overlay', 'boot'])(
    'at %s, the same create finishes it and removal leaves nothing',
    async (step) => {
      yard.failAt = step;
      await expect(create('b1', { quota: 1 })).rejects.toThrow(`failed at ${step}`);
      expect(listMachines(yard, 'lab')).toMatchObject([{ id: 'lab-b1', running: false }]);
      expect(await create('b1', { quota: 1 })).toMatchObject({ running: true });
      yard.failAt = step === 'overlay' || step === 'boot' ? 'unmount' : step;
      await expect(removeMachine(yard, 'lab-b1')).rejects.toThrow('failed at');
      await removeMachine(yard, 'lab-b1');
      await create('b2', { quota: 1 });
      await removeMachine(yard, 'lab-b2');
      expect(left()).toEqual([]);
    },
  );

  test('a disk that was half written is not taken for a whole one', async () => {
    yard.failAt = 'overlay';
    await expect(create('b1')).rejects.toThrow();
    writeFileSync(join(yard.dir, 'machines/lab-b1/upper/torn'), '');
    await create('b1');
    expect(existsSync(join(yard.dir, 'machines/lab-b1/upper/torn'))).toBe(false);
  });
});

describe('power', () => {
  test('off keeps the disk, and on boots from it', async () => {
    await create('b1');
    writeFileSync(join(rootOf('lab-b1'), 'kept'), '');
    expect(await powerOff(yard, 'lab-b1')).toMatchObject({ power: 'off', running: false });
    expect(await bootMachine(yard, 'lab-b1')).toMatchObject({ power: 'on', running: true });
    expect(existsSync(join(rootOf('lab-b1'), 'kept'))).toBe(true);
    expect(await bootMachine(yard, 'lab-b1')).toMatchObject({ running: true });
    await expect(powerOff(yard, 'lab-b2')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('after the box was off, what should run is booted, and nothing else', async () => {
    for (const birth of ['b1', 'b2', 'b3', 'b4']) await create(birth);
    await powerOff(yard, 'lab-b2');
    writeMachine(yard.dir, { ...readMachine(yard.dir, 'lab-b3')!, ready: false });
    yard.running.clear();
    yard.failAt = 'boot lab-b4';
    expect(await startMachines(yard)).toEqual([
      { id: 'lab-b1', why: null },
      { id: 'lab-b4', why: expect.stringContaining('failed at boot') },
    ]);
    expect([...yard.running.values()].map(({ id }) => id)).toEqual(['lab-b1']);
  });
});

test('two boxes on one computer give their machines different names for the kernel, all short enough', () => {
  const tags = ['/a', '/b'].flatMap((dir) => ['lab-b1', `${'l'.repeat(32)}-b0123456789`].map((id) => tagOf(dir, id)));
  expect(new Set(tags).size).toBe(4);
  for (const tag of tags) expect(`vb-${tag}`).toMatch(/^vb-c[0-9a-f]{11}$/);
});
