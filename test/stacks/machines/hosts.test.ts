/**
 * The provider `hosts` against machines with a real SSH server: those of the provider `local` stand for somebody's own.
 */
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { genomeSchema } from '../../../genome/schema.ts';
import { besideOwner, claimOn, mustBeOurs, ownersLines } from '../../../src/effects/claim.ts';
import { generateHostKey } from '../../../src/effects/keys.ts';
import { layout } from '../../../src/layout.ts';
import { answerOf, reasonOf } from '../../../stacks/machines/hosts.answer.ts';
import { type HostsMachine, inOrder, machineHandler } from '../../../stacks/machines/hosts.handler.ts';
import { hostsCompute } from '../../../stacks/machines/hosts.ts';
import { cutPower } from '../../../stacks/machines/local.handler.ts';
import { openYard, type TestMachine, until, type Yard } from '../../local/machine.support.ts';
import { blank } from './need.ts';

const WITHIN = 60_000;
const listedAt = (address: string, hostKey = 'ssh-ed25519 AAAA'): HostsMachine => ({
  address,
  port: 22,
  user: 'root',
  hostKey,
});

describe('the order in which machines are tried', () => {
  const machines = Array.from({ length: 12 }, (_, index) => listedAt(`192.0.2.${index}`));
  const places = (list: readonly HostsMachine[]) => list.map(({ address }) => address);

  test('has each once, depends on the identity only, and not on the order of the list', () => {
    fc.assert(
      fc.property(fc.string(), fc.shuffledSubarray(machines, { minLength: 1 }), (identity, some) => {
        const order = places(inOrder(some, identity));
        expect([...order].sort()).toEqual(places(some).sort());
        expect(places(inOrder([...some].reverse(), identity))).toEqual(order);
      }),
    );
  });

  test('without one machine is the same order without it: a list that changes sends nobody elsewhere', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(11), (identity, index) => {
        const rest = machines.filter((_machine, at) => at !== index);
        const order = places(inOrder(machines, identity)).filter((place) => place !== machines[index]?.address);
        expect(places(inOrder(rest, identity))).toEqual(order);
      }),
    );
  });

  test('spreads: of a thousand births each machine is the first of many', () => {
    const firsts = Array.from({ length: 1200 }, (_, index) => inOrder(machines, `garden/b${index}`)[0]?.address);
    for (const { address } of machines) expect(firsts.filter((first) => first === address).length).toBeGreaterThan(60);
  });
});

describe('keys beside the owner’s', () => {
  const line = fc.constantFrom('ssh-ed25519 AAAA me', '', '# note', 'no-pty ssh-rsa AAAB', ' ');
  const text = fc.tuple(fc.array(line), fc.boolean()).map(([lines, end]) => lines.join('\n') + (end ? '\n' : ''));

  test('change, and go, and what was there is there to the byte', () => {
    fc.assert(
      fc.property(text, text, text, (own, first, second) => {
        const ended = (lines: string) => (lines === '' || lines.endsWith('\n') ? lines : `${lines}\n`);
        const once = besideOwner(own, ended(first));
        expect(ownersLines(once)).toBe(own);
        const twice = besideOwner(once, ended(second));
        expect(twice).toBe(besideOwner(own, ended(second)));
        expect(ownersLines(twice)).toBe(own);
      }),
    );
  });
});

describe('an answer', () => {
  test.each([
    ['hello\ncell-claim: free\n', 'free'],
    ['cell-claim: held living garden b1 seed root=', 'a cell of garden (b1, by seed)'],
    ['cell-claim: held expired garden b1 seed root=', 'an unfinished claim of garden (b1, by seed)'],
    ['cell-claim: cell weeds', 'a cell of weeds, without a claim'],
    ['cell-claim: lacks blank /opt/cell', 'it has /opt/cell already'],
    ['cell-claim: lacks blank user:cell', 'it has a user cell already'],
    ['cell-claim: lacks flock', 'it has no flock (of util-linux)'],
  ])('%j reads: %s', (output, reads) => expect(reasonOf(answerOf(output))).toBe(reads));

  test.each(['', 'sudo: a password is required', 'cell-claim: failed its disk takes no file', 'cell-claim: what'])(
    'that is none is an error: %j',
    (output) => expect(() => answerOf(output)).toThrow('did not answer'),
  );
});

describe('the provider', () => {
  const hostKey = 'ssh-ed25519 AAAAC3Nz';
  const clouds = genomeSchema.shape.clouds.parse({
    mine: {
      provider: 'hosts',
      credentials: 'command:echo key',
      monthly: '3 EUR',
      machines: [{ address: '192.0.2.7', hostKey: `${hostKey} a comment` }],
    },
  });
  const gene = clouds.mine as never;
  const machines = [{ address: '192.0.2.7', port: 22, user: 'root', hostKey }];

  test('says what it needs, and that the machine keeps its host key', async () => {
    const need = blank({ organism: 'yard', birth: 'b1', parent: 'seed', cloud: 'mine' });
    expect(hostsCompute.resources(need, gene)).toEqual([
      {
        type: 'cell:hosts:Machine',
        name: 'machine',
        inputs: { ...need, machines, imprintKey: { $value: 'imprintKey' } },
      },
    ]);
    expect(await hostsCompute.credential(gene, '')).toEqual({ privateKey: 'key', machines });
    expect(hostsCompute.monthly(gene)).toEqual({ cents: 300, currency: 'EUR' });
    const outputs = { address: '192.0.2.7', sshPort: 22, httpPort: 80, user: 'root', root: '' };
    expect(hostsCompute.reach({ machine: { ...outputs, hostKey } })).toEqual(outputs);
    expect(hostsCompute.hostKey?.({ machine: { ...outputs, hostKey } })).toBe(hostKey);
    expect(() => hostsCompute.reach({})).toThrow('no machine');
  });

  const good = {
    organism: 'yard',
    birth: 'b1',
    parent: 'seed',
    cloud: 'mine',
    machines,
    imprintKey: 'ssh-ed25519 AAAA',
  };
  test('takes inputs that can be used', () => expect(machineHandler.check(good)).toEqual([]));
  test.each([
    ['organism', 'a b'],
    ['birth', '$(reboot)'],
    ['parent', ''],
    ['imprintKey', 'ssh-ed25519 AAAA\nssh-ed25519 BBBB'],
    ['machines', []],
    ['machines', [{ address: 'a', port: 22, user: 'root', hostKey: 'none' }]],
  ])('refuses a wrong %s', (key, value) => {
    expect(machineHandler.check({ ...good, [key]: value }).map((wrong) => wrong.key)).toEqual([key]);
  });
});

// flock and stat are of Linux, as the machines are.
describe.runIf(process.platform === 'linux')('machines', () => {
  let yard: Yard;
  let owned: TestMachine[];
  let machines: HostsMachine[];
  let credential: { privateKey: string; machines: HostsMachine[] };
  const imprint = generateHostKey();

  beforeAll(async () => {
    yard = openYard('127.81.9.0/24');
    owned = await Promise.all(['o1', 'o2', 'o3'].map((birth) => yard.make(birth)));
    machines = owned.map(({ address }) => ({ address, port: 2222, user: 'root', hostKey: yard.hostKey.public }));
    credential = { privateKey: yard.clientKey.private, machines };
  }, WITHIN);
  afterEach(async () => {
    for (const { root } of owned) rmSync(join(root, 'var/lib/cell-claim'), { recursive: true, force: true });
    for (const { root } of owned) rmSync(join(root, 'var/lib/cell'), { recursive: true, force: true });
    for (const { root } of owned) writeFileSync(join(root, 'root/.ssh/authorized_keys'), `${yard.clientKey.public}\n`);
  });
  afterAll(() => yard.close(), WITHIN);

  const inputs = (birth: string, more = {}) => ({
    ...{ organism: 'garden', birth, parent: 'seed', cloud: 'mine' },
    machines: machines as never,
    imprintKey: imprint.publicKey,
    ...more,
  });
  const make = (birth: string, more = {}) =>
    machineHandler.create(inputs(birth, more), { credential: credential as never });
  const rootAt = (address: unknown) => owned.find((machine) => machine.address === address)?.root ?? '';
  const put = (root: string, path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };

  test('are claimed, opened to the imprint key, listed, and given back', { timeout: WITHIN }, async () => {
    const before = readFileSync(join(owned[0]?.root ?? '', 'root/.ssh/authorized_keys'), 'utf8');
    const live = await make('b1');
    expect(live).toEqual(await make('b1'));
    const root = rootAt(live.outputs.address);
    expect(live.outputs).toMatchObject({
      root,
      user: 'root',
      sshPort: 2222,
      hostKey: yard.hostKey.public,
      birth: 'b1',
    });
    expect(readFileSync(join(root, 'root/.ssh/authorized_keys'), 'utf8')).toContain(`${imprint.publicKey} imprint\n`);
    expect(await claimOn(layout(root))).toEqual({ organism: 'garden', birth: 'b1' });
    await mustBeOurs(layout(root), 'b1');
    await expect(mustBeOurs(layout(root), 'b2')).rejects.toMatchObject({ code: 'NOT_ALLOWED' });
    const { address } = live.outputs;
    const context = { credential: credential as never };
    expect(await machineHandler.read(live.id, inputs('b1'), context)).toEqual(live);
    expect(await machineHandler.find?.(inputs('b1'), context)).toEqual(live);
    expect(await machineHandler.find?.(inputs('b2'), context)).toBeNull();
    expect(await machineHandler.update(live.id, inputs('b1'), inputs('b1', { parent: 'heir' }), context)).toEqual(live);
    const listed = { id: live.id, birth: 'b1', parent: 'heir', address, running: true };
    expect(await hostsCompute.list('garden', credential as never)).toEqual([listed]);
    expect(await hostsCompute.list('weeds', credential as never)).toEqual([]);
    await hostsCompute.remove(live.id, credential as never);
    expect(existsSync(join(root, 'var/lib/cell-claim'))).toBe(false);
    expect(readFileSync(join(root, 'root/.ssh/authorized_keys'), 'utf8')).toBe(before);
    expect(await machineHandler.read(live.id, inputs('b1'), context)).toBeNull();
    await hostsCompute.remove(live.id, credential as never); // Gone already is fine.
    await expect(hostsCompute.remove('../b1', credential as never)).rejects.toMatchObject({ code: 'USAGE' });
    await expect(hostsCompute.remove('garden-b1@192.0.2.9:22', credential as never)).rejects.toThrow('not in the list');
  });

  test('are never claimed twice, by however many processes at once', { timeout: 2 * WITHIN }, async () => {
    const claimers = Array.from({ length: 8 }, (_, index) =>
      contender(inputs(`b${index}`, { organism: `o${index % 2}` })),
    );
    await Promise.all(claimers.map((claimer) => claimer.ready));
    const results = await Promise.all(claimers.map((claimer) => claimer.go()));
    const won = results.flatMap((result) => ('address' in result ? [result.address] : []));
    expect(won.sort()).toEqual(machines.map(({ address }) => address).sort());
    for (const result of results) {
      if ('address' in result) continue;
      expect(result.code).toBe('PROVIDER_REFUSED');
      for (const { address } of machines) expect(result.why).toMatch(new RegExp(`${address}:2222: claimed by o[01] `));
    }
    const claims = await Promise.all(owned.map(({ root }) => claimOn(layout(root))));
    expect(new Set(claims.map((claim) => claim?.birth)).size).toBe(3);
  });

  test('that are others’ are refused with who has them, and the next is taken', { timeout: WITHIN }, async () => {
    const order = inOrder(machines, 'garden/b1').map(({ address }) => rootAt(address));
    put(order[0] ?? '', 'var/lib/cell/organism.json', '{"v":1,"organism":"weeds","seeder":"s"}');
    await make('other', { organism: 'moss', machines: [inOrder(machines, 'garden/b1')[1]] });
    const live = await make('b1');
    expect(live.outputs.root).toBe(order[2]);
    const refused = make('b2').catch((error) => error);
    expect(await refused).toMatchObject({ code: 'PROVIDER_REFUSED' });
    for (const reason of [
      'a cell of weeds, without a claim',
      'claimed by moss (other, by seed)',
      'claimed by garden (b1, by seed)',
    ])
      expect((await refused).why).toContain(reason);
  });

  test('with another host key stop everything, unless the machine was ours before', { timeout: WITHIN }, async () => {
    const stranger = generateHostKey().publicKey;
    const wrong = machines.map((machine) => ({ ...machine, hostKey: stranger }));
    await expect(make('b1', { machines: wrong })).rejects.toMatchObject({ code: 'HOST_KEY_MISMATCH' });
    const [first, ...rest] = inOrder(machines, 'garden/b1');
    const mixed = [{ ...first, hostKey: stranger }, ...rest];
    await expect(make('b1', { machines: mixed })).rejects.toMatchObject({ code: 'HOST_KEY_MISMATCH' });
    const live = await make('b1', { machines: rest });
    expect(await make('b1', { machines: mixed })).toEqual(live);
    await expect(
      machineHandler.read(live.id, inputs('b1', { machines: wrong }), { credential: credential as never }),
    ).rejects.toMatchObject({
      code: 'HOST_KEY_MISMATCH',
    });
  });

  test('that do not answer, or let nobody in, are passed over with the reason', { timeout: WITHIN }, async () => {
    const [off, closed, good] = inOrder(machines, 'garden/b1') as [HostsMachine, HostsMachine, HostsMachine];
    const dead = { ...off, port: 2 };
    writeFileSync(join(rootAt(closed.address), 'root/.ssh/authorized_keys'), '');
    const live = await make('b1', { machines: [dead, closed, good] });
    expect(live.outputs.address).toBe(good.address);
    const none = await make('b2', { machines: [dead, closed, good] }).catch((error) => error);
    expect(none).toMatchObject({ code: 'PROVIDER_REFUSED' });
    expect(none.why).toContain(`${off.address}:2: No SSH log-in at ${off.address}:2`);
    expect(none.why).toContain('does not let this key in');
    expect(none.why).toContain('claimed by garden (b1, by seed)');
    const listed = await hostsCompute.list('garden', { ...credential, machines: [dead, good] } as never);
    expect(listed.map(({ birth, running }) => [birth, running])).toEqual([
      [null, false],
      ['b1', true],
    ]);
  });

  test('are shown as they are, and asking changes nothing', { timeout: WITHIN }, async () => {
    await make('b1');
    const [dead, ...rest] = machines;
    const claimed = await hostsCompute.list('garden', credential as never);
    const keyFile = join(yard.dir, 'owner.key');
    writeFileSync(keyFile, credential.privateKey);
    const gene = {
      provider: 'hosts',
      machines,
      credentials: `file:${keyFile}`,
      monthly: { cents: 0, currency: 'USD' },
    };
    const examined = await hostsCompute.examine?.(gene as never, 'garden');
    expect(examined?.mend).toBeUndefined();
    const says = machines.map(
      ({ address }) =>
        `${address}:2222 ${address === claimed[0]?.address ? 'claimed by garden (b1, by seed)' : 'free'}`,
    );
    expect(examined?.found).toBe(says.join('; '));
    const off = { ...gene, machines: [{ ...dead, port: 2 }, ...rest] };
    const wrong = await hostsCompute.examine?.(off as never, 'garden');
    expect(wrong?.found).toContain('No SSH log-in');
    expect(wrong?.mend).toBeDefined();
  });

  test('that are off are not taken for given back', { timeout: WITHIN }, async () => {
    const extra = await yard.make('o4');
    const only = [{ ...machines[0], address: extra.address }];
    const live = await make('b1', { machines: only });
    await cutPower(extra.id, yard.credential);
    const context = { credential: credential as never };
    await expect(machineHandler.delete(live.id, inputs('b1', { machines: only }), context)).rejects.toMatchObject({
      code: 'MACHINE_UNREACHABLE',
    });
    await expect(machineHandler.read(live.id, inputs('b1', { machines: only }), context)).rejects.toMatchObject({
      code: 'MACHINE_UNREACHABLE',
    });
  });

  test('have what ran there ended when they are given back', { timeout: WITHIN }, async () => {
    const live = await make('b1');
    const root = rootAt(live.outputs.address);
    const machine = owned.find((one) => one.root === root) as TestMachine;
    const unit = '[Service]\nExecStart=/bin/sh -c "exec sleep 7655"\n[Install]\nWantedBy=multi-user.target\n';
    put(root, 'etc/systemd/system/cell-fn-web.service', unit);
    put(root, 'opt/cell/bin/long', '#!/bin/sh\necho $$ >"$CELL_ROOT/run/long"\nwhile :; do sleep 1; done\n');
    const started = `systemctl daemon-reload && systemctl enable --now cell-fn-web.service && systemctl is-active cell-fn-web.service`;
    expect((await machine.ssh(started)).out.toString()).toContain('active');
    await machine.ssh(`(setsid sh ${root}/opt/cell/bin/long >/dev/null 2>&1 &)`);
    await until(
      'it runs',
      () => existsSync(join(root, 'run/long')) && readFileSync(join(root, 'run/long'), 'utf8') !== '',
    );
    const long = readFileSync(join(root, 'run/long'), 'utf8').trim();
    const words = async () => (await machine.ssh(`cat /proc/${long}/cmdline`)).out.toString();
    expect(await words()).toContain('opt/cell/bin/long');
    appendFileSync(join(root, 'etc/cron.d/cell'), '* * * * * root true\n');
    await hostsCompute.remove(live.id, credential as never);
    for (const path of [
      'opt/cell',
      'etc/cron.d/cell',
      'etc/systemd/system/cell-fn-web.service',
      'var/lib/cell-claim',
    ]) {
      expect([path, existsSync(join(root, path))]).toEqual([path, false]);
    }
    expect((await machine.ssh('systemctl is-active cell-fn-web.service')).code).not.toBe(0);
    expect(await words()).toBe('');
  });

  function contender(what: object) {
    const program = join(import.meta.dirname, 'hosts.contend.main.ts');
    const child = spawn(process.execPath, [program, JSON.stringify({ inputs: what, credential })], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    return {
      ready: lines.next(),
      async go(): Promise<{ id: string; address: string } | { code: string; why: string }> {
        child.stdin.write('go\n');
        return JSON.parse(String((await lines.next()).value));
      },
    };
  }
});
