/** Real machines that are somebody's own: claimed by one cell at a time, lived on, and given back as they were found. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateHostKey } from '../../src/effects/keys.ts';
import { dial } from '../../src/effects/ssh.ts';
import { type HostsMachine, inOrder, listMachines, machineHandler } from '../../stacks/machines/hosts.handler.ts';
import { newOrganism } from '../courses/organism.ts';
import { fileOn, type Lent, lentCloud, lentMachines } from './lent.ts';
import { newKey, startKnot } from './nameservers.ts';
import { KNOT, NSPAWN, needs } from './needs.ts';

const OCTET = 102;
const WITHIN = 10 * 60_000;

describe.skipIf(needs('machines that are lent', NSPAWN, KNOT))('machines that are lent', () => {
  const imprint = generateHostKey();
  let lent: Lent;
  let machines: HostsMachine[];
  let folder: string;
  let keyFile: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cell-lab-'));
    lent = await lentMachines(OCTET, 3);
    machines = lent.machines.map(({ address, hostKey }) => ({ address, port: 22, user: 'root', hostKey }));
    keyFile = join(folder, 'machines.key');
    writeFileSync(keyFile, lent.key.privatePem, { mode: 0o600 });
  }, WITHIN);
  afterAll(async () => {
    await lent?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const inputs = (birth: string, more = {}) => ({
    ...{ organism: 'garden', birth, parent: 'seed', cloud: 'mine', imprintKey: imprint.publicKey },
    machines: machines as never,
    ...more,
  });
  const context = () => ({ credential: { privateKey: lent.key.privatePem, machines } as never });
  const lentAt = (address: unknown) => lent.machines.find((machine) => machine.address === address)!;

  test.for(['root', 'keeper'])('are claimed and given back by %s', { timeout: WITHIN }, async (user) => {
    const list = machines.map((machine) => ({ ...machine, user }));
    const asked = inputs('b1', { machines: list as never });
    const place = inOrder(list, 'garden/b1')[0]?.address;
    const before = await lentAt(place).listing();
    const live = await machineHandler.create(asked, context());
    expect(live.outputs.address).toBe(place);
    const reach = { address: String(place), sshPort: 22, httpPort: 80, user: 'root', root: '' };
    const remote = await dial(reach, { privateKey: imprint.privatePem, hostKeys: [String(live.outputs.hostKey)] });
    expect(await remote.must('id -u')).toBe('0\n');
    // As a function with an image leaves it behind.
    await remote.must(`tar -C / -c etc/hostname | podman import --quiet - cell-image
podman create --quiet --name cell-fn-web cell-image sh`);
    remote.close();
    expect(await machineHandler.create(asked, context())).toEqual(live);

    const others = inputs('b2', { organism: 'weeds', machines: [list.find(({ address }) => address === place)] });
    const refused = await machineHandler.create(others, context()).catch((error) => error);
    expect(refused).toMatchObject({ code: 'PROVIDER_REFUSED' });
    expect(refused.why).toBe(`${place}:22: claimed by garden (b1, by seed)`);
    const stranger = list.map((machine) => ({ ...machine, hostKey: generateHostKey().publicKey }));
    const wrong = machineHandler.create(inputs('b3', { machines: stranger }), context());
    await expect(wrong).rejects.toMatchObject({ code: 'HOST_KEY_MISMATCH' });

    await machineHandler.delete(live.id, asked, context());
    await machineHandler.delete(live.id, asked, context());
    expect(await lentAt(place).listing()).toEqual(before);
    await expect(
      dial(reach, { privateKey: imprint.privatePem, hostKeys: [String(live.outputs.hostKey)] }),
    ).rejects.toMatchObject({
      code: 'NOT_ALLOWED',
    });
    expect(await listMachines('garden', context().credential)).toEqual([]);
  });

  test('have all that a user needs for sudo run as root, with its input', { timeout: WITHIN }, async () => {
    const { address, hostKey } = lent.machines[0]!;
    const reach = { address, sshPort: 22, httpPort: 80, user: 'keeper', root: '' };
    const remote = await dial(reach, { privateKey: lent.key.privatePem, hostKeys: [hostKey] });
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 256));
    expect(await remote.must('id -un; echo "$HOME"')).toBe('root\n/root\n');
    expect(await remote.must('wc -c; echo \'it is\' "$0"', { stdin: bytes })).toBe('300000\nit is /bin/sh\n');
    expect((await remote.run('exit 7')).code).toBe(7);
    remote.close();
  });

  test('are never claimed twice, by however many at once', { timeout: WITHIN }, async () => {
    const claimers = Array.from({ length: 8 }, (_, index) => contender(`b${index}`, `o${index % 3}`));
    await Promise.all(claimers.map(({ ready }) => ready));
    const results = await Promise.all(claimers.map(({ go }) => go()));
    const won = results.flatMap((result) => ('address' in result ? [result] : []));
    expect(won.map(({ address }) => address).sort()).toEqual(machines.map(({ address }) => address).sort());
    for (const { id, birth } of won) {
      expect(fileOn(lentAt(id.split('@')[1]?.split(':')[0]), 'var/lib/cell-claim/claim')).toContain(`birth=${birth}\n`);
      await machineHandler.delete(id, inputs(birth), context());
    }
  });

  test('carry an organism that grows, and are as they were when it is gone', { timeout: WITHIN }, async () => {
    const before = await Promise.all(lent.machines.map((machine) => machine.listing()));
    const key = newKey('drill');
    const { address } = lent.box;
    const knot = await startKnot({ zone: 'drill.test', address, port: 53, keys: [key] });
    const secret = join(folder, 'tsig');
    writeFileSync(secret, key.secret, { mode: 0o600 });
    const home = mkdtempSync(join(tmpdir(), 'cell-lab-'));
    const organism = await newOrganism({ maxCells: 3 }, async () => ({
      folder: home,
      places: (ttlMs) => `clouds: { mine: ${lentCloud(lent, keyFile, 'keeper')} }
dns: { provider: rfc2136, server: ${address}, key: ${key.name}, credentials: "file:${secret}", ttl: ${ttlMs}ms }`,
      dns: { address, port: 53 },
      httpPort: 80,
      patience: 4,
      env: {},
      meeting: { aloneAt: '', trace: '', sick: '' },
      rootOf: ({ reach }) => lentAt(reach.address).root,
      owns: ({ line }) => line.includes(home),
      listening: () => [],
      keeps: [],
      astray: async () => [],
      cutPower: async () => {},
      remove: async () => rmSync(home, { recursive: true, force: true }),
    }));
    try {
      const seeded = await organism.seed();
      expect(seeded.code, seeded.stderr).toBe(0);
      const [first] = await organism.living();
      expect(first?.hostKey).toBe(lentAt(first?.reach.address).hostKey);
      // Its owner is still let in, by the key that he pinned.
      (await lentAt(first?.reach.address).shell()).close();
      const keys = fileOn(lentAt(first?.reach.address), 'root/.ssh/authorized_keys');
      expect(keys).toContain(lent.key.publicKey);
      expect(keys).not.toContain(' imprint');
      expect(keys.endsWith(' his')).toBe(true);

      await organism.until(
        'an answer',
        async () => (await organism.on(first!, 'systemctl is-active cell-fn-web')).code === 0,
      );
      const divided = await organism.on(first!, '/opt/cell/bin/cell divide --now web');
      expect(divided.code, divided.stdout + divided.stderr).toBe(0);
      const cells = await organism.until(
        'a child',
        async () => {
          const now = await organism.living();
          return now.length === 2 && now.every(({ state, weaned }) => state === 'living' && weaned) ? now : false;
        },
        120_000,
      );
      const claims = cells.map((cell) => fileOn(lentAt(cell.reach.address), 'var/lib/cell-claim/claim'));
      expect(claims.map((text) => /^birth=(.*)$/m.exec(text)?.[1])).toEqual(cells.map(({ birth }) => birth));
      expect(new Set(cells.map(({ reach }) => reach.address)).size).toBe(2);

      const gone = await organism.cell(['destroy', '--yes']);
      expect(gone.code, gone.stdout + gone.stderr).toBe(0);
      const after = await Promise.all(lent.machines.map((machine) => machine.listing()));
      expect(after.map((lines, index) => lines.filter((line) => !before[index]?.includes(line)))).toEqual([[], [], []]);
      expect(after).toEqual(before);
      for (const machine of lent.machines) {
        const remote = await machine.shell();
        const left =
          await remote.run(`systemctl list-units --all --plain --no-legend 'cell-*'; nft list tables | grep cell
ps -eo args | grep -F /opt/cell/ | grep -v grep; getent passwd | grep ^cell; ss -ltnH | awk '{print $4}' | sort -u`);
        remote.close();
        expect(
          left.stdout
            .trim()
            .split('\n')
            .filter((line) => !/:22$/.test(line)),
        ).toEqual([]);
      }
    } finally {
      await organism.close();
      await knot.stop();
    }
  });

  function contender(birth: string, organism: string) {
    const program = join(import.meta.dirname, '../stacks/machines/hosts.contend.main.ts');
    const what = { inputs: inputs(birth, { organism }), ...context() };
    const child = spawn(process.execPath, [program, JSON.stringify(what)], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    return {
      ready: lines.next(),
      async go(): Promise<{ birth: string; id: string; address: string } | { code: string; why: string }> {
        child.stdin.write('go\n');
        return { birth, ...JSON.parse(String((await lines.next()).value)) };
      },
    };
  }
});
