/**
 * What a local machine leaves on the computer that carries it, and where.
 *
 *   DIR/ORGANISM-BIRTH/          one machine; DIR is the folder of the local "cloud"
 *     machine.json               its tags, its address, its marker (MachineFile)
 *     root/                      the file system of the machine: what CELL_ROOT names
 *     host/                      what a hypervisor would keep: its programs, pids, log
 *   SHARED/cell-UID/claims/A     who has the loopback address A
 *   SHARED/cell-UID/M.sock       where systemctl reaches the machine (a path that fits the limit of 108 bytes)
 *
 * SHARED is the temporary folder of the computer. A machine has a TMPDIR of its own, so its environment says the
 * computer's in CELL_SHARED_TMP: machines made by a machine meet the same claims.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface MachineFile {
  readonly v: 1;
  /** The provider's id and the folder's name. */
  readonly id: string;
  readonly organism: string;
  readonly birth: string;
  readonly parent: string;
  readonly cloud: string;
  readonly network: string;
  readonly address: string;
  readonly sshPort: number;
  readonly httpPort: number;
  readonly runtime: 'host' | 'none';
  /** Every process of the machine has it in its environment as CELL_MACHINE. 32 hex digits. */
  readonly marker: string;
  /** The Node that runs the machine itself. */
  readonly node: string;
  readonly programs: { readonly machine: string; readonly systemctl: string };
  readonly shared: string;
}

export interface Places {
  readonly folder: string;
  readonly file: string;
  readonly root: string;
  readonly host: string;
  readonly log: string;
  /** The pid of the machine's own process. */
  readonly pid: string;
  /** Process groups, one file each, where the computer has no /proc. */
  readonly groups: string;
  /** There once the machine has been up: its address is settled. */
  readonly settled: string;
  /** Inside the root: the path of the control socket, one line. */
  readonly control: string;
}

export function places(folder: string): Places {
  return {
    folder,
    file: join(folder, 'machine.json'),
    root: join(folder, 'root'),
    host: join(folder, 'host'),
    log: join(folder, 'host', 'machine.log'),
    pid: join(folder, 'host', 'machine.pid'),
    groups: join(folder, 'host', 'groups'),
    settled: join(folder, 'host', 'settled'),
    control: join(folder, 'root', 'run', 'control'),
  };
}

/** The temporary folder of the computer, also when asked on a machine of it. */
export function sharedTmp(): string {
  return process.env.CELL_SHARED_TMP ?? tmpdir();
}

/** The folder for this user's sockets and claims, made when missing. */
export function userFolder(shared: string): string {
  const folder = join(shared, `cell-${process.getuid?.() ?? 'user'}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

export function controlSocket(file: Pick<MachineFile, 'shared' | 'marker'>): string {
  return join(userFolder(file.shared), `${file.marker.slice(0, 16)}.sock`);
}

/** The machine of a folder, or null when there is none (or its making never got that far). */
export function readMachine(folder: string): MachineFile | null {
  try {
    const file = JSON.parse(readFileSync(places(folder).file, 'utf8')) as MachineFile;
    return file.v === 1 ? file : null;
  } catch {
    return null;
  }
}

export function writeMachine(folder: string, file: MachineFile): void {
  const path = places(folder).file;
  writeFileSync(`${path}.new`, `${JSON.stringify(file, null, 2)}\n`);
  renameSync(`${path}.new`, path);
}
