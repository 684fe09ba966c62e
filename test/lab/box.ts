/**
 * A box for the lab on this very computer: a bridge, machines from an image that is made once and kept, and an sshd of
 * its own on the bridge's address, so that everything that drives it comes over SSH as it would from elsewhere.
 *
 * A box is known by its octet (10.OCTET.0.0/24): whoever starts it again first takes away what a killed run left.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { allow } from '../../src/box/allow.ts';
import { removeTree, run } from '../../src/box/host.ts';
import { makeRoot } from '../../src/box/image.ts';
import { initBox } from '../../src/box/init.ts';
import { type Box, bootMachine, listMachines, powerOff, removeMachine } from '../../src/box/machines.ts';
import { linuxHost } from '../../src/box/power.ts';
import type { MachineSeen } from '../../src/box/words.ts';
import { generateHostKey } from '../../src/effects/keys.ts';
import { programFile } from '../../src/programs.ts';
import { acquireLease } from '../../stacks/engines/lock.ts';

/** What the examples stand on besides what every image has. One list for all, so that one image is made. */
export const LAB_PACKAGES: readonly string[] = ['haproxy', 'podman', 'postgresql', 'redis-server', 'sudo'];
/** Debian 12, for its own machines and for a box with systemd. */
export const BOOKWORM = { suite: 'bookworm', packages: ['systemd-container'] } as const;
/** What the genome calls the image of a suite. */
const IMAGES: Readonly<Record<string, string>> = { trixie: 'debian-13', bookworm: 'debian-12' };
const SSH_PORT = 2222;
const MAKE_WITHIN_MS = 60 * 60_000;

export interface BoxOptions {
  /** Makes the network, the bridge and the folder: 1 to 254, one a test file. */
  readonly octet: number;
  readonly suite?: string;
  /** Beyond what every cell needs; LAB_PACKAGES when left out. */
  readonly packages?: readonly string[];
  readonly dns?: string;
}

export interface LabBox {
  readonly box: Box;
  readonly dir: string;
  readonly bridge: string;
  /** The bridge's address: the box for whoever drives it, and the gateway of its machines. */
  readonly address: string;
  readonly port: number;
  readonly hostKey: string;
  /** Lets an organism in; gives the private key's file and the cloud as the genome writes it (one line of YAML). */
  allow(organism: string, quota: number): Promise<{ readonly key: string; readonly cloud: string }>;
  machines(): readonly MachineSeen[];
  /** The plug is pulled: everything on it ends at once, its disk stays. */
  powerOff(id: string): Promise<void>;
  boot(id: string): Promise<void>;
  /** A machine's root as this computer sees it. */
  rootOf(id: string): string;
  /** Ends every machine and the sshd, and takes bridge and folder away. Twice is fine. */
  stop(): Promise<void>;
}

/** Makes the image if it is not in the cache, then a box over it. */
export async function startBox({ octet, suite = 'trixie', packages = LAB_PACKAGES, dns }: BoxOptions): Promise<LabBox> {
  const dir = join(tmpdir(), `cell-lab-${octet}`);
  const image = IMAGES[suite] ?? suite;
  const bridge = `celllab${octet}`;
  const address = `10.${octet}.0.1`;
  await takeAway(dir, bridge);
  mkdirSync(join(dir, 'images'), { recursive: true });
  symlinkSync(await cachedImage(suite, packages), join(dir, 'images', image));
  const quiet = () => {};
  await initBox({
    ...{ dir, bridge, dns, network: `${address}/24`, program: [process.execPath, 'cell'], log: quiet },
    image: { name: image, suite, packages },
  });
  const hostKey = generateHostKey();
  const sshd = await startSshd(dir, address, hostKey.privatePem);
  writeFileSync(join(dir, 'host.pub'), `${hostKey.publicKey}\n`);
  const box: Box = { dir, host: linuxHost() };
  return {
    ...{ box, dir, bridge, address, port: SSH_PORT, hostKey: hostKey.publicKey },
    async allow(organism, quota) {
      const allowed = await allow({
        ...{ dir, organism, quota, address, port: SSH_PORT },
        authorizedKeys: join(dir, 'authorized_keys'),
        out: join(dir, `${organism}.key`),
        hostKeyFile: join(dir, 'host.pub'),
        serve: [process.execPath, programFile('box'), 'serve'],
      });
      const where = `{ address: ${address}, port: ${SSH_PORT}, hostKey: ${hostKey.publicKey} }`;
      const cloud = `{ provider: nspawn, box: ${where}, image: ${image}, credentials: "file:${allowed.key}" }`;
      return { key: allowed.key, cloud };
    },
    machines: () => listMachines(box, null),
    powerOff: async (id) => void (await powerOff(box, id)),
    boot: async (id) => void (await bootMachine(box, id)),
    rootOf: (id) => join(dir, 'machines', id, 'root'),
    async stop() {
      sshd.kill('SIGKILL');
      await takeAway(dir, bridge);
    },
  };
}

/** Everything of a box with this folder and bridge, whoever left it and in whatever state. */
async function takeAway(dir: string, bridge: string): Promise<void> {
  const pid = existsSync(join(dir, 'sshd.pid')) ? Number(readFileSync(join(dir, 'sshd.pid'), 'utf8')) : 0;
  if (pid > 0 && commandLine(pid).includes(join(dir, 'sshd_config'))) process.kill(pid, 'SIGKILL');
  if (existsSync(dir)) {
    const box = { dir, host: linuxHost() };
    for (const { id } of listMachines(box, null)) await removeMachine(box, id);
    await removeTree(dir);
  }
  if (existsSync(`/sys/class/net/${bridge}`)) await run('ip', ['link', 'delete', bridge]);
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** The image with these packages, made once for all runs: some minutes, then kept below ~/.cache/cell/lab. */
export async function cachedImage(suite: string, packages: readonly string[]): Promise<string> {
  const folder = join(process.env.CELL_CACHE ?? join(homedir(), '.cache', 'cell'), 'lab', 'images');
  const image = join(folder, [suite, ...[...packages].sort()].join('+'));
  if (existsSync(image)) return image;
  mkdirSync(folder, { recursive: true });
  for (;;) {
    const lease = await acquireLease(join(folder, '.lock'), { ttlMs: MAKE_WITHIN_MS });
    if (lease !== null) {
      try {
        if (existsSync(image)) return image;
        const beside = `${image}.new`;
        await removeTree(beside);
        await makeRoot(beside, { suite, packages }, (line) => process.stderr.write(`lab: ${line}\n`));
        renameSync(beside, image);
        return image;
      } finally {
        lease.release();
      }
    }
    await sleep(1_000);
  }
}

async function startSshd(dir: string, address: string, hostKey: string): Promise<ChildProcess> {
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const [config, key, log] = ['sshd_config', 'host', 'sshd.log'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(key, hostKey, { mode: 0o600 });
  writeFileSync(
    config,
    `Port ${SSH_PORT}
ListenAddress ${address}
HostKey ${key}
PidFile ${join(dir, 'sshd.pid')}
AuthorizedKeysFile ${join(dir, 'authorized_keys')}
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
MaxStartups 100
`,
  );
  const output = openSync(log, 'a');
  const sshd = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', config], {
    stdio: ['ignore', output, output],
    detached: true,
  });
  closeSync(output);
  sshd.unref();
  for (let tries = 0; !(await answers(address)); tries++) {
    if (sshd.exitCode !== null || tries > 400)
      throw new Error(`the box's sshd did not start: ${readFileSync(log, 'utf8')}`);
    await sleep(25);
  }
  return sshd;
}

function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(SSH_PORT, address);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
