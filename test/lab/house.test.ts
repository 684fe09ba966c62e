import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cell, Pulse } from '../../src/model.ts';
import { type Estate, openEstate, PACKAGE, SECRET, WEB_PORT } from './house/estate.ts';
import { KNOT, NSPAWN, needs } from './needs.ts';

const OCTET = 105;
const MORE = [
  { program: 'busybox', package: 'busybox-static' },
  { program: 'dpkg-deb', package: 'dpkg' },
];

describe.skipIf(needs('a cell on a blank Debian', NSPAWN, KNOT, MORE))('a cell on a blank Debian', () => {
  let estate: Estate;
  let first: Cell;
  beforeAll(async () => {
    estate = await openEstate(OCTET);
    const seeded = await estate.cell('seed', '--yes');
    if (seeded.code !== 0) throw new Error(`seed: ${seeded.stderr}`);
    first = (await estate.cells())[0] as Cell;
  }, 30 * 60_000);
  afterAll(async () => {
    await estate?.stop();
  }, 120_000);

  const lines = (text: string) => text.split('\n').filter((line) => line !== '');
  /** A command as another user, as little as a service of it could do. */
  const as = (user: string, command: string) =>
    estate.on(first, `setpriv --reuid=${user} --regid=${user} --init-groups -- sh -c '${command}'`);

  test('serves, each function as its own user, in containers too', async () => {
    expect(await estate.ask(first, 'web', '/secret')).toBe(SECRET);
    expect(await estate.ask(first, 'tiny', '/')).toBe('from a container\n');
    const ids = await Promise.all(['one', 'two'].map((name) => estate.ask(first, name, '/id')));
    expect(new Set(ids).size).toBe(2);
    const owners = lines(
      await estate.must(
        first,
        'for unit in web spy-one spy-two tiny; do for pid in $(cat /sys/fs/cgroup/system.slice/cell-fn-$unit.service/cgroup.procs); do echo "$unit $(ps -o user:32=,comm= -p $pid)"; done; done',
      ),
    );
    expect(owners).toContainEqual(expect.stringMatching(/^web cell-web\s/));
    expect(owners).toContainEqual(expect.stringMatching(/^tiny cell-tiny\s+httpd/));
    // Of a container root only holds the other end of its output.
    expect(owners.filter((line) => / root /.test(line) && !/conmon/.test(line))).toEqual([]);
  });

  test('has users that nobody can log in as with a password, and one door', async () => {
    const users = lines(await estate.must(first, "grep -E '^cell(-|:)' /etc/passwd"));
    expect(users.map((line) => line.split(':')[0]).sort()).toEqual(
      ['cell', 'cell-spy-one', 'cell-spy-two', 'cell-tiny', 'cell-web'].sort(),
    );
    for (const line of users) {
      expect(line.endsWith(line.startsWith('cell:') ? ':/bin/sh' : ':/usr/sbin/nologin')).toBe(true);
    }
    const hashes = lines(await estate.must(first, "grep -E '^cell(-|:)' /etc/shadow | cut -d: -f2"));
    expect(hashes.filter((hash) => !/^[*!]/.test(hash))).toEqual([]);
  });

  test('listens by sshd and Caddy, and by nothing else', async () => {
    const open = lines(await estate.must(first, 'ss -Htlnup')).filter((line) => !/\s127\.|\[::1\]/.test(line));
    const programs = new Set(open.map((line) => /users:\(\("([^"]+)"/.exec(line)?.[1]));
    expect([...programs].sort()).toEqual(['caddy', 'sshd']);
    const inside = lines(await estate.must(first, 'ss -Htlnp')).filter((line) => /\s127\./.test(line));
    expect(inside.length).toBeGreaterThan(2);
  });

  test('lets in SSH and what it serves, and drops the rest', async () => {
    const knock = (port: number) =>
      new Promise<string>((resolve) => {
        const socket = connect({ host: first.reach.address, port });
        const end = (said: string) => {
          socket.destroy();
          resolve(said);
        };
        socket.once('connect', () => end('open'));
        socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? 'error'));
        socket.setTimeout(1_500, () => end('dropped'));
      });
    expect(await Promise.all([22, 80].map(knock))).toEqual(['open', 'open']);
    // The port of a function is for cells, and this computer is none; nothing listens on the last.
    expect(await Promise.all([WEB_PORT, 9].map(knock))).toEqual(['dropped', 'dropped']);
    await estate.must(first, 'nft add table ip owner && nft list table inet cell | grep -q "policy drop"');
    await estate.must(first, 'systemctl restart cell-firewall && nft list table ip owner');
  });

  test('keeps every secret from every user but root', async () => {
    const secret = lines(
      await estate.must(
        first,
        'find /var/lib/cell /etc/cell /root/.ssh /etc/ssh -type f -perm -0400 ! -perm -0004 ! -name "*.pub" ! -path "*/memory.git/*" ! -path /var/lib/cell/.ssh/authorized_keys',
      ),
    );
    for (const name of ['key', 'age.key', 'credentials.json', 'secrets.json', 'hostkey']) {
      expect(secret).toContain(`/var/lib/cell/${name}`);
    }
    expect(secret).toContain('/etc/cell/env/web.env');
    for (const user of ['cell', 'cell-spy-one', 'nobody']) {
      const read = await as(
        user,
        `for f in ${secret.join(' ')}; do head -c 1 $f >/dev/null 2>&1 && echo $f; done; true`,
      );
      expect(lines(read.stdout)).toEqual([]);
      const found = await as(user, `grep -rlsF ${SECRET} /etc /var /srv /opt /root /run /tmp; true`);
      expect(lines(found.stdout)).toEqual([]);
      const wrote = await as(
        user,
        'for d in $(find /etc /opt /srv /var/lib/cell /usr/local -type d -writable 2>/dev/null); do echo $d; done; true',
      );
      const own =
        user === 'cell' ? /^\/var\/lib\/cell\/(?:memory\.git|door|pulses)/ : new RegExp(`^/srv/cell/${user.slice(5)}`);
      expect(lines(wrote.stdout).filter((path) => !own.test(path))).toEqual([]);
    }
    expect((await as('cell-spy-one', 'ls /srv/cell/web')).code).not.toBe(0);
    const command = await estate.must(first, "cat /proc/*/cmdline | tr '\\0' '\\n'");
    expect(command).not.toContain(SECRET);
  });

  test('holds a function in its sandbox', async () => {
    const spy = async (path: string) =>
      JSON.parse(await estate.ask(first, 'one', path)) as { ok?: unknown; refused?: string };
    const refused: Record<string, string | undefined> = {};
    for (const path of [
      'read/root/.ssh/authorized_keys',
      'list/root',
      'list/var/lib/cell',
      'read/var/lib/cell/organism.json',
      'list/etc/cell/env',
      'list/srv/cell/web',
      'read/etc/shadow',
      'write/srv/cell/other',
      'write/usr/bin/other',
      'write/etc/other',
      'write/opt/cell/bin/cell',
      'write/var/tmp/../lib/other',
      'list/dev/disk',
      `run/${encodeURIComponent('unshare -Ur true')}`,
      `run/${encodeURIComponent('mount -t tmpfs x /mnt')}`,
      `run/${encodeURIComponent('nft list ruleset')}`,
      `run/${encodeURIComponent('chown root: .')}`,
    ]) {
      const answer = await spy(`/${path}`);
      expect([path, answer.ok]).toEqual([path, undefined]);
      refused[path] = answer.refused;
    }
    expect(refused['list/srv/cell/web']).toBe('EACCES');
    expect(refused['write/etc/other']).toBe('EROFS');
    expect(await spy('/write/srv/cell/spy-one/mine')).toEqual({ ok: null });
    expect(await spy('/write/tmp/mine')).toEqual({ ok: null });
    expect((await estate.on(first, 'ls /tmp | grep -x mine')).code).toBe(1);
    // What it put there, root's work with its source does not follow.
    expect(await spy('/link/srv/cell/spy-one/web.js')).toMatchObject({ refused: 'EEXIST' });
    expect((await spy('/read/srv/cell/.well-known/cell/where.json')).ok).toContain('"v":1');
    expect(Number((await spy('/foreign')).ok)).toBeLessThan(5);
    expect(await spy(`/run/${encodeURIComponent('grep NoNewPrivs /proc/self/status')}`)).toEqual({
      ok: 'NoNewPrivs:\t1',
    });
  });

  test('limits what the genome limits, and its units are not exposed', async () => {
    const show = await estate.must(first, 'systemctl show cell-fn-web -p CPUQuotaPerSecUSec -p MemoryMax -p TasksMax');
    expect(lines(show).sort()).toEqual(['CPUQuotaPerSecUSec=500ms', `MemoryMax=${256 * 2 ** 20}`, 'TasksMax=64']);
    const units = ['cell-fn-web', 'cell-fn-spy-one', 'cell-tick', 'cell-firewall', 'cell-ingress'];
    const levels: Record<string, number> = {};
    for (const unit of units) {
      const said = await estate.must(first, `systemd-analyze security --no-pager ${unit} | tail -1`);
      levels[unit] = Number(/: ([\d.]+) /.exec(said)?.[1]);
    }
    process.stderr.write(`systemd-analyze security: ${JSON.stringify(levels)}\n`);
    expect(levels['cell-fn-web']).toBeLessThanOrEqual(2);
    expect(levels['cell-tick']).toBeLessThanOrEqual(3);
    for (const unit of units) expect(levels[unit]).toBeLessThanOrEqual(3);
  });

  test('brings a package that its image lacks, and starts nothing of it', async () => {
    expect(await estate.must(first, PACKAGE)).toBe('here');
    expect((await estate.on(first, `systemctl is-active ${PACKAGE}`)).stdout.trim()).toBe('inactive');
    expect((await estate.on(first, `systemctl is-enabled ${PACKAGE}`)).stdout.trim()).toBe('disabled');
    expect((await estate.on(first, 'test -e /usr/sbin/policy-rc.d')).code).toBe(1);
    const files = await estate.must(first, 'git --git-dir=/var/lib/cell/memory.git ls-tree -r --name-only genome');
    expect(files).not.toContain('.deb');
  });

  test('says in its pulse how often a function was started again, and how it ended', async () => {
    await estate.must(first, 'systemctl start cell-tick');
    for (let times = 0; times < 2; times++) {
      await estate.must(first, 'systemctl kill --signal=KILL cell-fn-web');
      await expect.poll(() => estate.ask(first, 'web', '/').catch(() => ''), { timeout: 30_000 }).toContain('web on');
    }
    await estate.must(first, 'systemctl start cell-tick');
    const pulse = JSON.parse(await estate.must(first, `cat /var/lib/cell/pulses/${first.id}.json`)) as Pulse;
    expect(pulse.why).toMatch(/^web: restarted 2 times in the last \d+ min \(code=killed, status=9/);
    expect(pulse.functions.web?.health).toBe('healthy');
  });

  test('divides on its own machine, and hands on what it was given', async () => {
    const ran = await estate.on(first, 'cell divide --now web');
    expect(ran.stderr + ran.stdout).toContain('web');
    await estate.cell('sync');
    const [, child] = await estate.cells();
    expect(child?.functions).toEqual(['web']);
    expect(await estate.must(child!, PACKAGE)).toBe('here');
    expect(await estate.must(child!, 'ls /opt/cell/packages')).toBe('box');
    // From cell to cell the port of a function is open, both ways.
    const ask = (from: Cell, to: Cell) =>
      estate.must(
        from,
        `/opt/cell/runtime/node -e 'fetch("http://${to.reach.address}:${WEB_PORT}/").then(async (r) => console.log(await r.text()))'`,
      );
    expect(await ask(child!, first)).toContain('web on');
    expect(await ask(first, child!)).toContain('web on');
    for (const cell of [first, child!]) {
      await estate.must(cell, 'systemctl start cell-tick');
      expect(await estate.must(cell, 'find /var/lib/cell/memory.git ! -user cell | head -3')).toBe('');
    }
  });

  test('syncs with its child', async () => {
    const [, child] = await estate.cells();
    // What else the child's key cannot do is tried in security.test.ts.
    expect(JSON.parse(await estate.must(child!, 'cell sync --json'))).toBeTruthy();
  });

  test('is all there again after a power cut', async () => {
    await estate.outage(first);
    await expect.poll(async () => (await estate.on(first, 'true')).code, { timeout: 60_000 }).toBe(0);
    for (const name of ['web', 'tiny']) {
      await expect
        .poll(() => estate.ask(first, name, '/').catch(() => ''), { timeout: 60_000 })
        .toMatch(/web on|container/);
    }
    const active = 'systemctl is-active cell-firewall cell-ingress cell-fn-web cell-fn-tiny cell-tick.timer';
    expect(new Set(lines(await estate.must(first, active)))).toEqual(new Set(['active']));
    expect(await estate.must(first, 'nft list table inet cell')).toContain('policy drop');
    expect((await estate.on(first, `systemctl is-active ${PACKAGE}`)).stdout.trim()).toBe('inactive');
  });
});
