/** Real machines of a real box: what a blank one is like, that none is made twice or left behind, and what its key may not do. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { genomeSchema } from '../../genome/schema.ts';
import { mountsBelow } from '../../src/box/host.ts';
import { startBox as bootAfterOutage } from '../../src/box/init.ts';
import { tagOf } from '../../src/box/words.ts';
import { generateHostKey } from '../../src/effects/keys.ts';
import type { Remote } from '../../src/effects/ssh.ts';
import type { Reach } from '../../src/model.ts';
import { programFile } from '../../src/programs.ts';
import { engine } from '../../stacks/engines/index.ts';
import { machineHandler, switchMachine } from '../../stacks/machines/nspawn.handler.ts';
import { nspawnCompute } from '../../stacks/machines/nspawn.ts';
import type { Json, StackPlan } from '../../stacks/stack.ts';
import { blank } from '../stacks/machines/need.ts';
import { type LabBox, startBox } from './box.ts';
import { login } from './login.ts';
import { NSPAWN, needs } from './needs.ts';

const OCTET = 101;
const { parse } = await import('yaml');
type Gene = Parameters<typeof nspawnCompute.resources>[1];

describe.skipIf(needs('machines of a box', NSPAWN))('machines of a box', () => {
  const imprint = generateHostKey();
  const host = generateHostKey();
  let lab: LabBox;
  let gene: Gene;
  let credential: Json;
  let home: string;
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'cell-lab-home-'));
    lab = await startBox({ octet: OCTET });
    const { cloud } = await lab.allow('lab', 4);
    gene = genomeSchema.shape.clouds.parse({ near: { ...(parse(cloud) as object), memory: '256MiB', cpus: 0.5 } })
      .near!;
    credential = await nspawnCompute.credential(gene, home);
  }, 20 * 60_000);
  afterEach(async () => {
    const stacks = await open();
    for (const stack of await stacks.list()) await stacks.destroy(stack);
    for (const { id } of lab.machines()) await nspawnCompute.remove(id, credential);
  });
  afterAll(async () => {
    await lab?.stop();
    rmSync(home, { recursive: true, force: true });
  });

  const plan = (birth: string): StackPlan => ({
    name: `lab.${birth}.body`,
    kind: 'body',
    cell: birth,
    engine: 'embedded',
    resources: nspawnCompute.resources(blank({ organism: 'lab', birth, parent: 'seed', cloud: 'near' }), gene),
  });
  const bindings = { values: { imprintKey: imprint.publicKey }, secrets: { hostKey: host.privatePem } };
  const open = () => engine('embedded', { home, credentials: { 'nspawn/near': credential } });
  const up = async (birth: string) => {
    const { outputs, changes } = await (await open()).up(plan(birth), bindings);
    return { reach: nspawnCompute.reach(outputs), changes };
  };

  const enter = (reach: Reach, withinMs?: number): Promise<Remote> =>
    login(reach, { privateKey: imprint.privatePem, hostKeys: [host.publicKey] }, withinMs);

  /** Nothing of a machine is left on this computer: not a process, mount, folder, claim, interface or group. */
  function expectNothingOf(id: string): void {
    const tag = tagOf(lab.dir, id);
    expect(processesWith(`--machine=${tag}`)).toEqual([]);
    expect(mountsBelow(join(lab.dir, 'machines'))).toEqual([]);
    expect(readdirSync(join(lab.dir, 'machines'))).toEqual([]);
    expect(readdirSync(join(lab.dir, 'addresses'))).toEqual([]);
    expect(existsSync(`/sys/class/net/vb-${tag}`)).toBe(false);
    expect(groupsOf(tag)).toEqual([]);
  }

  test('a blank one: systemd, SSH and cron, and nothing else that listens; ours alone; made once', async () => {
    const began = performance.now();
    const { reach, changes } = await up('b1');
    const made = performance.now();
    expect(changes).toMatchObject([{ operation: 'create' }]);
    const remote = await enter(reach);
    process.stderr.write(`lab: create ${ms(began, made)} ms, log-in after ${ms(began, performance.now())} ms\n`);
    const must = async (line: string) => (await remote.must(line)).trim();
    expect(await must('systemctl is-system-running --wait; systemctl --failed --no-legend')).toBe('running');
    expect(await must('hostname')).toBe('lab-b1');
    expect(await must('systemctl is-active ssh cron systemd-networkd')).toBe('active\nactive\nactive');
    expect((await must('ss -Hltunp')).split('\n').filter((line) => !line.includes('"sshd"'))).toEqual([]);
    expect(await must('ls /etc/ssh/ssh_host_* /root')).not.toMatch(/rsa|ecdsa/);
    expect(await must('for tool in git rsync caddy nft; do command -v $tool; done')).toContain('caddy');
    expect(await must(`ip -br -4 address show host0`)).toContain(`${reach.address}/24`);
    expect(
      await must(
        `ping -c1 -W1 ${lab.address} >/dev/null 2>&1 || bash -c '</dev/tcp/${lab.address}/${lab.port}' && echo there`,
      ),
    ).toBe('there');
    remote.close();

    expect((await up('b1')).changes).toMatchObject([{ operation: 'same' }]);
    expect(
      (await (await open()).refresh('lab.b1.body')).changes.filter(({ operation }) => operation !== 'same'),
    ).toEqual([]);
    expect(await nspawnCompute.list('lab', credential)).toEqual([
      { id: 'lab-b1', birth: 'b1', parent: 'seed', address: reach.address, running: true },
    ]);
    await (await open()).destroy('lab.b1.body');
    expectNothingOf('lab-b1');
    await nspawnCompute.remove('lab-b1', credential);
  });

  test("systemd's sandboxing, nftables, containers and limits work inside", async () => {
    const { reach } = await up('b1');
    const remote = await enter(reach);
    const sandbox = [
      'DynamicUser=yes',
      'ProtectSystem=strict',
      'ProtectHome=yes',
      'PrivateTmp=yes',
      'PrivateDevices=yes',
    ]
      .concat(['PrivateUsers=yes', 'NoNewPrivileges=yes', 'SystemCallFilter=@system-service', 'ProtectProc=invisible'])
      .concat(['ProtectKernelTunables=yes', 'ProtectControlGroups=yes', 'RestrictNamespaces=yes', 'ProtectClock=yes'])
      .map((one) => `-p ${one}`)
      .join(' ');
    await remote.must(`systemd-run --quiet --wait ${sandbox} /bin/true`);
    const refused = await remote.run(`systemd-run --quiet --wait ${sandbox} /bin/touch /srv/escaped`);
    expect(refused.code).not.toBe(0);
    await remote.must("nft 'add table inet t; add chain inet t c { type filter hook input priority 0; }'");
    await remote.must("nft 'add rule inet t c tcp dport 9 drop'");
    expect(await remote.must('nft list ruleset')).toContain('tcp dport 9 drop');
    // A container image from what is here: the lab has no registry.
    await remote.must(
      'mkdir -p /srv/image && cd / && for tool in echo id; do ' +
        "cp --parents /usr/bin/$tool $(ldd /usr/bin/$tool | grep -o '/[^ ]*') /srv/image; done; " +
        'tar -C /srv/image -c . | podman import --quiet - lab:1',
    );
    const podman = (how: string) => remote.must(`podman run --rm ${how}`);
    expect(await podman('--network host lab:1 /usr/bin/echo contained')).toBe('contained\n');
    expect(await podman('--user 1000 lab:1 /usr/bin/id -u')).toBe('1000\n');
    const split = 'podman run --rm --network host --cgroups=split lab:1 /usr/bin/echo unit';
    expect(await remote.must(`systemd-run --quiet --wait --pipe -p Delegate=yes ${split}`)).toBe('unit\n');
    remote.close();
    const tag = tagOf(lab.dir, 'lab-b1');
    const limits = lab.box.host.limits();
    if (limits.memory === 'enforced')
      expect(readGroup(tag, ['memory.limit_in_bytes', 'memory.max'])).toBe(String(256 * 1024 ** 2));
    if (limits.cpus === 'enforced') expect(readGroup(tag, ['cpu.cfs_quota_us', 'cpu.max'])).toMatch(/^50000\b/);
  });

  test('asked for by several at once it is one; over the quota none is made', async () => {
    const handler = async (birth: string) => {
      const [spec] = plan(birth).resources;
      const inputs = { ...spec!.inputs, imprintKey: imprint.publicKey, hostKey: host.privatePem };
      return machineHandler.create(inputs, { credential });
    };
    const same = await Promise.all([handler('b1'), handler('b1'), handler('b1')]);
    expect(new Set(same.map(({ outputs }) => outputs.address)).size).toBe(1);
    expect(processesWith(`--machine=${tagOf(lab.dir, 'lab-b1')}`)).toHaveLength(1);
    const more = await Promise.allSettled(['b2', 'b3', 'b4', 'b5'].map(handler));
    const refused = more.filter((one) => one.status === 'rejected');
    expect(refused).toMatchObject([{ reason: { code: 'NOT_ALLOWED', why: 'its quota is 4, and 4 are there' } }]);
    expect(lab.machines().filter(({ running }) => running)).toHaveLength(4);
  });

  test('power cut and boot: what was synced is there, and an outage of the box brings back what should run', async () => {
    const { reach } = await up('b1');
    await up('b2');
    const remote = await enter(reach);
    await remote.must('echo kept >/srv/kept && sync');
    remote.close();
    await switchMachine('lab-b1', 'off', credential);
    expect(processesWith(`--machine=${tagOf(lab.dir, 'lab-b1')}`)).toEqual([]);
    await expect(enter(reach, 0)).rejects.toMatchObject({ code: 'MACHINE_UNREACHABLE' });
    expect(await nspawnCompute.list('lab', credential)).toMatchObject([{ running: false }, { running: true }]);
    await lab.box.host.cut(tagOf(lab.dir, 'lab-b2'));
    await lab.box.host.unmount(join(lab.dir, 'machines'));
    expect(await bootAfterOutage(lab.box)).toEqual([{ id: 'lab-b2', why: null }]);
    await switchMachine('lab-b1', 'on', credential);
    const again = await enter(reach);
    expect(await again.must('cat /srv/kept')).toBe('kept\n');
    again.close();
  });

  describe('a box whose program is killed', () => {
    const order = (birth: string) =>
      JSON.stringify({
        birth,
        parent: 'seed',
        cloud: 'near',
        image: 'debian-13',
        imprintKey: imprint.publicKey,
        hostKey: host.privatePem,
      });
    const serve = (op: string, body: string): ChildProcess => {
      const args = [programFile('box'), 'serve', '--dir', lab.dir, '--organism', 'lab', '--quota', '1'];
      const child = spawn(process.execPath, args, {
        env: { ...process.env, SSH_ORIGINAL_COMMAND: op },
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      child.stdin!.end(body);
      return child;
    };
    async function killedWhen(child: ChildProcess, holds: () => boolean): Promise<void> {
      const ended = once(child, 'exit');
      while (!holds() && child.exitCode === null) await new Promise(setImmediate);
      child.kill('SIGKILL');
      await ended;
    }
    const folder = () => join(lab.dir, 'machines', 'lab-b1');
    const tag = () => tagOf(lab.dir, 'lab-b1');

    test.each([
      ['at once', () => true],
      [
        'as its address is claimed',
        () => existsSync(join(lab.dir, 'addresses')) && readdirSync(join(lab.dir, 'addresses')).length > 0,
      ],
      ['as its folder is there', () => existsSync(folder())],
      ['as its root is mounted', () => mountsBelow(folder()).length > 0],
      ['as its files are written', () => existsSync(join(folder(), 'root/root/.ssh/authorized_keys'))],
      [
        'as it is ready',
        () =>
          existsSync(join(folder(), 'machine.json')) &&
          readFileSync(join(folder(), 'machine.json'), 'utf8').includes('"ready": true'),
      ],
      ['as its process runs', () => groupsOf(tag()).length > 0],
      ['as its network comes', () => existsSync(`/sys/class/net/vb-${tag()}`)],
    ])('while it makes one, %s: the next call finishes it, or takes it away', async (_, holds) => {
      await killedWhen(serve('create', order('b1')), holds);
      const { reach } = await up('b1');
      expect(processesWith(`--machine=${tag()}`)).toHaveLength(1);
      (await enter(reach)).close();
      await (await open()).destroy('lab.b1.body');
      expectNothingOf('lab-b1');

      await killedWhen(serve('create', order('b1')), holds);
      await nspawnCompute.remove('lab-b1', credential);
      const [made] = [await up('b2')];
      expect(made.changes).toHaveLength(1);
      await (await open()).destroy('lab.b2.body');
      expectNothingOf('lab-b1');
      expectNothingOf('lab-b2');
    });

    test.each([
      ['at once', () => true],
      ['as its processes are gone', () => processesWith(`--machine=${tag()}`).length === 0],
      ['as its root is unmounted', () => mountsBelow(folder()).length === 0],
      ['as its folder is put aside', () => !existsSync(folder())],
    ])('while it removes one, %s: the next call leaves nothing', async (_, holds) => {
      await up('b1');
      await killedWhen(serve('remove', '{"birth":"b1"}'), holds);
      await (await open()).destroy('lab.b1.body');
      await up('b2');
      await (await open()).destroy('lab.b2.body');
      expectNothingOf('lab-b1');
    });
  });

  test('its key opens no shell, no files and no way through, and answers only for its organism', async () => {
    const { key } = await lab.allow('other', 1);
    await up('b1');
    const known = join(home, 'known_hosts');
    writeFileSync(known, `[${lab.address}]:${lab.port} ${lab.hostKey}\n`);
    const options = [
      '-i',
      key,
      '-o',
      `UserKnownHostsFile=${known}`,
      '-o',
      'BatchMode=yes',
      '-o',
      'IdentitiesOnly=yes',
      '-F',
      'none',
    ];
    const ssh = (...args: string[]) =>
      promisify(execFile)('ssh', [...options, '-p', String(lab.port), ...args], { timeout: 10_000 }).then(
        ({ stdout }) => ({ code: 0 as number | string, stdout }),
        ({ code, stdout }: { code: number | string; stdout: string }) => ({ code, stdout }),
      );
    const at = `root@${lab.address}`;
    for (const command of [
      'id',
      'sh -c id',
      'list; id',
      'bash',
      '/usr/lib/openssh/sftp-server',
      'rsync --server . /',
    ]) {
      const { code, stdout } = await ssh(at, command);
      expect({ command, code, error: (JSON.parse(stdout) as { error: { code: string } }).error.code }).toEqual({
        command,
        code: 1,
        error: 'NOT_ALLOWED',
      });
    }
    expect(await ssh('-tt', at)).toEqual({ code: 255, stdout: '' });
    expect((await ssh('-W', `${lab.address}:${lab.port}`, at)).code).toBe(255);
    const scp = await promisify(execFile)('scp', [
      ...options,
      '-P',
      String(lab.port),
      `${at}:/etc/hostname`,
      join(home, 'taken'),
    ]).catch(() => 'refused');
    expect(scp).toBe('refused');
    expect(existsSync(join(home, 'taken'))).toBe(false);

    const theirs = { ...(credential as object), privateKey: readFileSync(key, 'utf8') };
    expect(await nspawnCompute.list('other', theirs)).toEqual([]);
    expect(await nspawnCompute.list('lab', theirs)).toEqual([]);
    await nspawnCompute.remove('lab-b1', theirs);
    expect(lab.machines()).toMatchObject([{ id: 'lab-b1', running: true }]);
    await expect(nspawnCompute.examine?.(gene, 'lab')).resolves.toEqual({
      found: expect.stringContaining('1 of 4 machines'),
    });
    const stranger = { ...gene, box: { ...(gene as { box: object }).box, hostKey: imprint.publicKey } } as Gene;
    await expect(nspawnCompute.examine?.(stranger, 'lab')).rejects.toMatchObject({ code: 'HOST_KEY_MISMATCH' });
  });
});

const ms = (from: number, to: number) => Math.round(to - from);

/** Pids of nspawn processes with this argument. */
function processesWith(argument: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        // Its second process has the same words until it has become the machine's init.
        return (
          words[0]?.endsWith('systemd-nspawn') === true && words.includes(argument) && !isChildOfSame(pid, argument)
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

function isChildOfSame(pid: string, argument: string): boolean {
  const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
  return parent !== '0' && readFileSync(`/proc/${parent}/cmdline`, 'utf8').split('\0').includes(argument);
}

function groupsOf(tag: string): readonly string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const points = mounts.filter((line) => / - cgroup2? /.test(line)).map((line) => line.split(' ')[4] ?? '');
  return points.map((point) => join(point, 'cell-box', tag)).filter((group) => existsSync(group));
}

function readGroup(tag: string, files: readonly string[]): string | undefined {
  const file = groupsOf(tag)
    .flatMap((group) => files.map((name) => join(group, name)))
    .find((one) => existsSync(one));
  return file === undefined ? undefined : readFileSync(file, 'utf8').trim();
}
