/**
 * The control groups of a machine, where no systemd of the box keeps them: one in the unified hierarchy, which is how
 * all of a machine's processes are known and ended at once, and beside it those of older controllers for the limits.
 *
 * A group of its own is more than book-keeping: two nspawn machines started in one group would share the tree that
 * the systemd inside each of them believes to be its own.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CellError } from '../errors.ts';

const SLICE = 'cell-box';
const GONE_WITHIN_MS = 30_000;
/** ms; the usual period of the scheduler's quota. */
const PERIOD_US = 100_000;

export interface Hierarchies {
  /** Mount point of the unified hierarchy. */
  readonly unified: string;
  /** Mount points of older ones, by controller; `name=systemd` among them. */
  readonly legacy: Readonly<Record<string, string>>;
}

/** Where the hierarchies are mounted. Throws NOT_FOUND without the unified one: systemd inside needs it. */
export function hierarchies(mountinfo = readFileSync('/proc/self/mountinfo', 'utf8')): Hierarchies {
  const legacy: Record<string, string> = {};
  let unified: string | null = null;
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const point = before.split(' ')[4] ?? '';
    const [type, , options = ''] = after.split(' ');
    if (type === 'cgroup2') unified ??= point;
    if (type === 'cgroup') for (const option of options.split(',')) if (!(option in legacy)) legacy[option] = point;
  }
  if (unified !== null) return { unified, legacy };
  throw new CellError('NOT_FOUND', 'This box has no unified control groups', {
    suggestion: 'mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified',
  });
}

/** Runs `start` with this process in the machine's groups, so that what it starts is in them from its first moment. */
export function inside<T>(tag: string, limits: { cpus: number | null; memory: number | null }, start: () => T): T {
  const { unified, legacy } = hierarchies();
  const own = ownGroups();
  const moves = [{ point: unified, back: own.get('') ?? '/' }];
  for (const name of ['name=systemd', 'memory', 'cpu']) {
    const point = legacy[name];
    if (point !== undefined) moves.push({ point, back: own.get(name) ?? '/' });
  }
  for (const { point } of moves) mkdirSync(join(point, SLICE, tag), { recursive: true });
  limit(tag, limits);
  try {
    for (const { point } of moves) enter(join(point, SLICE, tag));
    return start();
  } finally {
    for (const { point, back } of moves) enter(join(point, back));
  }
}

function enter(group: string): void {
  writeFileSync(join(group, 'cgroup.procs'), String(process.pid));
}

/** This process' group by controller; '' is the unified one. */
function ownGroups(): Map<string, string> {
  const lines = readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n');
  return new Map(
    lines.flatMap((line) => {
      const [, controllers = '', ...path] = line.split(':');
      return controllers.split(',').map((name): [string, string] => [name, path.join(':')]);
    }),
  );
}

/** Sets the limits of a machine's groups, as far as their controllers are here. */
export function limit(tag: string, { cpus, memory }: { cpus: number | null; memory: number | null }): void {
  const { unified, legacy } = hierarchies();
  const quota = cpus === null ? -1 : Math.round(cpus * PERIOD_US);
  const bytes = memory ?? -1;
  if (legacy.cpu !== undefined) writeFileSync(join(legacy.cpu, SLICE, tag, 'cpu.cfs_quota_us'), String(quota));
  else attempt(join(unified, SLICE, tag, 'cpu.max'), `${quota < 0 ? 'max' : quota} ${PERIOD_US}`);
  if (legacy.memory !== undefined)
    writeFileSync(join(legacy.memory, SLICE, tag, 'memory.limit_in_bytes'), String(bytes));
  else attempt(join(unified, SLICE, tag, 'memory.max'), bytes < 0 ? 'max' : String(bytes));
}

/** Where the controller is not handed down the file is not there; `limitsHere` says so. */
function attempt(file: string, value: string): void {
  if (existsSync(file)) writeFileSync(file, value);
}

/** What limits on a machine come to here. `kept`: by systemd, which hands down by itself what there is. */
export function limitsHere(kept: boolean): { readonly cpus: string; readonly memory: string } {
  const { unified, legacy } = hierarchies();
  const file = kept ? join(unified, 'cgroup.controllers') : join(unified, SLICE, 'cgroup.subtree_control');
  const handedDown = read(file).split(/\s+/);
  const say = (controller: string) =>
    controller in legacy || handedDown.includes(controller)
      ? 'enforced'
      : `not enforced: this box hands down no ${controller} controller`;
  return { cpus: say('cpu'), memory: say('memory') };
}

/** On a box with the unified hierarchy alone, the controllers have to be handed down. As far as that is allowed. */
export function handDown(): void {
  const { unified } = hierarchies();
  mkdirSync(join(unified, SLICE), { recursive: true });
  for (const group of [unified, join(unified, SLICE)]) {
    const there = read(join(group, 'cgroup.controllers')).split(/\s+/);
    for (const controller of ['cpu', 'memory', 'pids'].filter((name) => there.includes(name))) {
      try {
        writeFileSync(join(group, 'cgroup.subtree_control'), `+${controller}`);
      } catch {
        // Processes beside the groups forbid it; `limitsHere` says what came of it.
      }
    }
  }
}

/** Whether a process of the machine is there. */
export function populated(tag: string): boolean {
  return /^populated 1$/m.test(read(join(hierarchies().unified, SLICE, tag, 'cgroup.events')));
}

/** Ends every process of the machine at once and waits until they are gone; then the groups go. */
export async function killGroup(tag: string): Promise<void> {
  const { unified, legacy } = hierarchies();
  const group = join(unified, SLICE, tag);
  if (existsSync(group)) {
    const deadline = performance.now() + GONE_WITHIN_MS;
    do {
      writeFileSync(join(group, 'cgroup.kill'), '1');
      if (performance.now() > deadline) throw new CellError('TIMEOUT', `Processes of machine ${tag} do not end`);
      await sleep(5);
    } while (populated(tag));
  }
  for (const point of new Set([unified, ...Object.values(legacy)])) await dissolve(join(point, SLICE, tag));
}

/** Removes a group with those inside. A group whose last process just ended may be busy for a moment. */
async function dissolve(group: string): Promise<void> {
  if (!existsSync(group)) return;
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory()) await dissolve(join(group, entry.name));
  }
  for (let tries = 0; ; tries++) {
    try {
      rmdirSync(group);
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return;
      if (code !== 'EBUSY' || tries > 200) throw error;
      await sleep(5);
    }
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
