/** What the drills of faults share: an organism on a box, ticks that end where a drill says, images that are broken. */
import { appendFileSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, type TestContext } from 'vitest';
import { mountOverlay, removeTree } from '../../src/box/host.ts';
import { interfaceOf } from '../../src/box/power.ts';
import { tagOf } from '../../src/box/words.ts';
import type { Cell } from '../../src/model.ts';
import type { Status } from '../../src/status.ts';
import type { Drill } from '../courses/drill.ts';
import { newOrganism, type Options, type Organism, run } from '../courses/organism.ts';
import { cachedImage, LAB_PACKAGES } from './box.ts';
import { type LabGround, labGround } from './ground.ts';

export const TIMEOUT = 900_000;
/** What the lab's genome starts machines from. */
const IMAGE = 'debian-13';

export interface Lab {
  readonly organism: Organism;
  readonly ground: LabGround;
}

export async function lab(octet: number, context: TestContext, options: Options = {}): Promise<Lab> {
  const ground = await labGround(octet);
  const organism = await newOrganism(options, async () => ground);
  context.onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') appendFileSync(2, await diary(ground));
    await organism.close();
  }, TIMEOUT);
  return { organism, ground };
}

/** What the machines that are left said last, for whoever reads why a test failed. */
async function diary({ box }: LabGround): Promise<string> {
  const pages = box.machines().map(async ({ id }) => {
    const log = join(box.rootOf(id), 'var/log/journal');
    const lines = ['-D', log, '--no-pager', '-o', 'short-precise', '-n', '150', '-t', 'cell', '-p', 'info'];
    const { stdout } = await run('journalctl', lines, process.env);
    return `\n${id}:\n${stdout.replace(/^\w+ \d+ (\S+) \S+ /gm, '$1 ').replace(/(.{300}).+/g, '$1')}`;
  });
  return (await Promise.all(pages)).join('');
}

/** Its ticks stand still, also after its machine was switched on again. */
export async function asleep(organism: Organism, cell: Cell): Promise<void> {
  expect((await organism.on(cell, 'systemctl disable --now cell-tick.timer')).code).toBe(0);
}

export async function awake(organism: Organism, cell: Cell): Promise<void> {
  expect((await organism.on(cell, 'systemctl enable --now cell-tick.timer')).code).toBe(0);
}

/** The plug is pulled and put back; comes back when it can be logged in to. */
export async function blackout({ organism, ground }: Lab, cell: Cell): Promise<void> {
  const id = ground.idOf(cell);
  await ground.box.powerOff(id);
  expect(organism.processes().some(({ env }) => env.get('CELL_NAME') === cell.name)).toBe(false);
  await ground.box.boot(id);
  await organism.until('it has booted', async () => (await organism.on(cell, 'true')).code === 0);
}

/** No packet goes between machines that are cut off; the box, its name server and the drill reach each. */
export async function cutOff({ ground }: Lab, machines: readonly { readonly birth: string }[], off: boolean) {
  for (const machine of machines) {
    const cable = interfaceOf(tagOf(ground.box.dir, ground.idOf(machine)));
    const ran = await run('bridge', ['link', 'set', 'dev', cable, 'isolated', off ? 'on' : 'off'], process.env);
    expect(ran.code, ran.stderr).toBe(0);
  }
}

/** The line for people that a cell's newest pulse has, as `cell status` shows it. */
async function whyOf(organism: Organism, cell: Cell): Promise<string> {
  const status = JSON.parse((await organism.cell(['status', '--json'])).stdout) as Status;
  return status.cells.find(({ id }) => id === cell.id)?.why ?? '';
}

export async function says(organism: Organism, cell: Cell, what: RegExp): Promise<void> {
  await organism.until(`its status says ${what}`, async () => what.test(await whyOf(organism, cell)));
}

/** Machines made from now on start from the image with these changes; gives how to have it as it was. */
export async function otherImage({ ground }: Lab, name: string, change: (root: string) => void) {
  const folder = join(ground.box.dir, 'images', `.${name}`);
  const [upper, work, root] = ['upper', 'work', 'root'].map((part) => join(folder, part)) as [string, string, string];
  for (const path of [upper, work, root]) mkdirSync(path, { recursive: true });
  const usual = await cachedImage('trixie', LAB_PACKAGES);
  await mountOverlay([usual], upper, work, root);
  change(root);
  const link = join(ground.box.dir, 'images', IMAGE);
  const point = (target: string) => {
    rmSync(link);
    symlinkSync(target, link);
  };
  point(root);
  return async () => {
    point(usual);
    await removeTree(folder);
  };
}

/** Ends the clients, whose requests may have failed, and looks at the whole; nothing ran twice meanwhile. */
export async function stopLoads(drill: Drill): Promise<void> {
  for (const load of Object.values(drill.loads)) await load.stop();
}
