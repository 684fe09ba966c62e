import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { genomeSchema } from '../../../genome/schema.ts';
import { candidates, claim, unclaim } from '../../../src/local/claims.ts';
import { sharedTmp } from '../../../src/local/host.ts';
import { machinePid } from '../../../src/local/power.ts';
import { processesWith } from '../../../src/local/processes.ts';
import { cutPower, machineHandler } from '../../../stacks/machines/local.handler.ts';
import { localCompute } from '../../../stacks/machines/local.ts';
import { openYard, serve, type Yard } from '../../local/machine.support.ts';
import { blank } from './need.ts';

const WITHIN = 60_000;
const gene = genomeSchema.shape.clouds.parse({ near: { provider: 'local', monthly: '4.50 EUR' } }).near as never;
const need = { organism: 'yard', birth: 'b1', parent: 'seed', cloud: 'near' };

describe('the provider', () => {
  test('says what a machine needs, without secrets, and always the same', () => {
    const resources = localCompute.resources(blank(need), gene);
    expect(resources).toEqual(localCompute.resources(blank(need), gene));
    expect(resources).toHaveLength(1);
    expect(resources[0]).toMatchObject({
      type: 'cell:local:Machine',
      inputs: {
        ...need,
        network: '127.77.0.0/16',
        hostKey: { $secret: 'hostKey' },
        imprintKey: { $value: 'imprintKey' },
      },
    });
    expect(localCompute.monthly(gene)).toEqual({ cents: 450, currency: 'EUR' });
  });

  test('knows the way to a machine from its outputs', () => {
    const machine = { address: '127.77.0.9', sshPort: 2222, httpPort: 8080, user: 'root', root: '/r', birth: 'b1' };
    const { birth: _birth, ...reach } = machine;
    expect(localCompute.reach({ machine })).toEqual(reach);
    expect(() => localCompute.reach({})).toThrow('no machine');
  });

  test('keeps machines below the home it is given', async () => {
    expect(await localCompute.credential(gene, '/h')).toEqual({ dir: '/h/local/machines', node: process.execPath });
  });
});

describe('inputs', () => {
  const yard = { network: '127.81.8.0/24', organism: 'yard', birth: 'b1', parent: 'seed', cloud: 'near' };
  const good = {
    ...yard,
    sshPort: 2222,
    httpPort: 8080,
    runtime: 'host',
    imprintKey: 'ssh-ed25519 AAAA',
    hostKey: '-----BEGIN OPENSSH PRIVATE KEY-----',
  };
  test('that can be used pass', () => expect(machineHandler.check(good)).toEqual([]));
  test.each([
    ['birth', '../up'],
    ['network', '10.0.0.0/8'],
    ['sshPort', 0],
    ['httpPort', 2222],
    ['runtime', 'some'],
    ['imprintKey', 'ssh-rsa AAAA'],
    ['hostKey', 'nothing'],
    ['parent', ''],
  ])('with a wrong %s do not', (key, value) => {
    expect(machineHandler.check({ ...good, [key]: value }).map((wrong) => wrong.key)).toEqual([key]);
  });
});

describe('machines', () => {
  let yard: Yard;
  beforeEach(() => {
    yard = openYard('127.81.8.0/24');
  });
  afterEach(() => yard.close(), WITHIN);
  const context = () => ({ credential: yard.credential });

  test('several at once come up on addresses of their own, are listed, and leave nothing', {
    timeout: WITHIN,
  }, async () => {
    const made = await Promise.all(['p1', 'p2', 'p3', 'p4'].map((birth) => yard.make(birth)));
    expect(new Set(made.map((machine) => machine.address)).size).toBe(4);
    const listed = await localCompute.list('yard', yard.credential);
    expect(listed.map(({ birth, running }) => [birth, running])).toEqual([
      ['p1', true],
      ['p2', true],
      ['p3', true],
      ['p4', true],
    ]);
    expect(await localCompute.list('other', yard.credential)).toEqual([]);
    const answers = await Promise.all(
      made.map((machine) => machine.ssh('(setsid sleep 7654 >/dev/null 2>&1 &); echo $CELL_ROOT')),
    );
    expect(answers.map(({ out }) => out.toString().trim())).toEqual(made.map((machine) => machine.root));
    for (const { id } of made) await localCompute.remove(id, yard.credential);
    for (const { id, marker, address, folder } of made) {
      expect(processesWith({ CELL_MACHINE: marker })).toEqual([]);
      expect(processesWith({ CELL_GUARDIAN: marker })).toEqual([]);
      expect(existsSync(folder)).toBe(false);
      expect(existsSync(join(sharedTmp(), `cell-${process.getuid?.()}`, 'claims', address))).toBe(false);
      expect(existsSync(join(sharedTmp(), `cell-${process.getuid?.()}`, `${marker.slice(0, 16)}.sock`))).toBe(false);
      await expect(reached(address, 2222)).resolves.toBe(false);
      await expect(reached(address, 8080)).resolves.toBe(false);
      expect(await machineHandler.read(id, {}, context())).toBeNull();
      await localCompute.remove(id, yard.credential); // Gone already is fine.
    }
    await localCompute.forget?.('yard', yard.credential, []);
    expect(existsSync(yard.credential.dir)).toBe(false);
  });

  test('making it twice gives one; a dead one is switched on again', { timeout: WITHIN }, async () => {
    const first = await yard.make('twice');
    const pid = machinePid(first.folder);
    expect((await yard.make('twice')).live).toEqual(first.live);
    expect(machinePid(first.folder)).toBe(pid);
    writeFileSync(join(first.root, 'root/kept'), 'kept');
    await cutPower(first.id, yard.credential);
    expect((await localCompute.list('yard', yard.credential))[0]?.running).toBe(false);
    expect(await machineHandler.read(first.id, {}, context())).toEqual(first.live);
    expect((await yard.make('twice')).live).toEqual(first.live);
    expect(machinePid(first.folder)).not.toBe(pid);
    expect(readFileSync(join(first.root, 'root/kept'), 'utf8')).toBe('kept');
  });

  test('an address with a taken port is passed over', { timeout: WITHIN }, async () => {
    const [wanted, next] = [...candidates(yard.network, 'yard/taken')];
    const squatter = await serve(wanted as string, () => {}, 8080);
    const machine = await yard.make('taken');
    expect(machine.address).toBe(next);
    await squatter.stop();
  });

  test('a machine is private: the host key is nowhere but in its root, its files are only for its user', {
    timeout: WITHIN,
  }, async () => {
    const machine = await yard.make('quiet');
    const secret = yard.hostKey.private.split('\n')[2] as string;
    const files = readdirSync(machine.folder, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    const telling = files.filter((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8').includes(secret));
    expect(telling.map((entry) => entry.name)).toEqual(['ssh_host_ed25519_key']);
    expect(JSON.stringify(machine.live.outputs)).not.toContain(secret);
  });

  test('with no runtime there is no node, but everything else', { timeout: WITHIN }, async () => {
    const bare = await yard.make('bare', { runtime: 'none' });
    const { out, code } = await bare.ssh(
      'git --version >/dev/null && systemctl is-active ssh; command -v node npm npx',
    );
    expect(out.toString().trim()).toBe('active');
    expect(code).not.toBe(0);
    const host = await yard.make('rich');
    expect((await host.ssh('node -p 40+2')).out.toString().trim()).toBe('42');
  });

  test('an attempt that was killed half way is finished by the next', { timeout: WITHIN }, async () => {
    const machine = await yard.make('half');
    // As if the maker had been killed before the machine said it was up.
    rmSync(join(machine.folder, 'host/settled'));
    const again = await yard.make('half');
    expect(again.live.outputs.address).toBe(machine.address);
    expect(processesWith({ CELL_MACHINE: machine.marker })).toEqual([]);
    expect((await again.ssh('true')).code).toBe(0);
  });

  test('a machine knows nothing of the one that made it', { timeout: WITHIN }, async () => {
    process.env.CELL_ROOT = '/elsewhere';
    process.env.SECRET_TOKEN = 'hush';
    try {
      const machine = await yard.make('orphan');
      const { out } = await machine.ssh('env');
      expect(out.toString()).toContain(`CELL_ROOT=${machine.root}\n`);
      expect(out.toString()).not.toContain('hush');
    } finally {
      delete process.env.CELL_ROOT;
      delete process.env.SECRET_TOKEN;
    }
  });

  test('an id that is a path is refused', async () => {
    await expect(localCompute.remove('../..', yard.credential)).rejects.toThrow('not the id');
  });
});

describe('addresses', () => {
  test('are each in the network, once, in an order that depends on the identity only', () => {
    const all = [...candidates('127.81.4.0/24', 'a/b')];
    expect(all).toEqual([...candidates('127.81.4.0/24', 'a/b')]);
    expect(new Set(all).size).toBe(254);
    expect(all.every((address) => /^127\.81\.4\.(?:[1-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-4])$/.test(address))).toBe(true);
    expect(all[0]).not.toBe([...candidates('127.81.4.0/24', 'a/c')][0]);
    expect(new Set(candidates('127.82.0.0/16', 'x')).size).toBe(256 * 254);
  });

  test('are claimed by one machine only', () => {
    const yard = openYard('127.81.8.0/24');
    const shared = yard.dir;
    expect(claim(shared, '127.81.8.7', '/one')).toBe(true);
    expect(claim(shared, '127.81.8.7', '/one')).toBe(true);
    expect(claim(shared, '127.81.8.7', '/two')).toBe(false);
    unclaim(shared, '127.81.8.7', '/two');
    expect(claim(shared, '127.81.8.7', '/two')).toBe(false);
    unclaim(shared, '127.81.8.7', '/one');
    expect(claim(shared, '127.81.8.7', '/two')).toBe(true);
    rmSync(yard.dir, { recursive: true });
  });
});

function reached(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, address, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
