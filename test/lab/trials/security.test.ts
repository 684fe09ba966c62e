/**
 * What security.md says, tried on an organism of two real machines: what its keys open, who can read its secrets, what
 * listens, how its units are confined, and what becomes of a cell that lies.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateHostKey, identityFrom, loadIdentity } from '../../../src/effects/keys.ts';
import { makeEntry } from '../../../src/memory/entry.ts';
import { type Memory, openMemory } from '../../../src/memory/memory.ts';
import { commitOf, treesOf } from '../../../src/memory/objects.ts';
import { publishPulse, readPulses } from '../../../src/memory/pulses.ts';
import { EMPTY_TREE, writeObjects } from '../../../src/memory/repo.ts';
import type { Cell } from '../../../src/model.ts';
import type { Mitosis } from '../../../src/saga.ts';
import { expectDivided, settled } from '../../courses/drill.ts';
import { newOrganism, type Organism } from '../../courses/organism.ts';
import { seeded } from '../../courses/stem.ts';
import { labGround } from '../ground.ts';
import { makeNamespace } from '../load.ts';
import { KNOT, NSPAWN, needs } from '../needs.ts';
import { type Door, powersOf, sessionAt, talk } from './door.ts';
import { openPorts } from './ports.ts';

const OCTET = 181;
const TIMEOUT = 180_000;
const KILLED = 137;
const FUZZED = 120;
const AT_ONCE = 6;
const HOME = 'var/lib/cell';
const USERS = ['cell', 'cell-web', 'cell-api', 'caddy', 'nobody'];
/** How much of the system each unit may reach, of 10, as `systemd-analyze security` counts. */
const EXPOSURE: Readonly<Record<string, number>> = {
  'cell-fn-api': 1.5,
  'cell-fn-web': 1.5,
  'cell-ingress': 2,
  'cell-tick': 5,
};

describe.skipIf(needs('security', NSPAWN, KNOT))('an organism of real machines', () => {
  let organism: Organism;
  let bridge: string;
  let saga: Mitosis;
  let [first, child] = [] as unknown as [Cell, Cell];
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
    for (const cell of [first, child]) await organism.pause(cell);
  }, 2 * TIMEOUT);
  afterAll(async () => {
    await organism?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('a shell can do all that the doors are tried for, so a refusal means something', async () => {
    const operator: Door = { home: organism.home, cell: first, user: 'root' };
    // sshd forwards no agent for anybody.
    expect((await powersOf(operator)).length).toBeGreaterThanOrEqual(11);
  });

  test.for(['cell', 'root'] as const)("a child's key can do nothing but sync on its parent, as %s", async (user) => {
    expect(await powersOf(door(child, first, user))).toEqual([]);
  });

  test.for(['cell', 'root'] as const)("its parent's key can do nothing but sync on a child, as %s", async (user) => {
    expect(await powersOf(door(first, child, user))).toEqual([]);
  });

  test('an imprint key opens nothing, and only the seeder gets a shell', async () => {
    expect(await organism.opens(saga)).toBe(false);
    const seeder = loadIdentity(organism.home).publicKey.split(' ').slice(0, 2).join(' ');
    for (const cell of [first, child]) {
      const lines = readFileSync(join(organism.ground.rootOf(cell), 'root/.ssh/authorized_keys'), 'utf8').trim();
      expect(lines).toBe(`${seeder} operator`);
    }
    const kept = await organism.on(first, `grep -rlF '${body(saga.imprintKey.privateKey)}' /var/lib/cell`);
    expect(kept.stdout).toBe('');
  });

  test('a leaf holds no compute credential, and nothing of one', async () => {
    const credentialsOf = (cell: Cell) => JSON.parse(readFileSync(join(homeOf(cell), 'credentials.json'), 'utf8'));
    expect((await organism.lineage()).cells[child.id]?.budget).toBe(0);
    expect(credentialsOf(child)).toMatchObject({ compute: null, dns: expect.anything() });
    const compute = body(JSON.stringify(credentialsOf(first).compute));
    const look = (cell: Cell) =>
      organism.on(cell, `grep -rlF '${compute}' /var/lib/cell /etc /srv /root /tmp /run/cell*`);
    expect((await look(first)).stdout).toContain('/var/lib/cell/credentials.json');
    expect((await look(child)).stdout).toBe('');
  });

  test('secrets on disk can be read by root alone', async () => {
    for (const cell of [first, child]) {
      const read = (name: string) => readFileSync(join(organism.ground.rootOf(cell), name), 'utf8');
      const { dns, compute } = JSON.parse(read(`${HOME}/credentials.json`));
      const secrets = [
        body(read(`${HOME}/key`)),
        body(read('etc/ssh/ssh_host_ed25519_key')),
        read(`${HOME}/age.key`).trim().split('\n').at(-1) ?? '',
        longest(dns),
        ...(compute === null ? [] : [body(JSON.stringify(compute))]),
      ];
      const words = secrets.map((secret) => `-e '${secret}'`).join(' ');
      const look = async (user: string) => {
        const command = `setpriv --reuid ${user} --regid $(id -g ${user}) --init-groups grep -rlF ${words}`;
        const places = '/var/lib/cell /srv/cell /etc/cell /opt/cell /etc/ssh /etc/systemd /root /tmp /run /var/log';
        const ran = await organism.on(cell, `id ${user} >/dev/null && ${command} ${places} 2>/dev/null`);
        return ran.stdout.split('\n').filter(Boolean);
      };
      expect((await look('root')).length, `${cell.name}: root`).toBeGreaterThanOrEqual(4);
      for (const user of USERS) expect(await look(user), `${cell.name}: ${user}`).toEqual([]);
      const own = await organism.on(cell, 'stat -c "%a %U" /etc/cell/env /var/lib/cell/key /var/lib/cell/journal');
      expect(own.stdout.trim().split('\n')).toEqual(['700 root', '600 root', '700 root']);
    }
  });

  test('sshd and Caddy are all that answers from outside', async () => {
    const namespace = await makeNamespace(bridge, `10.${OCTET}.0.250`);
    try {
      for (const cell of [first, child]) {
        expect(await openPorts(namespace.name, cell.reach.address), cell.name).toEqual([22, 80]);
        const ran = await organism.on(cell, 'ss -Hltunp');
        expect(ran.code, ran.stderr).toBe(0);
        expect(ran.stdout).toContain('sshd');
        const listeners = ran.stdout.split('\n').flatMap((line) => {
          const [, , , , local = ''] = line.trim().split(/\s+/);
          const name = /\(\("([^"]+)"/.exec(line)?.[1] ?? line;
          return local === '' || /^(?:127\.|\[::1\])/.test(local) ? [] : [`${name} ${local.split(':').at(-1)}`];
        });
        process.stderr.write(`security: ${cell.name} listens: ${[...new Set(listeners)].join(', ')}\n`);
        // What runs in two cells is there for the other cell, and the packet filter lets in nobody else.
        const ours = listeners.filter((one) => !/^(?:sshd|systemd) 22$|^caddy 80$/.test(one));
        expect(ours.filter((one) => !/ 7100$/.test(one))).toEqual([]);
      }
    } finally {
      await namespace.remove();
    }
  });

  test('its units reach little of the system', async () => {
    for (const cell of [first, child]) {
      const ran = await organism.on(cell, 'systemd-analyze security --no-pager | grep ^cell-');
      const seen = ran.stdout.split('\n').flatMap((line) => {
        const [unit = '', exposure = ''] = line.trim().split(/\s+/);
        return unit === '' ? [] : [{ unit: unit.replace('.service', ''), exposure: Number(exposure) }];
      });
      process.stderr.write(`security: ${cell.name}: ${seen.map((one) => `${one.unit} ${one.exposure}`).join(', ')}\n`);
      expect(seen.length).toBeGreaterThan(1);
      for (const { unit, exposure } of seen) expect(exposure, unit).toBeLessThanOrEqual(EXPOSURE[unit] ?? 0);
    }
  });

  test(
    'a door that is told anything at all changes nothing, ends in time, and stays a door',
    async () => {
      const at = door(child, first, 'cell');
      const home = copyOf(child);
      const taped: Buffer[] = [];
      await sessionAt(at, openMemory(home), child.id, taped);
      const honest = Buffer.concat([Buffer.from('nothing that it knows\n'), ...taped]);
      const state = async () => {
        const command = `cd /var/lib/cell && { find . -path ./memory.git/refs/quarantine -prune -o -type f -print | sort | xargs sha256sum | grep -v ' ./door/'; git -c safe.directory='*' -C memory.git for-each-ref; id cell; crontab -l; cat /etc/passwd; ls /tmp; }`;
        return (await organism.on(first, command)).stdout;
      };
      const before = await state();
      expect(before).toContain('./key');
      const frames = fc
        .tuple(fc.constantFrom('J', 'B', 'E', 'X'), fc.nat(), fc.uint8Array({ maxLength: 80 }))
        .map(([kind, length, bytes]) => frame(kind, bytes, length));
      const after = (bytes: fc.Arbitrary<Uint8Array>) => bytes.map((one) => Buffer.concat([Buffer.from('x\n'), one]));
      const said = fc.sample(
        fc.oneof(
          fc.uint8Array({ maxLength: 400 }),
          after(fc.uint8Array({ maxLength: 400 })),
          after(frames),
          after(fc.json().map((json) => frame('J', Buffer.from(json)))),
          fc
            .constantFrom(
              '$(touch /var/tmp/owned)\n',
              '`id`\n',
              '; id\n',
              '\0\n',
              `${'a'.repeat(100_000)}\n`,
              '-n\n',
              '\\\n',
            )
            .map(Buffer.from),
          fc.nat(honest.length - 1).map((length) => honest.subarray(0, length)),
          fc
            .tuple(fc.nat(honest.length - 1), fc.nat(255))
            .map(([where, byte]) => Buffer.from(honest).fill(byte, where, where + 1)),
        ),
        { numRuns: FUZZED, seed: OCTET },
      );
      const left = [...said.entries()];
      let slowest = 0;
      const worker = async () => {
        for (let one = left.pop(); one !== undefined; one = left.pop()) {
          const told = await talk(at, one[1]);
          expect(told.code, `input ${one[0]}: ${told.stderr}`).not.toBeNull();
          expect(told.stdout.toString('latin1')).not.toContain('uid=');
          slowest = Math.max(slowest, told.ms);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
      process.stderr.write(`security: ${FUZZED} inputs, the slowest took ${slowest} ms\n`);
      expect(await state()).toBe(before);
      await organism.until('no session is left', async () => {
        return (await organism.on(first, 'pgrep -u cell -f "sync --serve" || echo none')).stdout.trim() === 'none';
      });
      expect(await sessionAt(at, openMemory(home), child.id)).toMatchObject({ refused: {} });
    },
    TIMEOUT,
  );

  test("a pulse that is not its cell's own is not believed", async () => {
    const home = copyOf(child);
    const now = () => readPulses(homeOf(first))[first.id];
    const true_ = now();
    if (true_ === undefined) throw new Error('it never had a pulse');
    const { identity: forger, forged } = forgedPulse(home, true_);
    publishPulse(home, 'drill', { ...forger, id: first.id }, forged);
    expect(readPulses(home)[first.id]?.why).toBe('a lie');
    await sessionAt(door(child, first, 'cell'), openMemory(home), child.id);
    expect(now()).toEqual(true_);
    // It takes a true one from the same peer.
    publishPulse(home, 'drill', forger, { ...forged, why: 'the truth' });
    await sessionAt(door(child, first, 'cell'), openMemory(home), child.id);
    expect(readPulses(homeOf(first))[child.id]?.why).toBe('the truth');
  });

  test("an entry in another's name is refused, and a feed with two histories is read no further by anybody", async () => {
    const [mine, other] = [copyOf(child), mkdtempSync(join(folder, 'twin-'))];
    const at = door(child, first, 'cell');
    const memory = openMemory(mine);
    const identity = loadIdentity(mine);

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
    const { refusedByPeer } = await sessionAt(at, lying, child.id);
    expect(refusedByPeer[first.id]).toMatchObject({ reason: 'tampered' });
    expect((await organism.lineage()).cells[first.id]?.state).toBe('living');

    cpSync(mine, other, { recursive: true });
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
});

/** A pulse's content with another reason. */
function forgedPulse(home: string, pulse: ReturnType<typeof readPulses>[string]) {
  const { v: _v, organism: _organism, cell: _cell, seq: _seq, sig: _sig, ...told } = pulse;
  return { identity: loadIdentity(home), forged: { ...told, why: 'a lie' } };
}

/** A line of a private key's text that is secret: its first lines say only what kind it is. */
function body(pem: string): string {
  const lines = pem.replaceAll('\\n', '\n').split('\n');
  const from = lines.findIndex((line) => line.includes('BEGIN'));
  const line = lines[lines[from + 2]?.includes('END') ? from + 1 : from + 4] ?? '';
  if (!/^[A-Za-z0-9+/=]{16,}$/.test(line)) throw new Error('this is no private key');
  return line;
}

/** The longest text somewhere in a credential: what is secret of it. */
function longest(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return '';
  return Object.values(value)
    .map(longest)
    .reduce((a, b) => (b.length > a.length ? b : a), '');
}

function frame(kind: string, bytes: Uint8Array, length = bytes.length): Buffer {
  const header = Buffer.alloc(5);
  header.write(kind, 'latin1');
  header.writeUInt32BE(length, 1);
  return Buffer.concat([header, bytes]);
}
