/** The texts by which a cell settles on an operating system. What they do there is held by test/lab/house.test.ts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openings } from '../../src/decide/openings.ts';
import { firewallText, firewallUnit } from '../../src/effects/firewall.ts';
import { leavings } from '../../src/effects/leavings.ts';
import { counted, type Restarts, restartsWhy } from '../../src/effects/restarts.ts';
import { timerTexts } from '../../src/effects/schedule.ts';
import { sshdText } from '../../src/effects/sshd.ts';
import { limitLines, shellStart, type UnitParts, unitText } from '../../src/effects/units.ts';
import { asFunction, idsIn, userName, userOf } from '../../src/effects/users.ts';
import { layout, peerUser } from '../../src/layout.ts';
import { gardenGenome } from '../genome/garden.ts';

const system = layout('');
const folder = layout('/srv/machine');

describe('users', () => {
  it('are one a function, within what useradd takes, and two functions never share one', () => {
    const name = fc.stringMatching(/^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$/);
    fc.assert(
      fc.property(name, name, (a, b) => {
        expect(userName(a)).toMatch(/^cell-[a-z0-9-]{1,26}$/);
        expect(userName(a) === userName(b)).toBe(a === b);
      }),
    );
    expect(userName('web')).toBe('cell-web');
  });

  it('are none where a machine is a folder', () => {
    expect([userOf(system, 'web'), userOf(folder, 'web')]).toEqual(['cell-web', null]);
    expect(asFunction(folder, 'web')).toEqual([]);
    expect(asFunction(system, 'web')).toEqual(
      expect.arrayContaining(['setpriv', '--reuid=cell-web', '--no-new-privs']),
    );
    expect([peerUser({ root: '', user: 'root' }), peerUser({ root: '/m', user: 'root' })]).toEqual(['cell', 'root']);
  });

  it('are found by their whole name', () => {
    const passwd = 'root:x:0:0::/root:/bin/sh\ncell-webs:x:901:902::/:/x\ncell-web:x:903:904::/:/x\n';
    expect(idsIn(passwd, 'cell-web')).toEqual({ uid: 903, gid: 904 });
    expect(idsIn(passwd, 'cell')).toBeNull();
  });
});

describe('a unit', () => {
  const parts: UnitParts = {
    name: 'web',
    gene: { limits: {}, sandbox: 'strict' },
    start: shellStart('./server'),
    folder: '/srv/cell/web',
    environment: '/etc/cell/env/web.env',
    user: 'cell-web',
    hidden: ['/var/lib/cell'],
  };
  const lines = (more: Partial<UnitParts>) => unitText({ ...parts, ...more }).split('\n');

  it('keeps a function in its folder, as its user, without rights', () => {
    const text = lines({});
    for (const line of [
      'User=cell-web',
      'CapabilityBoundingSet=',
      'NoNewPrivileges=yes',
      'ProtectSystem=strict',
      'ReadWritePaths=/srv/cell/web',
      'InaccessiblePaths=-/var/lib/cell',
      'Restart=always',
    ]) {
      expect(text).toContain(line);
    }
    expect(text.join('\n')).not.toContain('MemoryDenyWriteExecute');
  });

  it('keeps the user without the sandbox, and neither where there are no users', () => {
    const off = lines({ gene: { limits: {}, sandbox: 'off' } });
    expect(off).toContain('User=cell-web');
    expect(off).not.toContain('ProtectSystem=strict');
    expect(lines({ user: null }).filter((line) => /^(User|Protect|ReadWrite)/.test(line))).toEqual([]);
  });

  it('says what it may use', () => {
    expect(limitLines({})).toEqual([]);
    expect(limitLines({ cpu: 150, memory: 1000, tasks: 9 })).toEqual([
      'CPUQuota=150%',
      'MemoryHigh=900',
      'MemoryMax=1000',
      'TasksMax=9',
    ]);
  });

  it('of the tick is hardened on a system only', () => {
    const rhythm = { heartbeatMs: 60_000, organism: 'garden' };
    expect(timerTexts({ ...rhythm, layout: system }).service).toContain('\nCapabilityBoundingSet=CAP_CHOWN');
    expect(timerTexts({ ...rhythm, layout: folder }).service).not.toContain('Capability');
    expect(timerTexts({ ...rhythm, layout: folder }).service).toContain('TimeoutStartSec=6h');
  });
});

describe('packets', () => {
  const some = {
    ssh: [22],
    web: [443, 80],
    ports: [9000, 8123],
    cells: ['10.0.0.2', 'fd00::7', '10.0.0.1', '10.0.0.2'],
  };

  it('are let in by a table of our own, which is replaced whole', () => {
    const text = firewallText(some);
    expect(text).toContain('table inet cell\ndelete table inet cell\ntable inet cell {');
    expect(text).toContain('policy drop;');
    expect(text).toContain('elements = { 10.0.0.1, 10.0.0.2 };');
    expect(text).toContain('elements = { fd00::7 };');
    expect(text).toContain('\t\ttcp dport { 80, 443 } accept\n\t\tudp dport { 443 } accept\n');
    expect(text).toContain('ip saddr @cells4 tcp dport { 8123, 9000 } accept');
    expect(text).not.toContain('flush');
    expect(firewallUnit('/f')).toContain('After=local-fs.target nftables.service\nPartOf=nftables.service\n');
  });

  it('are the same text for the same openings, and nothing is opened for nobody', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(some.cells, { minLength: 4 }), (cells) => {
        expect(firewallText({ ...some, cells })).toBe(firewallText(some));
      }),
    );
    const closed = firewallText({ ssh: [22], web: [], ports: [], cells: [] });
    expect(closed.match(/dport/g)).toHaveLength(3); // SSH, and the answers of two kinds of DHCP
  });

  it('follow from genome and lineage', () => {
    const genome = gardenGenome();
    const cell = (id: string, address: string, state: string) => ({ id, state, reach: { address, httpPort: 80 } });
    const cells = {
      a: cell('a', '10.0.0.1', 'living'),
      b: cell('b', '10.0.0.2', 'wilting'),
      c: cell('c', '10.0.0.3', 'gone'),
    };
    const lineage = { cells } as unknown as Parameters<typeof openings>[1];
    expect(openings(genome, lineage, 'a')).toEqual({ web: [80], ports: [7001, 7002], cells: ['10.0.0.2'] });
    const secure = { ...genome, ingress: { ...genome.ingress, acme: { directory: 'https://ca.test' } } };
    expect(openings(secure, lineage, 'a').web).toEqual([80, 443]);
    const { domain: _gone, ...web } = genome.functions.web!;
    expect(openings({ ...genome, functions: { web } }, lineage, 'a').web).toEqual([]);
  });
});

describe('restarts', () => {
  const minute = 60_000;
  const at = (time: number, count: number, run = `r${count}`) => ({
    run,
    counted: count,
    how: 'code=exited',
    at: time,
  });

  it('count from the first look, over a window, and begin anew with the unit', () => {
    const first = counted(null, at(0, 5));
    expect(restartsWhy(first, 0)).toBeNull();
    const second = counted(first, at(minute, 7));
    expect(restartsWhy(second, 2 * minute)).toBe('restarted 2 times in the last 1 min (code=exited)');
    const third = counted(second, at(3 * minute, 1));
    expect(restartsWhy(third, 4 * minute)).toBe('restarted 3 times in the last 3 min (code=exited)');
    expect(restartsWhy(third, 62 * minute)).toBe('restarted once in the last 59 min (code=exited)');
    expect(restartsWhy(third, 90 * minute)).toBeNull();
  });

  it('never become more by looking again', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), (counts) => {
        let known: Restarts | null = null;
        for (const [index, count] of counts.entries()) {
          known = counted(known, at(index, count));
          const again = counted(known, at(index, count));
          expect(again.seen).toEqual(known.seen);
        }
      }),
    );
  });
});

describe('sshd', () => {
  it('has one host key, no passwords, and nothing for the door but its command', () => {
    const text = sshdText(system);
    const [all, door] = text.split('Match User cell');
    expect(all).toContain('PasswordAuthentication no\n');
    expect(all?.match(/^HostKey /gm)).toHaveLength(1);
    expect(door).toContain('AllowTcpForwarding no');
    expect(text.trimEnd().endsWith('Match all')).toBe(true);
  });

  it('shuts out no address for log-ins that were refused, and says to an older one only what it knows', () => {
    expect(sshdText(system)).toMatch(/^PerSourcePenalties .*authfail:0 /m);
    const older = sshdText(system, ['PerSourceMaxStartups']);
    expect(older).toContain('PerSourceMaxStartups');
    expect(older).not.toMatch(/Penalties|UnusedConnection/);
    const lines = (text: string) => text.split('\n').filter((line) => !/PerSource|UnusedConnection/.test(line));
    expect(lines(sshdText(system, []))).toEqual(lines(sshdText(system)));
  });
});

describe('what a cell leaves', () => {
  it('is all that the layout names on a system, and no folder of the owner', () => {
    const { paths, units } = leavings();
    const ours = [system.home, system.store, system.cell, system.functions, system.environments, system.runtime];
    const files = [system.cronFile, system.ingressFile, system.whereFile, system.firewallFile, system.sshdFile];
    for (const place of [...ours, ...files]) {
      expect(paths.some((path) => place === path || place.startsWith(`${path}/`))).toBe(true);
    }
    expect(paths.filter((path) => path.split('/').length < 3)).toEqual([]);
    expect(units.every((unit) => unit.startsWith('cell-'))).toBe(true);
  });
});
