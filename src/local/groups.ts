/**
 * Starting a process in a session of its own, so that it and its children can be ended together and nothing that ends
 * the starter's terminal reaches it. Where there is no /proc the group is recorded for the guardian.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasProc, signalTo } from './processes.ts';

/** As spawn(), detached. */
export type GroupSpawner = (command: string, args: readonly string[], options: SpawnOptions) => ChildProcess;

export function groupSpawner(groups: string): GroupSpawner {
  return (command, args, options) => {
    const child = spawn(command, args, { ...options, detached: true });
    if (!hasProc && child.pid !== undefined) {
      const record = join(groups, String(child.pid));
      writeFileSync(record, '');
      child.once('exit', () => {
        // Kept while a child of it lives on in the group.
        if (!signalTo(-(child.pid as number), 'SIGCONT')) rmSync(record, { force: true });
      });
    }
    return child;
  };
}

/** Asks a whole group to end with `signal`, and ends it by SIGKILL when it has not after `grace` ms. */
export function endGroup(leader: number, signal: NodeJS.Signals, grace: number): void {
  if (!signalTo(-leader, signal)) return;
  setTimeout(() => signalTo(-leader, 'SIGKILL'), grace).unref();
}
