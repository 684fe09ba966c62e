/**
 * What a cell works with is damaged, missing or doubled: checkpoints, artefacts, the name server, the clock, room on the
 * disk, and its own ticks.
 */
import { existsSync, readdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Cell } from '../../src/model.ts';
import {
  begin,
  childOf,
  closeBreaker,
  type Drill,
  dueTick,
  expectNothingLeft,
  expectOne,
  expectTidy,
  orderAway,
  settled,
  upTo,
} from '../courses/drill.ts';
import { run } from '../courses/organism.ts';
import { asleep, awake, type Lab, lab, says, stopLoads, TIMEOUT } from './faults.ts';
import { KNOT, NSPAWN, needs } from './needs.ts';

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
  const child = await childOf(organism);
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
  closeBreaker(organism, first);

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
  return childOf(here.organism);
}

/** Several at once: one works. One that outlives its lease finds out, and leaves the saga to whoever took over. */
async function ticks(here: Lab, drill: Drill): Promise<void> {
  const { organism } = here;
  const { first } = drill;
  const command = '/opt/cell/bin/cell divide --json';
  await upTo(organism, first, 'imprint', 'web');
  await organism.until('one outlives its lease', async () => {
    const fault = 'stop-after:birth';
    // Longer than a step takes, for a lease is renewed between them.
    const slow = organism.tick(first, { fault, env: { CELL_TICK_LEASE_MS: 10_000 } });
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
  await backTogether(here, drill, await childOf(organism));
}

function isStopped(pid: number): boolean {
  try {
    return /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** The name server is silent, refuses, and takes what it is told while its answers are lost. */
async function names(here: Lab, drill: Drill): Promise<void> {
  const { organism, ground } = here;
  const { first } = drill;
  const newborn = await quietChild(here, first);
  await ground.knot.pause();
  await awake(organism, first);
  await fails(here, first, 'rewire', /answer/);
  ground.knot.goOn();
  await ground.knot.refuse(true);
  await fails(here, first, 'rewire', /REFUSED|does not accept the key/);
  await says(organism, first, /rewire, which failed/);
  await ground.knot.refuse(false);
  await awake(organism, newborn);
  await settled(organism, 2);

  await asleep(organism, first);
  await orderAway(organism, newborn);
  await upTo(organism, first, 'takeBack');
  const before = JSON.stringify(await ground.knot.dump());
  const answers = await loseAnswers(ground.knot.address);
  try {
    await awake(organism, first);
    await organism.until('it took effect', async () => JSON.stringify(await ground.knot.dump()) !== before);
    await organism.until('its answer was lost', () => answers.lost());
  } finally {
    await answers.end();
  }
  await expectOne(organism, drill);
  await asleep(organism, first);
}

/** A child that was handed a function over, and says nothing of it until it is told to: its own ticks would, too. */
async function quietChild({ organism }: Lab, first: Cell): Promise<Cell> {
  await upTo(organism, first, 'birth', 'web');
  const child = await childOf(organism);
  await asleep(organism, child);
  await upTo(organism, first, 'handOver');
  return child;
}

/** Waits until a step has failed for this reason. */
async function fails({ organism }: Lab, cell: Cell, step: string, why: RegExp): Promise<void> {
  await organism.until(`${step} fails with ${why}`, () => {
    return organism.sagas(cell).some((saga) => saga.step === step && why.test(saga.lastFailure ?? ''));
  });
}

async function nft(...args: readonly string[]): Promise<string> {
  const ran = await run('nft', args, process.env);
  expect(ran.code, ran.stderr).toBe(0);
  return ran.stdout;
}

/** From here on no answer to an update leaves the name server; all others do. */
async function loseAnswers(address: string): Promise<{ lost(): Promise<boolean>; end(): Promise<string> }> {
  // An answer (the first bit) with the opcode 5, behind the id, and over TCP behind the length, too (RFC 1035, 2136).
  const [answer, over] = ['& 0xf8 == 0xa8 counter drop', `ip saddr ${address}`];
  await nft('add', 'table', 'ip', 'celllost');
  await nft('add', 'chain', 'ip', 'celllost', 'out', '{ type filter hook output priority 0; }');
  for (const rule of [`tcp sport 53 @ih,32,8 ${answer}`, `udp sport 53 @ih,16,8 ${answer}`]) {
    await nft('add', 'rule', 'ip', 'celllost', 'out', ...`${over} ${rule}`.split(' '));
  }
  return {
    lost: async () => /counter packets [1-9]/.test(await nft('list', 'table', 'ip', 'celllost')),
    end: () => nft('delete', 'table', 'ip', 'celllost'),
  };
}

/** From here on every program of ours on a machine sees a clock that is so far off. */
function shiftClock({ ground }: Lab, cell: Cell, byMs: number): void {
  const at = (path: string) => join(ground.rootOf(cell), path);
  const code = `const now = Date.now; Date.now = () => now() + ${byMs};
globalThis.Date = class extends Date { constructor(...given) { given.length === 0 ? super(Date.now()) : super(...given); } };\n`;
  writeFileSync(at('opt/cell/clock.mjs'), code);
  // All of them are started by this one.
  const starts = at('opt/cell/bin/cell');
  const [shebang = '', ...rest] = readFileSync(starts, 'utf8').split('\n');
  const usual = rest.filter((line) => !line.includes('clock.mjs'));
  const shifted = byMs === 0 ? [] : ['export NODE_OPTIONS=--import=file:///opt/cell/clock.mjs'];
  writeFileSync(`${starts}.new`, [shebang, ...shifted, ...usual].join('\n'), { mode: 0o755 });
  renameSync(`${starts}.new`, starts);
}

/**
 * An hour off: the name server takes nothing from it and says why, and the saga waits for the clock. Otherwise nobody is taken
 * for dead, feeds are taken in, and what depends on time goes on.
 */
async function clocks(here: Lab, drill: Drill): Promise<void> {
  const { organism } = here;
  const { first } = drill;
  const child = await quietChild(here, first);
  for (const [cell, byMs] of [
    [child, HOUR_MS],
    [first, -HOUR_MS],
  ] as const) {
    shiftClock(here, cell, byMs);
    await awake(organism, first);
    await fails(here, first, 'rewire', /BADTIME/);
    // Its next tick would bring the saga to its end.
    await asleep(organism, first);
    shiftClock(here, cell, 0);
  }
  await awake(organism, child);
  await awake(organism, first);
  await settled(organism, 2);
  for (const [cell, byMs] of [
    [child, HOUR_MS],
    [first, -HOUR_MS],
    [child, 0],
  ] as const) {
    shiftClock(here, cell, byMs);
    const seq = await pulseOf(here, child);
    await organism.until('it is heard of anew', async () => (await pulseOf(here, child)) > seq);
    expect((await organism.lineage()).cells[child.id]?.state).toBe('living');
  }
  shiftClock(here, first, 0);
  await orderAway(organism, child);
  await expectOne(organism, drill);
  await asleep(organism, first);
}

/** The number of a cell's newest pulse, as it has it itself. */
async function pulseOf({ ground }: Lab, cell: Cell): Promise<number> {
  const file = join(ground.rootOf(cell), 'var/lib/cell/pulses', `${cell.id}.json`);
  return (JSON.parse(readFileSync(file, 'utf8')) as { seq: number }).seq;
}

/** Nothing can be written any more in a folder of a machine, until `empty` is called. */
async function fill({ organism }: Lab, cell: Cell, folder: string): Promise<{ empty(): Promise<void> }> {
  const must = async (command: string) => {
    const ran = await organism.on(cell, `set -e; ${command}`);
    expect(ran.code, `${command}: ${ran.stderr}`).toBe(0);
  };
  // A file system of its own, with what was there.
  const like = `mode=$(stat -c %a ${folder}),uid=$(stat -c %u ${folder}),gid=$(stat -c %g ${folder})`;
  await must(
    `mkdir -p /root/kept && cp -a ${folder}/. /root/kept/ && mount -t tmpfs -o size=64m,${like} tmpfs ${folder} && cp -a /root/kept/. ${folder}/ && rm -r /root/kept`,
  );
  await must(`dd if=/dev/zero of=${folder}/filled bs=64k 2>/dev/null || true`);
  return {
    empty: () =>
      must(`rm ${folder}/filled && mkdir -p /root/kept && cp -a ${folder}/. /root/kept/ && umount -l ${folder}
cp -a /root/kept/. ${folder}/ && rm -r /root/kept`),
  };
}

/**
 * No room for what a cell keeps, on the first and on its child: it says so, its functions run on, and nobody takes it for
 * dead. No room for data on a child: the function stays where it is.
 */
async function room(here: Lab, drill: Drill): Promise<void> {
  const { organism } = here;
  const { first } = drill;
  const state = await fill(here, first, '/var/lib/cell');
  await organism.tick(first);
  await says(organism, first, /ENOSPC|no space/i);
  expect(organism.running('web')).toEqual([first.name]);
  await state.empty();
  await organism.until('it works again', async () => (await organism.tick(first)).code === 0);

  await upTo(organism, first, 'prepare', 'web');
  await fill(here, await childOf(organism), '/srv/cell');
  await awake(organism, first);
  await expectOne(organism, drill);
  await asleep(organism, first);
  await says(organism, first, /no space|ENOSPC/i);

  await upTo(organism, first, 'close', 'web');
  await awake(organism, first);
  await settled(organism, 2);
  const child = await childOf(organism);
  await organism.pause(child);
  const theirs = await fill(here, child, '/var/lib/cell');
  await organism.goOn(child);
  await says(organism, child, /ENOSPC|no space/i);
  expect(organism.running('web')).toEqual([child.name]);
  await organism.pause(child);
  await theirs.empty();
  await organism.goOn(child);
  await settled(organism, 2);
  await orderAway(organism, child);
  await expectOne(organism, drill);
  await asleep(organism, first);
}

describe.skipIf(needs('faults of what a cell works with', NSPAWN, KNOT))(
  'nothing is lost, the reason is told, and it goes on',
  () => {
    test.for([
      ['checkpoints that are garbage', checkpoints],
      ['a truncated artefact, here and on the way', artefacts],
      ['two ticks at once, and one that outlives its lease', ticks],
      ['no room for state or data, on either side', room],
      ['a clock an hour off', clocks],
      ['a name server that is silent, refuses, or whose answers are lost', names],
    ] as const)('%s', { timeout: TIMEOUT }, async ([, course], context) => {
      const here = await lab(OCTET, context);
      const { organism } = here;
      const drill = await begin(organism);
      await asleep(organism, drill.first);
      await course(here, drill);
      await awake(organism, drill.first);
      await expectOne(organism, drill);
      await stopLoads(drill);
      await drill.watch.stop();
      expect(drill.watch.twice()).toEqual([]);
      await expectTidy(organism);
      await expectNothingLeft(organism);
    });
  },
);
