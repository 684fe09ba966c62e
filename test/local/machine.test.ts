import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { NodeSSH } from 'node-ssh';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { machinePid } from '../../src/local/power.ts';
import { processesWith } from '../../src/local/processes.ts';
import { cutPower, machineHandler } from '../../stacks/machines/local.handler.ts';
import { openYard, run, type TestMachine, until, type Yard } from './machine.support.ts';

const WITHIN = 180_000;
let yard: Yard;
let machine: TestMachine;

beforeAll(async () => {
  yard = openYard('127.81.7.0/24');
  machine = await yard.make('b1');
  // Due at the next full minute, which is while the other tests run.
  writeFileSync(
    join(machine.root, 'etc/cron.d/cell'),
    '# every minute\nGREETING=hello\n* * * * * root echo "$GREETING from $PWD" > $CELL_ROOT/tmp/cron\n',
  );
}, WITHIN);

afterAll(() => yard.close(), WITHIN);

function writeUnit(name: string, text: string): void {
  writeFileSync(join(machine.root, 'etc/systemd/system', name), text);
}

const text = (out: Buffer) => out.toString().trim();
const marked = () => processesWith({ CELL_MACHINE: machine.marker });
const refuses = (address: string, port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, address, () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', () => resolve(true));
  });

describe('ssh', () => {
  test('runs commands in the home of the machine, with its environment and exit codes', async () => {
    const { code, out } = await machine.ssh('echo "$CELL_ROOT|$HOME|$PWD|$USER"; exit 7');
    expect(code).toBe(7);
    expect(text(out)).toBe(`${machine.root}|${machine.root}/root|${machine.root}/root|root`);
    const killed = await machine.ssh('kill -TERM $$');
    expect(killed.code).toBe(255);
    const noisy = await machine.ssh('echo out; echo err >&2');
    expect([text(noisy.out), noisy.err.trim()]).toEqual(['out', 'err']);
  });

  test('takes 100 MB each way without a changed byte', { timeout: WITHIN }, async () => {
    const data = randomBytes(100_000_000);
    const { out } = await machine.ssh('cat', { input: data });
    const sum = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(out.length).toBe(data.length);
    expect(sum(out)).toBe(sum(data));
  });

  test('serves node-ssh', async () => {
    const client = new NodeSSH();
    await client.connect({ host: machine.address, port: 2222, username: 'root', privateKey: yard.clientKey.private });
    const result = await client.execCommand('cat; echo problem >&2; exit 4', { stdin: 'in' });
    expect(result).toMatchObject({ stdout: 'in', stderr: 'problem', code: 4 });
    const large = await client.execCommand('wc -c', { stdin: 'x'.repeat(5_000_000) });
    expect(large.stdout.trim()).toBe('5000000');
    client.dispose();
  });

  test('a forced command runs instead of what is asked; other keys and passwords do not enter', async () => {
    const other = ssh2.utils.generateKeyPairSync('ed25519');
    const key = join(yard.dir, 'other');
    writeFileSync(key, other.private, { mode: 0o600 });
    const refused = await machine.ssh('true', { key });
    expect(refused.code).toBe(255);
    expect(refused.err).toContain('Permission denied (publickey)');
    const file = join(machine.root, 'root/.ssh/authorized_keys');
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, `${before}command="echo \\"forced\\" $SSH_ORIGINAL_COMMAND",restrict ${other.public}\n`);
    const forced = await machine.ssh('rm -rf everything', { key });
    expect([forced.code, forced.err, text(forced.out)]).toEqual([0, '', 'forced rm -rf everything']);
    const forwarding = await machine.ssh('', { args: ['-W', `${machine.address}:8080`] });
    expect(forwarding.err).toContain('administratively prohibited');
    writeFileSync(file, before);
    expect((await machine.ssh('true', { key })).code).toBe(255);
  });

  test.each([
    ['yes', 'y'],
    ['while :; do echo y; done', 'y'],
    ['echo y; exec sleep 0.2', 'y'],
  ])('`%s` ends when the client reads no more of it', { timeout: WITHIN }, async (command, line) => {
    const client = machine.sshLine(command);
    const { out } = await run('/bin/sh', ['-c', `${client} | head -n 1`]);
    expect(text(out)).toBe(line);
    await until('nothing of it runs', () => marked().length === 1);
  });

  test('a terminal is a terminal', async () => {
    const { out, code } = await machine.ssh('tty >/dev/null && stty size; exit 6', { args: ['-tt'] });
    expect(code).toBe(6);
    expect(text(out)).toMatch(/^\d+ \d+$/m);
  });

  test('when the client goes, its command goes, also one that ignores SIGHUP', async () => {
    const client = new NodeSSH();
    await client.connect({ host: machine.address, port: 2222, username: 'root', privateKey: yard.clientKey.private });
    const pending = client
      .execCommand('trap "" HUP; echo $$ > $TMPDIR/loop; while :; do sleep 1; done')
      .catch(() => null);
    const file = join(machine.root, 'tmp/loop');
    await until('the loop runs', () => existsSync(file) && readFileSync(file, 'utf8').trim() !== '');
    const pid = Number(readFileSync(file, 'utf8'));
    expect(marked()).toContain(pid);
    client.dispose();
    await pending;
    await until('the loop is gone', () => !marked().includes(pid));
  });

  test('answers with a new host key after a reload, and only then', async () => {
    const next = ssh2.utils.generateKeyPairSync('ed25519');
    const file = join(machine.root, 'etc/ssh/ssh_host_ed25519_key');
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, next.private);
    expect((await machine.ssh('true')).code).toBe(0);
    expect((await machine.ssh('systemctl reload ssh')).code).toBe(0);
    const changed = await machine.ssh('true');
    expect(changed.code).toBe(255);
    expect(changed.err).toContain('HOST IDENTIFICATION HAS CHANGED');
    writeFileSync(file, before);
    const client = new NodeSSH();
    await client.connect({ host: machine.address, port: 2222, username: 'root', privateKey: yard.clientKey.private });
    await client.execCommand('systemctl reload ssh');
    client.dispose();
    expect((await machine.ssh('true')).code).toBe(0);
  });
});

describe('units', () => {
  test('a service starts at once, is restarted when it crashes, and is stopped with all it started', async () => {
    writeUnit(
      'loop.service',
      `[Service]
Environment="GREETING=good day"
ExecStart=/bin/sh -c 'echo "$GREETING"; (setsid sleep 4321 &); exec sleep 4322'
Restart=on-failure
RestartSec=50ms
[Install]
WantedBy=multi-user.target
`,
    );
    expect((await machine.ssh('systemctl enable --now loop')).code).toBe(0);
    expect(text((await machine.ssh('systemctl is-active loop')).out)).toBe('active');
    const mainPid = async () =>
      Number(text((await machine.ssh('systemctl show -p MainPID,ActiveState loop')).out).match(/MainPID=(\d+)/)?.[1]);
    const first = await mainPid();
    const procs = readFileSync(join(machine.root, 'sys/fs/cgroup/system.slice/loop.service/cgroup.procs'), 'utf8');
    expect(procs.split('\n')).toContain(String(first));
    process.kill(first, 'SIGKILL');
    await until('it runs again', async () => {
      const pid = await mainPid();
      return pid > 0 && pid !== first;
    });
    expect(text((await machine.ssh('journalctl -u loop -o cat -n 1')).out)).toBe('good day');
    await until('it and its child run', () => marked().length >= 3);
    expect((await machine.ssh('systemctl stop loop')).code).toBe(0);
    expect((await machine.ssh('systemctl is-active loop')).code).toBe(3);
    await until('only the machine is left', () => marked().length === 1);
    expect((await machine.ssh('systemctl disable loop')).code).toBe(0);
  });

  test('a service that ignores SIGTERM is killed when its time is up', async () => {
    writeUnit(
      'deaf.service',
      `[Service]\nExecStart=/bin/sh -c 'trap "" TERM; while :; do sleep 0.1; done'\nTimeoutStopSec=300ms\n`,
    );
    await machine.ssh('systemctl start deaf');
    const began = Date.now();
    expect((await machine.ssh('systemctl stop deaf')).code).toBe(0);
    expect(Date.now() - began).toBeGreaterThanOrEqual(300);
    expect(text((await machine.ssh('systemctl show -p ActiveState --value deaf')).out)).toBe('inactive');
  });

  test('starting a oneshot waits for its end and says whether it failed', async () => {
    writeUnit('once.service', `[Service]\nType=oneshot\nExecStart=/bin/sh -c 'sleep 0.2; exit 9'\n`);
    const { code, err } = await machine.ssh('systemctl start once');
    expect(code).not.toBe(0);
    expect(err).toContain('once.service');
    expect(
      text((await machine.ssh('systemctl show -p ExecMainStatus,ActiveState once')).out)
        .split('\n')
        .sort(),
    ).toEqual(['ActiveState=failed', 'ExecMainStatus=9']);
    expect((await machine.ssh('systemctl start nothing')).err).toContain('Unit nothing.service not found.');
  });

  test('a timer fires again and again, and never starts a unit that still runs', async () => {
    const file = join(machine.root, 'tmp/beats');
    writeUnit(
      'beat.service',
      `[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo begin >> ${file}; sleep 0.3; echo end >> ${file}'\n`,
    );
    writeUnit('beat.timer', '[Timer]\nOnActiveSec=0\nOnUnitActiveSec=100ms\nAccuracySec=1ms\n');
    await machine.ssh('systemctl start beat.timer');
    const lines = () => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []);
    await until('four beats', () => lines().length >= 8);
    await machine.ssh('systemctl stop beat.timer');
    const order = lines();
    expect(order).toEqual(order.map((_line, index) => (index % 2 === 0 ? 'begin' : 'end')));
  });
});

test('cron runs what is in cron.d at the full minute', { timeout: WITHIN }, async () => {
  const file = join(machine.root, 'tmp/cron');
  await until('cron ran', () => existsSync(file) && readFileSync(file, 'utf8') !== '', 75_000);
  expect(readFileSync(file, 'utf8').trim()).toBe(`hello from ${machine.root}/root`);
});

describe('power', () => {
  test('cutting it ends everything; booting brings the same address and the enabled units back', async () => {
    const drill = await yard.make('drill');
    const units = join(drill.root, 'etc/systemd/system');
    writeFileSync(
      join(units, 'daemon.service'),
      `[Service]\nExecStart=/bin/sh -c '(setsid sleep 5432 &); exec sleep 5433'\n[Install]\nWantedBy=multi-user.target\n`,
    );
    await drill.ssh('systemctl enable --now daemon');
    const all = () => processesWith({ CELL_MACHINE: drill.marker });
    await until('the unit and its child run', () => all().length >= 3);
    // As a power cut: only the machine itself is killed, and takes the rest along.
    process.kill(machinePid(drill.folder) as number, 'SIGKILL');
    await until('all of it is gone', () => all().length === 0);
    await until('its guardian too', () => processesWith({ CELL_GUARDIAN: drill.marker }).length === 0);
    expect(await refuses(drill.address, 2222)).toBe(true);
    expect(await machineHandler.read(drill.id, yard.inputs('drill'), { credential: yard.credential })).not.toBeNull();
    const again = await yard.make('drill');
    expect(again.live).toEqual(drill.live);
    await until('the unit runs', async () => (await again.ssh('systemctl is-active daemon')).code === 0);
    await cutPower(drill.id, yard.credential);
    expect(all()).toEqual([]);
  });

  test('systemctl poweroff stops the units in their own way', async () => {
    const calm = await yard.make('calm');
    const file = join(calm.root, 'tmp/last');
    writeFileSync(
      join(calm.root, 'etc/systemd/system/polite.service'),
      `[Service]\nExecStart=/bin/sh -c 'trap "echo bye > ${file}; exit 0" TERM; while :; do sleep 0.05; done'\n`,
    );
    await calm.ssh('systemctl start polite');
    await calm.ssh('systemctl poweroff'); // The connection may go before the answer is through, as anywhere.
    await until('it is off', () => processesWith({ CELL_MACHINE: calm.marker }).length === 0);
    expect(readFileSync(file, 'utf8').trim()).toBe('bye');
  });
});
