/**
 * A local machine from the inside: what stands for an operating system. It boots in this order, and nothing of the
 * cell's runs before all of it is there:
 *
 * 1. SSH server and ingress on the machine's address; when either port is taken, the maker is told and tries another;
 * 2. the guardian, which ends everything when this process ends;
 * 3. the control socket of systemctl;
 * 4. cron, then the units that are enabled.
 */
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import { type BuiltIn, startControl } from './control.ts';
import { startCron } from './cron.ts';
import { machineEnvironment } from './environment.ts';
import { groupSpawner } from './groups.ts';
import { startGuardian } from './guardian.ts';
import { controlSocket, places, readMachine } from './host.ts';
import { startIngress } from './ingress.ts';
import { appendJournal } from './journal.ts';
import { hasProc } from './processes.ts';
import { startSshd } from './sshd.ts';
import { Supervisor } from './supervisor.ts';

export interface Machine {
  /** Stops the units in their own way, then is gone; what is left goes with the guardian. */
  powerOff(): Promise<void>;
}

/** How long units may take to stop when the machine is powered off, in ms. */
const POWER_OFF_LIMIT = 5_000;

/** Boots the machine of a folder in this process. Rejects with the socket's error when its ports are taken. */
export async function bootMachine(folder: string, exit: () => void): Promise<Machine> {
  const file = readMachine(folder);
  if (file === null) throw new Error(`no machine in ${folder}`);
  const { root, log: logFile, groups, control } = places(folder);
  const env = machineEnvironment(file, folder);
  const spawn = groupSpawner(groups);
  const log = (line: string) => appendFileSync(logFile, `${new Date().toISOString()} ${line}\n`);
  const { address, sshPort, httpPort } = file;

  const sshd = await startSshd({
    address,
    port: sshPort,
    root,
    env,
    spawn,
    log: (line) => appendJournal(root, 'ssh.service', process.pid, line),
  });
  const ingress = await startIngress({
    address,
    httpPort,
    root,
    log: (line) => appendJournal(root, 'cell-ingress.service', process.pid, line),
  });

  writeFileSync(places(folder).pid, String(process.pid));
  if (!hasProc) writeFileSync(join(groups, String(process.pid)), '');

  const socket = controlSocket(file);
  let off = false;
  const guard = () => {
    const guardian = startGuardian(file.marker, socket, groups);
    guardian.on('error', (error) => log(`guardian: ${error.message}`));
    guardian.on('exit', () => {
      if (!off) guard();
    });
    guardian.stdin?.on('error', () => {});
  };
  guard();

  const supervisor = new Supervisor({ root, env, spawn });
  const { pid } = process;
  const builtIn = new Map<string, BuiltIn>([
    ['ssh.service', { description: 'SSH server', pid, reload: () => sshd.reload() }],
    ['cell-ingress.service', { description: 'HTTP ingress of the cell', pid, reload: () => ingress.reload() }],
  ]);
  let controlServer: Server | null = null;
  let stopCron: () => void = () => {};
  const powerOff = async () => {
    if (off) return;
    off = true;
    stopCron();
    await supervisor.powerOff(POWER_OFF_LIMIT).catch((thrown: unknown) => log(messageOf(thrown)));
    ingress.close();
    sshd.close();
    controlServer?.close();
    rmSync(socket, { force: true });
    rmSync(control, { force: true });
    exit();
  };
  controlServer = await startControl(socket, control, {
    supervisor,
    builtIn,
    // After the answer to `systemctl poweroff` has left.
    powerOff: () => void setTimeout(() => void powerOff(), 100),
  });
  stopCron = startCron({ root, env, spawn });
  supervisor.boot();
  writeFileSync(places(folder).settled, '');
  return { powerOff };
}
