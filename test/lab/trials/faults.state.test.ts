/**
 * What a cell works with is damaged, missing or doubled: checkpoints, artefacts, the name server, the clock, room on the
 * disk, and its own ticks.
 */
import { appendFileSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Cell } from '../../../src/model.ts';
import {
  begin,
  type Drill,
  dueTick,
  expectNothingLeft,
  expectOne,
  expectTidy,
  livingOf,
  orderAway,
  settled,
  upTo,
} from '../../courses/drill.ts';
import { run } from '../../courses/organism.ts';
import { asleep, awake, type Lab, lab, says, stopLoads, TIMEOUT } from '../faults.ts';
import { KNOT, NSPAWN, needs } from '../needs.ts';

const OCTET = 189;
const HOUR_MS = 3_600_000;

/** Every checkpoint of a cell's stacks with this in its name, and its copy, is no checkpoint any more. */
function damage({ ground }: Lab, cell: Cell, kind: 'body' | 'voice'): void {
  const stacks = join(ground.rootOf(cell), 'var/lib/cell/stacks/embedded');
  const files = readdirSync(stacks)
    .filter((name) => name.includes(kind))
    .flatMap((name) => ['checkpoint.json', 'checkpoint.json.bak'].map((file) => join(stacks, name, file)))
    .filter(existsSync);
  expect(files.length, `${kind} of ${cell.name}`).toBeGreaterThan(0);
  for (const file of files) writeFileSync(file, '{"v": 1, "stack": 7');
}

async function childOf({ organism }: Lab): Promise<Cell> {
  const [, child] = livingOf(await organism.lineage());
  if (child === undefined) throw new Error('no child was announced');
  return child;
}

async function backTogether({ organism }: Lab, drill: Drill, child: Cell): Promise<void> {
  await awake(organism, drill.first);
  await settled(organism, 2);
  await orderAway(organism, child);
  await expectOne(organism, drill);
  await asleep(organism, drill.first);
}

/** Garbage where a body's checkpoint was, on the parent, and where the child's records' was. */
async function checkpoints(here: Lab, drill: Drill): Promise<void> {
  const { organism } = here;
  await upTo(organism, drill.first, 'body', 'web');
  damage(here, drill.first, 'body');
  await upTo(organism, drill.first, 'rewire');
  damage(here, drill.first, 'voice');
  const child = await childOf(here);
  damage(here, child, 'voice');
  damage(here, drill.first, 'body');
  await backTogether(here, drill, child);
}

/** A file of the CLI in a machine's store that no tick reads. */
function unreadIn({ ground }: Lab, cell: { readonly birth: string }): string {
  const root = ground.box.rootOf(ground.idOf(cell));
  const store = join(root, 'opt/cell/store');
  for (const name of readdirSync(store)) {
    const file = join(store, name, 'dist/commands/demo.js');
    if (existsSync(file)) return file;
  }
  throw new Error(`no CLI in ${store}`);
}

/** A truncated one is not handed on by a parent, and is sent anew to a child. */
async function artefacts(here: Lab, drill: Drill): Promise<void> {
  const { organism } = here;
  const { first } = drill;
  const file = unreadIn(here, first);
  const whole = readFileSync(file);
  truncateSync(file, Math.floor(whole.length / 2));
  await organism.until('begun', async () => {
    await organism.tick(first, { now: 'web' });
    return organism.sagas(first).length > 0;
  });
  await organism.until('given up', async () => {
    await dueTick(organism, first, {});
    return organism.sagas(first).length === 0;
  });
  await organism.tick(first);
  await says(organism, first, /damaged|checksum/);
  expect(here.ground.box.machines()).toHaveLength(1);
  writeFileSync(file, whole);

  await organism.until('the artefacts are there', async () => {
    const ran = await dueTick(organism, first, { fault: 'kill-in:imprint', now: 'web' });
    return ran.code === 137;
  });
  const [saga] = organism.sagas(first) as unknown as readonly { readonly birth: string }[];
  if (saga === undefined) throw new Error('no saga is open');
  const theirs = unreadIn(here, saga);
  truncateSync(theirs, 10);
  await upTo(organism, first, 'imprint');
  expect(readFileSync(theirs).equals(whole)).toBe(true);
  await backTogether(here, drill, await born(here, drill));
}

async function born(here: Lab, drill: Drill): Promise<Cell> {
  await upTo(here.organism, drill.first, 'birth');
  return childOf(here);
}

/** Several at once: one works. One that outlives its lease finds out, and leaves the saga to whoever took over. */
async function ticks(here: Lab, drill: Drill): Promise<void> {
  const { organism } = here;
  const { first } = drill;
  const command = '/opt/cell/bin/cell divide --json';
  await organism.until('the breaker closes', async () => {
    const fault = 'stop-after:birth';
    const slow = organism.tick(first, { fault, now: 'web', env: { CELL_TICK_LEASE_MS: 1_500 } });
    let over = false;
    void slow.then(() => (over = true));
    const stopped = () =>
      organism.processes().find(({ pid, env }) => env.get('CELL_FAULT') === fault && isStopped(pid));
    const pid = await organism.until('it stands still', () => stopped()?.pid ?? (over ? 0 : false));
    if (pid === 0) return false;
    const quick = await organism.until('its lease runs out', async () => {
      const [one, other] = await Promise.all([organism.on(first, command), organism.on(first, command)]);
      const kinds = [one, other].map(({ stdout }) => (stdout === '' ? '' : JSON.parse(stdout).kind)).sort();
      expect(kinds).toContain('busy');
      return kinds.includes('done');
    });
    expect(quick).toBe(true);
    process.kill(pid, 'SIGCONT');
    const ran = await slow;
    expect(ran.code).not.toBe(0);
    expect(ran.stdout + ran.stderr).toMatch(/another took over/);
    return true;
  });
  await backTogether(here, drill, await childOf(here));
}

function isStopped(pid: number): boolean {
  try {
    return /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** The name server is silent, then takes what it is told and its answers are lost. */
async function names(here: Lab, drill: Drill): Promise<void> {
  const { organism, ground } = here;
  const { first } = drill;
  await upTo(organism, first, 'handOver', 'web');
  await awake(organism, first);
  await ground.knot.pause();
  await says(organism, first, /rewire, which failed|records not changed/);
  ground.knot.goOn();
  const [, child] = livingOf(await settled(organism, 2));
  if (child === undefined) throw new Error('nobody was born');

  await asleep(organism, first);
  await orderAway(organism, child);
  await upTo(organism, first, 'takeBack');
  await nft(['add', 'table', 'ip', 'celllost']);
  try {
    await nft(['add', 'chain', 'ip', 'celllost', 'out', '{ type filter hook output priority 0; }']);
    const answers = `ip saddr ${ground.knot.address} udp sport 53 drop; ip saddr ${ground.knot.address} tcp sport 53 drop`;
    for (const rule of answers.split('; ')) await nft(['add', 'rule', 'ip', 'celllost', 'out', ...rule.split(' ')]);
    await awake(organism, first);
    await says(organism, first, /rewire, which failed|records not changed/);
  } finally {
    await nft(['delete', 'table', 'ip', 'celllost']);
  }
  await expectOne(organism, drill);
  await asleep(organism, first);
}

async function nft(args: readonly string[]): Promise<void> {
  const ran = await run('nft', args, process.env);
  expect(ran.code, ran.stderr).toBe(0);
}

/** From here on every program of ours on a machine sees a clock that is so far off. */
async function shiftClock({ organism, ground }: Lab, cell: Cell, byMs: number): Promise<void> {
  const at = (path: string) => join(ground.rootOf(cell), path);
  const code = `const now = Date.now; Date.now = () => now() + ${byMs};
globalThis.Date = class extends Date { constructor(...given) { given.length === 0 ? super(Date.now()) : super(...given); } };\n`;
  writeFileSync(at('opt/cell/clock.mjs'), code);
  const wanted = byMs === 0 ? '' : 'NODE_OPTIONS=--import=file:///opt/cell/clock.mjs';
  writeFileSync(at('etc/ssh/sshd_config.d/01-clock.conf'), byMs === 0 ? '\n' : `SetEnv ${wanted}\n`);
  const dropIn = 'etc/systemd/system/cell-tick.service.d';
  const made = `mkdir -p /${dropIn} && printf '[Service]\\nEnvironment=${wanted}\\n' > /${dropIn}/clock.conf`;
  const ran = await organism.on(cell, `${made} && systemctl daemon-reload && systemctl reload ssh`);
  expect(ran.code, ran.stderr).toBe(0);
}

/** An hour off: nobody is taken for dead, feeds are taken in, and what depends on time says so and goes on. */
async function clocks(here: Lab, drill: Drill): Promise<void> {
  const { organism } = here;
  const { first } = drill;
  await upTo(organism, first, 'close', 'web');
  await awake(organism, first);
  await settled(organism, 2);
  const child = await childOf(here);
  for (const [cell, byMs] of [
    [child, HOUR_MS],
    [first, -HOUR_MS],
    [child, 0],
  ] as const) {
    await shiftClock(here, cell, byMs);
    const { entries } = await pulseOf(here, child);
    await organism.until('both are heard of anew', async () => (await pulseOf(here, child)).seq > entries);
    expect((await organism.lineage()).cells[child.id]?.state).toBe('living');
  }
  await orderAway(organism, child);
  await organism.until('it is taken in', async () => livingOf(await organism.lineage()).length === 1, 60_000);
  await shiftClock(here, first, 0);
  await expectOne(organism, drill);
  await asleep(organism, first);
}

async function pulseOf({ organism, ground }: Lab, cell: Cell): Promise<{ seq: number; entries: number }> {
  await organism.lineage();
  const file = join(ground.rootOf(cell), 'var/lib/cell/pulses', `${cell.id}.json`);
  const { seq } = JSON.parse(readFileSync(file, 'utf8')) as { seq: number };
  return { seq, entries: seq };
}

/** Nothing can be written any more on the first cell; once there is room, it goes on. */
async function room(here: Lab, drill: Drill): Promise<void> {
  const { organism } = here;
  const { first } = drill;
  const home = '/var/lib/cell';
  const small = `cp -a ${home} /root/kept && mount -t tmpfs -o size=64m,mode=$(stat -c %a ${home}),uid=$(stat -c %u ${home}),gid=$(stat -c %g ${home}) tmpfs ${home} && cp -a /root/kept/. ${home}/`;
  expect((await organism.on(first, small)).code).toBe(0);
  await organism.on(first, `dd if=/dev/zero of=${home}/filled bs=64k`);
  await awake(organism, first);
  await says(organism, first, /ENOSPC|no space/i);
  expect(organism.running('web')).toEqual([first.name]);
  await organism.on(first, `rm ${home}/filled`);
  await organism.until('it works again', async () => {
    const ran = await organism.tick(first);
    return ran.code === 0;
  });
  await asleep(organism, first);
  const back = `sleep 1; systemctl is-active -q cell-tick.service && sleep 2; cp -a ${home} /root/now && umount -l ${home} && cp -a /root/now/. ${home}/ && rm -rf /root/now /root/kept`;
  expect((await organism.on(first, back)).code).toBe(0);
  await awake(organism, first);
  await expectOne(organism, drill);
  await asleep(organism, first);
}

describe.skipIf(needs('faults of what a cell works with', NSPAWN, KNOT))('damaged, missing or doubled', () => {
  test('nothing is lost, the reason is told, and it goes on', { timeout: TIMEOUT }, async (context) => {
    const here = await lab(OCTET, context);
    const { organism } = here;
    const drill = await begin(organism);
    await asleep(organism, drill.first);
    const only = process.env.CELL_FAULTS?.split(',');
    const courses = { checkpoints, artefacts, ticks, room, clocks, names };
    for (const [name, course] of Object.entries(courses)) {
      if (only !== undefined && !only.includes(name)) continue;
      const began = Date.now();
      await course(here, drill);
      appendFileSync(2, `lab: ${name}: ${Date.now() - began} ms\n`);
    }
    await awake(organism, drill.first);
    await expectOne(organism, drill);
    await stopLoads(drill);
    await drill.watch.stop();
    expect(organism.running('web')).toEqual([drill.first.name]);
    await expectTidy(organism);
    await expectNothingLeft(organism);
  });
});
