/**
 * After a call that was killed: its CLI and plugins may still run, and its CLI's lock file remains.
 *
 * Called with the stack's lease only, so whatever is found here belongs to nobody any more. It is given time to end by
 * itself, as a create that ends is better than one that is cut off, and is then killed.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isAlive, startOf } from './lock.ts';
import type { PulumiWorkspace } from './pulumi.workspace.ts';

/** How long an orphan may go on, ms. It notices that its parent is gone within a second. */
const PATIENCE_MS = 15_000;
const LOOK_EVERY_MS = 50;

interface Orphan {
  readonly pid: number;
  readonly started: string | null;
}

/** Resolves when nothing of an earlier call runs any more and the CLI's own lock is free. */
export async function clearLeftovers(workspace: PulumiWorkspace): Promise<void> {
  const locks = join(workspace.stateFolder, 'locks');
  const orphans = [...plugins(workspace.pluginsFolder), ...makers(workspace.pluginsFolder), ...clis(locks)];
  const deadline = Date.now() + PATIENCE_MS;
  for (const { pid, started } of orphans) {
    while (isAlive(pid, started) && Date.now() < deadline) await pause();
    if (isAlive(pid, started)) process.kill(pid, 'SIGKILL');
    while (isAlive(pid, started)) await pause();
  }
  rmSync(workspace.pluginsFolder, { recursive: true, force: true });
  rmSync(locks, { recursive: true, force: true });
}

function plugins(folder: string): readonly Orphan[] {
  return filesIn(folder).map((file) => ({
    pid: Number(basename(file)),
    started: readFileSync(file, 'utf8').trim() || null,
  }));
}

/**
 * Plugins of Pulumi's packages note nothing, and go on without their CLI for minutes: they ask again for a machine that
 * nobody would know of. Each has the folder of its stack in its environment. Found on Linux, which is what cells run on.
 */
function makers(folder: string): readonly Orphan[] {
  const mark = `\0CELL_PLUGIN_PIDS=${folder}\0`;
  return pids().flatMap((pid) => {
    const program = basename(textOf(`/proc/${pid}/cmdline`).split('\0')[0] ?? '');
    if (!/^pulumi-resource-(?!cell$)/.test(program)) return [];
    return `\0${textOf(`/proc/${pid}/environ`)}`.includes(mark) ? [{ pid, started: startOf(pid) }] : [];
  });
}

function pids(): readonly number[] {
  if (!existsSync('/proc/self/environ')) return [];
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

/** Empty where there is none, or it is somebody else's. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** The CLI's lock files say its pid. Another process may have got that pid since: only a Pulumi counts. */
function clis(folder: string): readonly Orphan[] {
  return filesIn(folder).flatMap((file) => {
    // A CLI that was killed while it wrote its lock left half of one; it is dead then.
    const pid = /"pid":\s*(\d+)/.exec(readFileSync(file, 'utf8'))?.[1];
    return pid !== undefined && isPulumi(Number(pid)) ? [{ pid: Number(pid), started: null }] : [];
  });
}

function isPulumi(pid: number): boolean {
  return textOf(`/proc/${pid}/cmdline`).split('\0')[0]?.endsWith('pulumi') ?? false;
}

function filesIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
}
