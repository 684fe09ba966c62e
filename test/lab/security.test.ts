/**
 * What security.md says, tried on an organism of two real machines: what its keys open, who can read its secrets, what
 * listens, how its units are confined, and what becomes of a cell that lies.
 *
 * The last tests have cells lie, so those before them need an organism that nobody doubts.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateHostKey, identityFrom, loadIdentity } from '../../src/effects/keys.ts';
import { makeEntry } from '../../src/memory/entry.ts';
import { type Memory, openMemory } from '../../src/memory/memory.ts';
import { commitOf, treesOf } from '../../src/memory/objects.ts';
import { publishPulse, readPulses } from '../../src/memory/pulses.ts';
import { EMPTY_TREE, writeObjects } from '../../src/memory/repo.ts';
import type { Cell } from '../../src/model.ts';
import type { Mitosis } from '../../src/saga.ts';
import { expectDivided, settled } from '../courses/drill.ts';
import { newOrganism, type Organism } from '../courses/organism.ts';
import { seeded } from '../courses/stem.ts';
import { type Door, hangingAt, sessionAt, talk } from './doors/door.ts';
import { garbage } from './doors/garbage.ts';
import { openPorts } from './doors/ports.ts';
import { ENTRY, powersOf } from './doors/powers.ts';
import { longest, privateKeysIn, secretLine } from './doors/secrets.ts';
import { labGround } from './ground.ts';
import { makeNamespace } from './load.ts';
import { KNOT, NSPAWN, needs } from './needs.ts';

const OCTET = 181;
const TIMEOUT = 180_000;
const KILLED = 137;
const FUZZED = 150;
const AT_ONCE = 6;
/** Log-ins that are refused, one after the other; a third of it is enough for an sshd to shut an address out. */
const REFUSED = 12;
const HOME = 'var/lib/cell';
const MORE = [{ program: 'rsync', package: 'rsync' }];
const USERS = ['cell', 'cell-web', 'cell-api', 'caddy', 'nobody'];
/** How much of the system each unit may reach, of 10, as `systemd-analyze security` counts. */
const EXPOSURE: Readonly<Record<string, number>> = {
  'cell-firewall': 2,
  'cell-fn-api': 1.5,
  'cell-fn-web': 1.5,
  'cell-ingress': 2,
  'cell-tick': 3,
};

describe.skipIf(needs('security', NSPAWN, KNOT, MORE))('an organism of real machines', () => {
  let organism: Organism;
  let bridge: string;
  let saga: Mitosis;
  let [first, child] = [] as unknown as [Cell, Cell];
  let hanging: Readonly<Record<string, ReturnType<typeof hangingAt>>> = {};
  const folder = mkdtempSync(join(tmpdir(), 'cell-security-'));
  const homeOf = (cell: Cell) => join(organism.ground.rootOf(cell), HOME);
  const door = (key: Cell, cell: Cell, user: string): Door => ({ home: copyOf(key), cell, user });
  const known = new Map<string, string>();

  /** A cell's home as whoever is root there has it. */
  function copyOf(cell: Cell): string {
    const copy = known.get(cell.id) ?? mkdtempSync(join(folder, 'home-'));
    if (!known.has(cell.id)) cpSync(homeOf(cell), copy, { recursive: true, verbatimSymlinks: true });
    known.set(cell.id, copy);
    return copy;
  }

  const must = async (cell: Cell, command: string): Promise<string> => {
    const ran = await organism.on(cell, command);
    expect(ran.code, `${cell.name}: ${command}: ${ran.stderr}`).toBe(0);
    return ran.stdout.trim();
  };
  const linesOf = (text: string) => text.split('\n').filter(Boolean);

  beforeAll(async () => {
    organism = await newOrganism({ maxCells: 2 }, async () => {
      const ground = await labGround(OCTET, 2);
      bridge = ground.box.bridge;
      return ground;
    });
    first = await seeded(organism);
    await organism.pause(first);
    const ran = await organism.tick(first, { fault: 'kill-after:birth', now: 'web' });
    expect(ran.code, ran.stdout + ran.stderr).toBe(KILLED);
    [saga] = organism.sagas(first) as [Mitosis];
    await organism.goOn(first);
    await settled(organism, 2, TIMEOUT);
    child = await expectDivided(organism, 'web', saga);
    // From here on nothing happens but what is tried.
    for (const cell of [first, child]) {
      await organism.pause(cell);
      const state = 'systemctl show --property ActiveState --value cell-tick';
      await organism.until('its last tick ends', async () => (await must(cell, state)) === 'inactive');
    }
    const at = door(child, first, 'cell');
    hanging = { 'a session without a word': hangingAt(at, ['-T']), 'no session': hangingAt(at, ['-N']) };
  }, 2 * TIMEOUT);
  afterAll(async () => {
    for (const one of Object.values(hanging)) one.stop();
    await organism?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('a shell can do what the doors are tried for, so a refusal means something', async () => {
    expect(await powersOf({ home: organism.home, cell: first, user: 'root' })).toEqual(
      [
        ...['a command', 'a command that follows the forced one', 'a file by rsync', 'a file by scp', 'a file by sftp'],
        ...['a file by the old scp', 'a file put there', ENTRY, 'a shell', 'a terminal', 'a variable', 'forwarding -D'],
        ...['forwarding -L', 'forwarding -R', 'forwarding of standard input', 'forwarding to a socket'],
        // But an agent, which sshd forwards for nobody.
      ].sort(),
    );
  });

  test("a child's key can do nothing but sync on its parent, and the parent's on its child", async () => {
    const nothingMore = async (key: Cell, cell: Cell) => {
      expect(await powersOf(door(key, cell, 'cell')), `${key.name} at ${cell.name}`).toEqual([ENTRY]);
      expect(await powersOf(door(key, cell, 'root')), `${key.name} at ${cell.name}, as root`).toEqual([]);
    };
    await Promise.all([nothingMore(child, first), nothingMore(first, child)]);
  });

  test('what a session brings along does not reach the command behind the door', async () => {
    const options = ['SendEnv=none', 'SetEnv=LC_ALL=C LC_CELL=mine LANG=mine', 'ForwardAgent=yes', 'ForwardX11=yes'];
    const flags = options.flatMap((option) => ['-o', option]);
    const session = hangingAt(door(child, first, 'cell'), ['-T', ...flags]);
    try {
      const look = `for pid in $(pgrep -u cell -f 'head -c'); do tr '\\0' '\\n' < /proc/$pid/environ; echo; done`;
      const seen = await organism.until('two sessions wait', async () => {
        const { stdout } = await organism.on(first, look);
        return (stdout.match(/^USER=cell$/gm) ?? []).length >= 2 ? stdout : false;
      });
      expect(seen).not.toMatch(/^(?:LC_|LANG=mine|SSH_AUTH_SOCK|SSH_TTY|DISPLAY)/m);
    } finally {
      session.stop();
      await session.ended;
    }
  });

  test('an imprint key opens nothing, no key of the parent opens the child, and only the seeder gets a shell', async () => {
    expect(await organism.opens(saga)).toBe(false);
    const seeder = loadIdentity(organism.home).publicKey.split(' ').slice(0, 2).join(' ');
    for (const cell of [first, child]) {
      const lines = readFileSync(join(organism.ground.rootOf(cell), 'root/.ssh/authorized_keys'), 'utf8').trim();
      expect(lines).toBe(`${seeder} operator`);
    }
    const kept = await organism.on(first, `grep -rlF '${secretLine(saga.imprintKey.privateKey)}' /var/lib/cell`);
    expect(kept.stdout).toBe('');
    const files = linesOf(await must(first, "grep -rlsE 'BEGIN [A-Z ]*PRIVATE KEY' /var /etc /root /srv /home /run"));
    expect(files).toEqual(expect.arrayContaining(['/var/lib/cell/key', '/var/lib/cell/credentials.json']));
    const keys = files.flatMap((file) =>
      privateKeysIn(readFileSync(join(organism.ground.rootOf(first), file), 'utf8')),
    );
    expect(keys.length).toBeGreaterThan(2);
    for (const key of [...new Set(keys)]) {
      const home = mkdtempSync(join(folder, 'found-'));
      writeFileSync(join(home, 'key'), key, { mode: 0o600 });
      for (const user of ['root', 'cell-web']) {
        const { code, stderr } = await talk({ home, cell: child, user }, Buffer.from('id\n'));
        expect([code, stderr]).toEqual([255, expect.stringContaining('Permission denied')]);
      }
    }
  });

  test('nobody is shut out for log-ins that were refused', async () => {
    const stranger = mkdtempSync(join(folder, 'stranger-'));
    writeFileSync(join(stranger, 'key'), generateHostKey().privatePem, { mode: 0o600 });
    for (let times = 0; times < REFUSED; times++) {
      const { stderr } = await talk({ home: stranger, cell: first, user: 'cell' }, Buffer.from(''));
      expect(stderr).toContain('Permission denied');
    }
    expect(await sessionAt(door(child, first, 'cell'), openMemory(copyOf(child)), child.id)).toBeTruthy();
    await must(first, 'true');
  });

  test('a leaf holds no compute credential, and nothing of one', async () => {
    const credentialsOf = (cell: Cell) => JSON.parse(readFileSync(join(homeOf(cell), 'credentials.json'), 'utf8'));
    expect((await organism.lineage()).cells[child.id]?.budget).toBe(0);
    expect(credentialsOf(child)).toMatchObject({ compute: null, dns: expect.anything() });
    const compute = secretLine(JSON.stringify(credentialsOf(first).compute));
    const look = (cell: Cell) => organism.on(cell, `grep -rlsF '${compute}' /var /etc /srv /root /tmp /run /opt /home`);
    expect((await look(first)).stdout).toContain('/var/lib/cell/credentials.json');
    expect((await look(child)).stdout).toBe('');
  });

  test('secrets on disk can be read by root alone', async () => {
    for (const cell of [first, child]) {
      const read = (name: string) => readFileSync(join(organism.ground.rootOf(cell), name), 'utf8');
      const { dns, compute } = JSON.parse(read(`${HOME}/credentials.json`));
      const secrets = [
        secretLine(read(`${HOME}/key`)),
        secretLine(read('etc/ssh/ssh_host_ed25519_key')),
        read(`${HOME}/age.key`).trim().split('\n').at(-1) ?? '',
        longest(dns),
        ...(compute === null ? [] : [secretLine(JSON.stringify(compute))]),
      ];
      const words = secrets.map((secret) => `-e '${secret}'`).join(' ');
      const look = async (user: string) => {
        const command = `setpriv --reuid ${user} --regid $(id -g ${user}) --init-groups grep -rlsF ${words}`;
        const places = '/var/lib/cell /srv/cell /etc/cell /opt/cell /etc/ssh /etc/systemd /root /tmp /run /var/log';
        return linesOf(
          (await organism.on(cell, `! id ${user} >/dev/null 2>&1 || ${command} ${places} 2>/dev/null`)).stdout,
        );
      };
      expect(await look('root'), cell.name).toEqual(
        expect.arrayContaining(['/var/lib/cell/key', '/var/lib/cell/age.key', '/etc/ssh/ssh_host_ed25519_key']),
      );
      for (const user of USERS) expect(await look(user), `${cell.name}: ${user}`).toEqual([]);
      const modes = await must(cell, 'stat -c "%a %U" /etc/cell/env /var/lib/cell/key /var/lib/cell/journal');
      expect(linesOf(modes)).toEqual(['700 root', '600 root', '700 root']);
    }
  });

  test(
    'sshd and Caddy are all that answers from outside',
    async () => {
      const namespace = await makeNamespace(bridge, `10.${OCTET}.0.250`);
      try {
        const open = await Promise.all([first, child].map((cell) => openPorts(namespace.name, cell.reach.address)));
        expect(open).toEqual([
          [22, 80],
          [22, 80],
        ]);
      } finally {
        await namespace.remove();
      }
      for (const cell of [first, child]) {
        const listeners = linesOf(await must(cell, 'ss -Hltunp')).flatMap((line) => {
          const [, , , , local = ''] = line.trim().split(/\s+/);
          const name = /\(\("([^"]+)"/.exec(line)?.[1] ?? line;
          return /^(?:127\.|\[::1\])/.test(local) ? [] : [`${name} ${local.split(':').at(-1)}`];
        });
        const distinct = [...new Set(listeners)].sort();
        process.stderr.write(`security: ${cell.name} listens: ${distinct.join(', ')}\n`);
        expect(distinct).toContain('caddy 80');
        // What runs in two cells is there for the other cell, and the packet filter lets in nobody else.
        expect(distinct.filter((one) => !/^(?:(?:sshd|systemd) 22|caddy (?:80|7100))$/.test(one))).toEqual([]);
      }
    },
    TIMEOUT,
  );

  test('its units reach little of the system', async () => {
    for (const cell of [first, child]) {
      const listed = linesOf(await must(cell, 'systemctl list-units --all --plain --no-legend "cell-*.service"'));
      const seen: Record<string, number> = {};
      for (const line of listed) {
        const unit = line.split(/\s+/)[0] ?? '';
        const said = await must(cell, `systemd-analyze security --no-pager ${unit} | tail -1`);
        seen[unit.replace('.service', '')] = Number(/: ([\d.]+) /.exec(said)?.[1]);
      }
      process.stderr.write(`security: ${cell.name}: systemd-analyze security: ${JSON.stringify(seen)}\n`);
      expect(Object.keys(seen)).toEqual(expect.arrayContaining(['cell-ingress', 'cell-tick']));
      for (const [unit, exposure] of Object.entries(seen)) {
        expect(exposure, unit).toBeLessThanOrEqual(EXPOSURE[unit] ?? 0);
      }
    }
  });

  test(
    'a door that is told anything at all changes nothing, ends in time, and stays a door',
    async () => {
      const at = door(child, first, 'cell');
      const home = copyOf(child);
      const taped: Buffer[] = [];
      await sessionAt(at, openMemory(home), child.id, taped);
      const state = async () => {
        const command = `cd /var/lib/cell && { find . -path ./memory.git/refs/quarantine -prune -o -type f -print | sort | xargs sha256sum | grep -v ' ./door/'; git -c safe.directory='*' -C memory.git for-each-ref; id cell; crontab -l; cat /etc/passwd; ls /tmp /var/tmp; } 2>&1`;
        return (await organism.on(first, command)).stdout;
      };
      const before = await state();
      expect(before).toContain('./key');
      const left = [...garbage(Buffer.concat(taped), FUZZED, OCTET).entries()];
      let slowest = 0;
      const worker = async () => {
        for (let one = left.pop(); one !== undefined; one = left.pop()) {
          const told = await talk(at, one[1]);
          expect(told.code, `input ${one[0]} did not end`).not.toBeNull();
          expect(told.code, `input ${one[0]}: ${told.stderr}`).not.toBe(255);
          expect(told.stdout.toString('latin1')).not.toContain('uid=');
          slowest = Math.max(slowest, told.ms);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
      process.stderr.write(`security: ${FUZZED} inputs, the slowest took ${slowest} ms\n`);
      expect(await state()).toBe(before);
      expect(await sessionAt(at, openMemory(home), child.id)).toMatchObject({ refused: {} });
    },
    TIMEOUT,
  );

  test("a pulse that is not its cell's own is not believed", async () => {
    const home = copyOf(child);
    const now = () => readPulses(homeOf(first))[first.id];
    const before = now();
    if (before === undefined) throw new Error('it never had a pulse');
    const { v: _v, organism: _organism, cell: _cell, seq: _seq, sig: _sig, ...told } = before;
    const forger = loadIdentity(home);
    publishPulse(home, 'drill', { ...forger, id: first.id }, { ...told, why: 'a lie' });
    expect(readPulses(home)[first.id]?.why).toBe('a lie');
    await sessionAt(door(child, first, 'cell'), openMemory(home), child.id);
    expect(now()).toEqual(before);
    // It takes a true one from the same peer.
    publishPulse(home, 'drill', forger, { ...told, why: 'the truth' });
    await sessionAt(door(child, first, 'cell'), openMemory(home), child.id);
    expect(readPulses(homeOf(first))[child.id]?.why).toBe('the truth');
  });

  test("an entry in another's name is refused, with the reason", async () => {
    const memory = openMemory(copyOf(child));
    const head = (await memory.recall()).heads[first.id];
    if (head === undefined) throw new Error('it does not know its parent');
    const place = { organism: 'drill', seq: head.entries, prev: head.hash };
    const stranger = { ...identityFrom(generateHostKey().privatePem), id: first.id };
    const entry = makeEntry(stranger, place, { at: Date.now(), deed: { kind: 'wilt', why: 'a lie' } });
    const object = commitOf(entry, EMPTY_TREE, head.commit);
    await writeObjects(memory.dir, [...treesOf(new Map()), object]);
    const lying: Memory = {
      ...memory,
      recall: async () => {
        const honest = await memory.recall();
        const longer = { ...head, commit: object.id, entries: head.entries + 1 };
        return { ...honest, heads: { ...honest.heads, [first.id]: longer } };
      },
    };
    const { refusedByPeer } = await sessionAt(door(child, first, 'cell'), lying, child.id);
    expect(refusedByPeer[first.id]).toMatchObject({ reason: 'tampered' });
    const { cells, quarantined } = await organism.lineage();
    expect([cells[first.id]?.state, quarantined]).toEqual(['living', {}]);
  });

  test('a feed that spends what its cell does not have is read no further, by anybody', async () => {
    const home = copyOf(first);
    const memory = openMemory(home);
    const deed = {
      kind: 'reserve',
      birth: `${child.birth.slice(0, -4)}aaaa`,
      stack: 'body-lie',
      function: null,
    } as const;
    await memory.append(loadIdentity(home), { at: Date.now(), deed: { ...deed, mode: 'delegate', why: 'a lie' } });
    await sessionAt(door(first, child, 'cell'), memory, first.id);
    const { cells, quarantined } = await organism.lineage();
    expect(quarantined[first.id]).toMatchObject({ why: expect.stringMatching(/no budget left/) });
    expect(cells[first.id]).toMatchObject({ state: 'living', budget: 0, attempts: [] });
  });

  test('a feed with two histories is proof: it is read no further, by anybody', async () => {
    const [mine, other] = [copyOf(child), mkdtempSync(join(folder, 'twin-'))];
    const at = door(child, first, 'cell');
    cpSync(mine, other, { recursive: true });
    const identity = loadIdentity(mine);
    const memory = openMemory(mine);
    await memory.append(identity, { at: Date.now(), deed: { kind: 'wilt', why: 'one history' } });
    expect((await sessionAt(at, memory, child.id)).refusedByPeer).toEqual({});
    const twin = openMemory(other);
    await twin.append(identity, { at: Date.now() + 1, deed: { kind: 'wilt', why: 'another history' } });
    const caught = await sessionAt(at, twin, child.id);
    expect({ ...caught.refused, ...caught.refusedByPeer }[child.id]).toMatchObject({ reason: 'forked' });
    const { quarantined, cells } = await organism.lineage();
    expect(quarantined[child.id]).toMatchObject({ why: expect.stringMatching(/two histories/) });
    expect(cells[child.id]?.state).toBe('living');
  });

  test(
    'who comes to the door and says nothing is sent away',
    async () => {
      for (const [what, one] of Object.entries(hanging)) {
        const ms = await one.ended;
        process.stderr.write(`security: ${what} was let for ${ms} ms\n`);
        expect(ms, what).toBeLessThan(TIMEOUT);
      }
      await organism.until('no session is left', async () => {
        return (await organism.on(first, 'pgrep -u cell || echo none')).stdout.trim() === 'none';
      });
    },
    TIMEOUT,
  );
});
