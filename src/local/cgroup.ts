/**
 * sys/fs/cgroup/system.slice/UNIT/cgroup.procs of a local machine: the pids of a unit, one a line, where the sensors
 * look for them on every Linux.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { layout } from '../layout.ts';

const written = new Map<string, string>();

export function writeCgroup(root: string, unit: string, pids: readonly number[]): void {
  const folder = join(layout(root).cgroups[0], unit);
  const text = pids.map((pid) => `${pid}\n`).join('');
  if (written.get(folder) === text) return;
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'cgroup.procs'), text);
    written.set(folder, text);
  } catch {
    // The root is being taken away under a machine that ends.
  }
}

export function clearCgroup(root: string, unit: string): void {
  const folder = join(layout(root).cgroups[0], unit);
  written.delete(folder);
  rmSync(folder, { recursive: true, force: true });
}
