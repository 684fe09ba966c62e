/**
 * Making, finding and removing machines. A machine is made in this order, each step safe to do again:
 *
 * 1. under the box's lock: adopt the one of this birth, or count against the quota, claim an address, and let the folder
 *    appear with its machine.json. From here on `list` shows it, `remove` takes it and the same `create` goes on with it
 * 2. under its own lock: overlay, files, `ready`, boot
 *
 * It is removed in this order: processes, mounts, the folder by a rename, the address, what was in the folder.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { CellError } from '../errors.ts';
import { claimAddress, releaseAddress } from './claims.ts';
import {
  appear,
  imageFolder,
  imagesOf,
  locked,
  names,
  placesOf,
  readBox,
  readMachine,
  readMachines,
  writeMachine,
} from './files.ts';
import type { Host } from './host.ts';
import { dropUnused, layerFolder, layersFor } from './layers.ts';
import { newMachineUuid, rootFiles, writeRoot } from './root.ts';
import {
  type BoxInfo,
  type MachineFile,
  type MachineOrder,
  type MachineSeen,
  machineId,
  organismOf,
  tagOf,
} from './words.ts';

export interface Box {
  readonly dir: string;
  readonly host: Host;
}

/** The machine of this birth: made, finished, or as it is. Throws NOT_ALLOWED over the quota, NOT_FOUND without image. */
export async function createMachine(
  box: Box,
  organism: string,
  quota: number,
  order: MachineOrder,
): Promise<MachineSeen> {
  const { dir } = box;
  const id = machineId(organism, order.birth);
  return locked(dir, { tag: tagOf(dir, id) }, async () => {
    const machine = await locked(
      dir,
      'box',
      async () => readMachine(dir, id) ?? (await admit(box, organism, quota, order)),
    );
    const made = machine.ready ? machine : await furnish(box, machine, order);
    if (!box.host.alive(tagOf(dir, id))) await boot(box, made);
    return seen(box, { ...made, power: 'on' });
  });
}

/** Step 1, under the box's lock. */
async function admit({ dir }: Box, organism: string, quota: number, order: MachineOrder): Promise<MachineFile> {
  const used = readMachines(dir).filter((machine) => machine.organism === organism).length;
  if (used >= quota) {
    throw new CellError('NOT_ALLOWED', `The box makes no more machines for ${organism}`, {
      why: `its quota is ${quota}, and ${used} are there`,
      suggestion: `\`cell sweep\` lists what nobody knows; the owner of the box may allow more: cell box allow ${organism} --quota`,
    });
  }
  const { birth, parent, cloud, image } = order;
  if (!imagesOf(dir).includes(image)) {
    throw new CellError('NOT_FOUND', `The box has no image ${image}`, {
      why: `it has ${imagesOf(dir).join(', ') || 'none'}`,
      suggestion: `On the box: cell box init --image ${image}`,
    });
  }
  const id = machineId(organism, birth);
  const address = claimAddress(dir, readBox(dir).network, id);
  const [cpus, memory] = [order.cpus ?? null, order.memory ?? null];
  const layers = layersFor(dir, organism);
  const machine: MachineFile = {
    ...{ v: 1, id, organism, birth, parent, cloud, image, address, cpus, memory },
    ...(layers.length === 0 ? {} : { layers }),
    ready: false,
    power: 'on',
  };
  appear(dir, machine);
  return machine;
}

/** Step 2: from nothing, whatever an attempt before left. */
async function furnish({ dir, host }: Box, machine: MachineFile, order: MachineOrder): Promise<MachineFile> {
  const places = placesOf(dir, machine.id);
  await host.cut(tagOf(dir, machine.id));
  for (const folder of [places.root, places.upper, places.work]) {
    await host.remove(folder);
    mkdirSync(folder, { recursive: true, mode: 0o755 });
  }
  mkdirSync(places.containers, { recursive: true, mode: 0o700 });
  await host.overlay(lowerOf(dir, machine), places.upper, places.work, places.root);
  writeRoot(places.root, rootFiles(readBox(dir), machine, order, newMachineUuid()));
  const ready = { ...machine, ready: true };
  writeMachine(dir, ready);
  return ready;
}

async function boot({ dir, host }: Box, machine: MachineFile): Promise<void> {
  const { id, cpus, memory } = machine;
  const { upper, work, root, containers, log } = placesOf(dir, id);
  await host.overlay(lowerOf(dir, machine), upper, work, root);
  if (machine.power !== 'on') writeMachine(dir, { ...machine, power: 'on' });
  const { bridge } = readBox(dir);
  await host.boot({ tag: tagOf(dir, id), id, root, bridge, containers, log, cpus, memory });
}

/** What its own files lie over, the topmost first. */
function lowerOf(dir: string, { image, layers = [], organism }: MachineFile): readonly string[] {
  return [...layers.map((hash) => layerFolder(dir, organism, hash)), imageFolder(dir, image)];
}

export async function findMachine(box: Box, id: string): Promise<MachineSeen | null> {
  const machine = readMachine(box.dir, id);
  return machine === null ? null : seen(box, machine);
}

/** Machines of one organism, or all. */
export function listMachines(box: Box, organism: string | null): readonly MachineSeen[] {
  const machines = readMachines(box.dir).filter((machine) => organism === null || machine.organism === organism);
  return machines.map((machine) => seen(box, machine));
}

/** Another parent in its tags, and other limits, at once. Throws NOT_FOUND. */
export async function changeMachine(
  box: Box,
  id: string,
  {
    parent,
    cpus = null,
    memory = null,
  }: { parent: string; cpus?: number | null | undefined; memory?: number | null | undefined },
): Promise<MachineSeen> {
  return existing(box, id, async (machine) => {
    const next = { ...machine, parent, cpus, memory };
    writeMachine(box.dir, next);
    const tag = tagOf(box.dir, id);
    if (box.host.alive(tag)) await box.host.limit(tag, next);
    return next;
  });
}

/** Off as by a power cut; its disk stays. Throws NOT_FOUND. */
export async function powerOff(box: Box, id: string): Promise<MachineSeen> {
  return existing(box, id, async (machine) => {
    const off: MachineFile = { ...machine, power: 'off' };
    writeMachine(box.dir, off);
    await box.host.cut(tagOf(box.dir, id));
    return off;
  });
}

/** On again. Throws NOT_FOUND, also for one that was never finished: only its maker can finish it. */
export async function bootMachine(box: Box, id: string): Promise<MachineSeen> {
  return existing(box, id, async (machine) => {
    if (!machine.ready) throw new CellError('NOT_FOUND', `Machine ${id} was never finished`);
    const tag = tagOf(box.dir, id);
    if (!box.host.alive(tag)) {
      await box.host.cut(tag);
      await boot(box, machine);
    }
    return { ...machine, power: 'on' };
  });
}

async function existing(
  box: Box,
  id: string,
  work: (machine: MachineFile) => Promise<MachineFile>,
): Promise<MachineSeen> {
  return locked(box.dir, { tag: tagOf(box.dir, id) }, async () => {
    const machine = readMachine(box.dir, id);
    if (machine === null) throw new CellError('NOT_FOUND', `The box has no machine ${id}`);
    return seen(box, await work(machine));
  });
}

/** Ends and removes a machine with all that is left of it. Gone already is fine. */
export async function removeMachine(box: Box, id: string): Promise<void> {
  const { dir, host } = box;
  const tag = tagOf(dir, id);
  const { folder } = placesOf(dir, id);
  await locked(dir, { tag }, async () => {
    await host.cut(tag);
    await host.unmount(folder);
    await locked(dir, 'box', async () => {
      if (existsSync(folder))
        renameSync(folder, join(dir, 'machines', `.gone-${id}-${randomBytes(4).toString('hex')}`));
      releaseAddress(dir, id);
    });
    // With it, what calls left that were killed; nobody else is at work on them, for the machine's lock is ours.
    for (const name of names(join(dir, 'machines')))
      if (name === `.new-${id}` || name.startsWith(`.gone-${id}-`)) await host.remove(join(dir, 'machines', name));
  });
  await dropUnused(box, organismOf(id) ?? '');
}

/** Boots what should run and does not: after the box itself was off. Gives what could not be booted, and why. */
export async function startMachines(
  box: Box,
): Promise<readonly { readonly id: string; readonly why: string | null }[]> {
  const results: { id: string; why: string | null }[] = [];
  for (const name of names(join(box.dir, 'machines')))
    if (name.startsWith('.')) await box.host.remove(join(box.dir, 'machines', name));
  for (const { id, power, ready } of readMachines(box.dir)) {
    if (power !== 'on' || !ready) continue;
    const why = await bootMachine(box, id).then(
      () => null,
      (error: unknown) => (error instanceof CellError ? `${error.message}: ${error.why ?? ''}` : String(error)),
    );
    results.push({ id, why });
  }
  return results;
}

export function infoOf(box: Box, organism: string, quota: number): BoxInfo {
  const used = readMachines(box.dir).filter((machine) => machine.organism === organism).length;
  return { organism, quota, used, images: imagesOf(box.dir), limits: box.host.limits() };
}

function seen({ dir, host }: Box, { v: _v, ready: _ready, ...machine }: MachineFile): MachineSeen {
  return { ...machine, running: host.alive(tagOf(dir, machine.id)) };
}
