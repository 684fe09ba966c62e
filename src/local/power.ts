/**
 * The power button of local machines, from the outside: on, off, and whether one is on.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { CellError } from '../errors.ts';
import { machineEnvironment } from './environment.ts';
import { controlSocket, type MachineFile, places } from './host.ts';
import { endMachine, hasProc, isMachine, MACHINE, processesWith, recordedGroups } from './processes.ts';

/** How long a boot may take, in ms; it takes some 300, and seconds while the disk is busy with what others write. */
const BOOT_WITHIN = 90_000;
/** How long ending a machine's processes may take, in ms. */
const OFF_WITHIN = 10_000;

export type BootResult = { readonly ready: true } | { readonly error: string; readonly message: string };

/**
 * Starts the machine of a folder as a process of its own, which outlives this one, and waits until it answers. Ports
 * that are taken are a result, not an error: the maker may have other addresses.
 */
export async function boot(folder: string, file: MachineFile): Promise<BootResult> {
  const { log: logFile, host } = places(folder);
  const log = openSync(logFile, 'a');
  const child = spawn(file.node, [file.programs.machine, folder], {
    cwd: host,
    detached: true,
    env: machineEnvironment(file, folder),
    stdio: ['ignore', log, log, 'pipe'],
  });
  closeSync(log);
  const pipe = child.stdio[3] as Readable;
  let text = '';
  const result = await new Promise<BootResult>((resolve) => {
    const failed = (why: string) => resolve({ error: 'FAILED', message: `${why}${lastLine(logFile)}` });
    const limit = setTimeout(() => {
      child.kill('SIGKILL');
      failed(`it was not up after ${BOOT_WITHIN / 1000} s`);
    }, BOOT_WITHIN);
    child.once('error', (error) => failed(error.message));
    pipe.setEncoding('utf8');
    pipe.on('data', (data) => {
      text += data;
    });
    pipe.on('error', () => {});
    pipe.once('close', () => {
      clearTimeout(limit);
      try {
        resolve(JSON.parse(text) as BootResult);
      } catch {
        failed('it ended while it booted');
      }
    });
  });
  pipe.destroy();
  child.unref();
  return result;
}

/** Cuts the power: everything on the machine is gone, its files stay. Off already is fine. */
export async function powerOff(folder: string, file: MachineFile): Promise<void> {
  const { groups, control } = places(folder);
  if (!(await endMachine(file.marker, groups, OFF_WITHIN))) {
    throw new CellError('PROVIDER_REFUSED', `the processes of machine ${file.id} do not end`, {
      why: `pids ${processesWith({ [MACHINE]: file.marker }).join(', ')} survive SIGKILL`,
      suggestion: 'look for a full disk or a dead mount, then try again',
    });
  }
  rmSync(controlSocket(file), { force: true });
  rmSync(control, { force: true });
}

/** Waits until the machine's ports can be taken again, or `within` ms. */
export async function portsFree(file: MachineFile, within: number): Promise<boolean> {
  const until = Date.now() + within;
  for (;;) {
    const free = await Promise.all([file.sshPort, file.httpPort].map((port) => isFree(file.address, port)));
    if (free.every(Boolean)) return true;
    if (Date.now() > until) return false;
    await sleep(20);
  }
}

function isFree(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, address, () => server.close(() => resolve(true)));
  });
}

/** Whether the machine's own process runs. */
export function isRunning(folder: string, file: MachineFile): boolean {
  const pid = machinePid(folder);
  return pid !== null && isMachine(pid, file.marker);
}

/** The pid of the machine's own process, as it wrote it, or null. */
export function machinePid(folder: string): number | null {
  try {
    return Number(readFileSync(places(folder).pid, 'utf8')) || null;
  } catch {
    return null;
  }
}

/** Whether anything of a machine is left, its own process or what ran on it. */
export function hasProcesses(folder: string, file: MachineFile): boolean {
  if (hasProc) return processesWith({ [MACHINE]: file.marker }).length > 0;
  return recordedGroups(places(folder).groups).length > 0;
}

function lastLine(file: string): string {
  try {
    const line = readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? '';
    return line === '' ? '' : `: ${line}`;
  } catch {
    return '';
  }
}
