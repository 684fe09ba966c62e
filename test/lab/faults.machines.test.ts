/**
 * Machines that come out wrong: the attempt is given up and its machine destroyed, the budget comes back, no other is
 * tried for a while, and the status says why. Nobody notices.
 */
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { generateHostKey } from '../../src/effects/keys.ts';
import type { TickMemory } from '../../src/model.ts';
import { begin, closeBreaker, divided, dueTick, end, expectOne, orderAway } from '../courses/drill.ts';
import { MAX_CELLS } from '../courses/organism.ts';
import { asleep, awake, lab, otherImage, says, TIMEOUT } from './faults.ts';
import { KNOT, NSPAWN, needs } from './needs.ts';

const OCTET = 186;
/** What a machine may take to boot, where it never does. */
const env = { CELL_BOOT_TIMEOUT_MS: 4_000 };

function put(root: string, path: string, text: string, mode = 0o644): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  rmSync(file, { force: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
}

const MACHINES = [
  [
    'it never boots',
    /No SSH log-in/,
    (root: string) => put(root, 'usr/lib/systemd/systemd', '#!/bin/sh\nexec sleep infinity\n', 0o755),
  ],
  [
    'it boots without SSH',
    /No SSH log-in.*refused/i,
    (root: string) => {
      for (const unit of ['ssh.service', 'ssh.socket']) {
        rmSync(join(root, 'etc/systemd/system', unit), { force: true });
        symlinkSync('/dev/null', join(root, 'etc/systemd/system', unit));
      }
    },
  ],
  [
    'it answers with another host key',
    /not the one that was made/,
    (root: string) => {
      put(root, 'etc/ssh/other', generateHostKey().privatePem, 0o600);
      put(root, 'etc/ssh/sshd_config.d/00-other.conf', 'HostKey /etc/ssh/other\n');
    },
  ],
  [
    'it has no room',
    /No space left/,
    (root: string) => put(root, 'etc/fstab', 'tmpfs /opt tmpfs size=8m,mode=755 0 0\n'),
  ],
] as const;

describe.skipIf(needs('faults of machines', NSPAWN, KNOT))('machines that come out wrong', () => {
  test('are given up, and the next one lives', { timeout: TIMEOUT }, async (context) => {
    const here = await lab(OCTET, context);
    const { organism, ground } = here;
    const drill = await begin(organism);
    const { first } = drill;
    await asleep(organism, first);
    let failures = 0;
    for (const [name, reason, change] of MACHINES) {
      const restore = await otherImage(here, name.replaceAll(' ', '-'), change);
      await organism.until(`${name}: begun`, async () => {
        await organism.tick(first, { now: 'web', env });
        return organism.sagas(first).length > 0;
      });
      await organism.until(`${name}: the reason`, async () => reason.test(organism.sagas(first)[0]?.lastFailure ?? ''));
      let asked = 0;
      await organism.until(`${name}: given up`, async () => {
        asked = Date.now();
        await dueTick(organism, first, { env });
        return organism.sagas(first).length === 0;
      });
      expect(ground.box.machines().map(({ birth }) => birth)).toEqual([first.birth]);
      const beat = readFileSync(join(ground.rootOf(first), 'var/lib/cell/beat.json'), 'utf8');
      const { breaker } = (JSON.parse(beat) as { tick: TickMemory }).tick;
      expect(breaker.failures, name).toBe(++failures);
      expect(breaker.openUntil, `${name}: no other is tried for a while`).toBeGreaterThan(asked);
      await organism.tick(first);
      await says(organism, first, reason);
      closeBreaker(organism, first);
      const { budget, attempts } = (await organism.lineage()).cells[first.id] ?? {};
      expect({ budget, attempts }).toEqual({ budget: MAX_CELLS - 1, attempts: [] });
      await restore();
    }
    await awake(organism, first);
    await expectOne(organism, drill);
    await orderAway(organism, await divided(organism, drill, 'web'));
    await expectOne(organism, drill);
    await end(organism, drill);
  });
});
