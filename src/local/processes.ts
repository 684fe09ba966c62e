/**
 * Which processes belong to a machine, and how they are ended.
 *
 * A process is known by a marker in its environment, as the kernel keeps it: it is inherited, survives daemons that
 * leave their session, and cannot be mistaken for a pid used again. Where there is no /proc, the process groups that
 * the machine recorded stand in for it; a daemon that left its group is then missed.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const HAS_PROC = existsSync('/proc/self/environ');

/** Environment variables that mark a process: of the machine; of the guardian that outlives it for a moment. */
export const MACHINE = 'CELL_MACHINE';
export const GUARDIAN = 'CELL_GUARDIAN';
/** Of one start of one unit. */
export const UNIT = 'CELL_UNIT';

/** The recorded group ids of a machine. */
export function recordedGroups(groups: string): number[] {
  try {
    return (
      readdirSync(groups)
        .map(Number)
        // A group without members is a file left over.
        .filter((id) => Number.isInteger(id) && id > 1 && signalTo(-id, 'SIGCONT'))
    );
  } catch {
    return [];
  }
}

/** Pids whose environment has NAME=VALUE. Zombies have no environment and are not among them. Own pid excluded. */
export function processesWith(variables: Readonly<Record<string, string>>): number[] {
  if (!HAS_PROC) return [];
  const wanted = Object.entries(variables).map(([name, value]) => Buffer.from(`${name}=${value}\0`));
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    const first = name.charCodeAt(0);
    if (first < 49 || first > 57 || Number(name) === process.pid) continue;
    try {
      const environment = readFileSync(`/proc/${name}/environ`);
      if (wanted.every((text) => hasEntry(environment, text))) found.push(Number(name));
    } catch {
      // It ended meanwhile, or it is another user's and so not ours.
    }
  }
  return found;
}

function hasEntry(environment: Buffer, entry: Buffer): boolean {
  for (let at = environment.indexOf(entry); at >= 0; at = environment.indexOf(entry, at + 1)) {
    if (at === 0 || environment[at - 1] === 0) return true;
  }
  return false;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Sends a signal to a pid, or with a negative one to a group; 0 only asks. Whether there was anything to send it to. */
export function signalTo(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/**
 * Ends everything with a machine's marker by SIGKILL and waits until it is gone, and the guardian with it.
 * False when something is left after `within` ms.
 */
export async function endMachine(marker: string, groups: string, within: number): Promise<boolean> {
  const until = Date.now() + within;
  for (let pause = 2; ; pause = Math.min(pause * 2, 50)) {
    const left = HAS_PROC ? processesWith({ [MACHINE]: marker }) : recordedGroups(groups).map((group) => -group);
    const alive = left.filter((pid) => signalTo(pid, 'SIGKILL'));
    // The guardian is about the same work, and leaves by itself.
    if (alive.length === 0 && processesWith({ [GUARDIAN]: marker }).length === 0) return true;
    if (Date.now() > until) return false;
    await sleep(pause);
  }
}

/** Whether the machine itself (not merely something on it) runs: its pid, with its marker. */
export function isMachine(pid: number, marker: string): boolean {
  if (!HAS_PROC) return isAlive(pid);
  try {
    return hasEntry(readFileSync(`/proc/${pid}/environ`), Buffer.from(`${MACHINE}=${marker}\0`));
  } catch {
    return false;
  }
}

/** All descendants of a process, itself first. Only itself where the kernel does not list children. */
export function descendants(pid: number): number[] {
  const found = [pid];
  for (const parent of found) {
    try {
      for (const child of readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').split(' ')) {
        if (child !== '') found.push(Number(child));
      }
    } catch {
      // Gone, or no such list here.
    }
  }
  return found;
}

export const hasProc = HAS_PROC;
