/**
 * Switching machines on and off. On a box whose PID 1 is systemd a machine is a transient unit, which outlives the SSH
 * session that asked for it; elsewhere it is a detached process in control groups of its own.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CellError } from '../errors.ts';
import { handDown, hierarchies, inside, killGroup, limit, limitsHere, populated } from './cgroups.ts';
import { type Boot, environment, type Host, mountOverlay, removeTree, run, unmountBelow } from './host.ts';

/** A machine's network is there some 100 ms after nspawn began; past this it will not come. */
const UP_WITHIN_MS = 20_000;

export const interfaceOf = (tag: string) => `vb-${tag}`;
const unitOf = (tag: string) => `cell-box-${tag}.service`;

/** Pure. */
export function nspawnArguments({ tag, id, root, bridge, containers }: Boot): readonly string[] {
  return [
    '--quiet',
    '--boot',
    `--directory=${root}`,
    `--machine=${tag}`,
    `--hostname=${id}`,
    `--network-bridge=${bridge}`,
    // No daemon of the box has a part in it: neither machined, nor a scope of its own.
    '--register=no',
    '--keep-unit',
    // Nothing of the box's own settings and files flows in.
    '--settings=no',
    '--link-journal=no',
    '--resolv-conf=off',
    '--timezone=off',
    '--console=read-only',
    '--kill-signal=SIGRTMIN+3',
    // Container engines inside say by such a program which devices a container has.
    '--system-call-filter=bpf',
    `--bind=${containers}:/var/lib/containers`,
  ];
}

/** The box's operating system as it is. */
export function linuxHost(): Host {
  return {
    overlay: mountOverlay,
    unmount: unmountBelow,
    remove: removeTree,
    ...(existsSync('/run/systemd/system') ? units : processes),
  };
}

type Power = Pick<Host, 'boot' | 'alive' | 'limit' | 'cut' | 'limits'>;

const processes: Power = {
  async boot(machine) {
    await clearInterface(machine.tag);
    handDown();
    const log = openSync(machine.log, 'w', 0o600);
    let child: ChildProcess;
    try {
      child = inside(machine.tag, machine, () =>
        spawn('systemd-nspawn', [...nspawnArguments(machine)], {
          env: { ...environment(), ...hierarchyWanted() },
          stdio: ['ignore', log, log],
          detached: true,
        }),
      );
    } finally {
      closeSync(log);
    }
    let ended: string | null = null;
    child.on('error', (error) => {
      ended = error.message;
    });
    child.on('exit', (code, signal) => {
      ended = `nspawn ended with ${code ?? signal}`;
    });
    child.unref();
    await networked(
      machine,
      () => ended,
      () => tail(machine.log),
    );
  },
  alive: populated,
  limit: async (tag, limits) => limit(tag, limits),
  cut: async (tag) => {
    await killGroup(tag);
    await clearInterface(tag);
  },
  limits: () => {
    handDown();
    return limitsHere(false);
  },
};

const units: Power = {
  async boot(machine) {
    const { tag } = machine;
    await clearInterface(tag);
    const unit = unitOf(tag);
    // A unit that failed before stays known under its name.
    await run('systemctl', ['reset-failed', unit]).catch(() => {});
    const properties = [
      'Type=notify',
      'Delegate=yes',
      'KillMode=mixed',
      'TimeoutStopSec=30',
      'DevicePolicy=auto',
      ...unitLimits(machine),
    ].map((property) => `--property=${property}`);
    const what = ['--quiet', '--collect', `--unit=${unit}`, '--slice=cell-box.slice', ...properties];
    let failure: string | null = null;
    try {
      await run('systemd-run', [...what, '--', 'systemd-nspawn', ...nspawnArguments(machine)], UP_WITHIN_MS);
    } catch (error) {
      failure = error instanceof CellError ? (error.why ?? error.message) : String(error);
    }
    const log = () => quietly('journalctl', ['--unit', unit, '--lines=5', '--output=cat', '--no-pager']);
    await networked(machine, () => failure, log);
  },
  alive: (tag) => /^(active|activating|deactivating|reloading)/.test(quietly('systemctl', ['is-active', unitOf(tag)])),
  async limit(tag, limits) {
    await run('systemctl', ['set-property', '--runtime', unitOf(tag), ...unitLimits(limits)]);
  },
  async cut(tag) {
    const unit = unitOf(tag);
    const deadline = performance.now() + UP_WITHIN_MS;
    while (units.alive(tag)) {
      await run('systemctl', ['kill', '--signal=SIGKILL', '--kill-who=all', unit]).catch(() => {});
      if (performance.now() > deadline) throw new CellError('TIMEOUT', `Unit ${unit} does not end`);
      await sleep(20);
    }
    await clearInterface(tag);
  },
  limits: () => limitsHere(true),
};

function unitLimits({ cpus, memory }: Pick<Boot, 'cpus' | 'memory'>): readonly string[] {
  return [`CPUQuota=${cpus === null ? '' : `${Math.round(cpus * 100)}%`}`, `MemoryMax=${memory ?? 'infinity'}`];
}

/** Stdout of a quick question, whatever its exit code says. */
function quietly(file: string, args: readonly string[]): string {
  try {
    return execFileSync(file, [...args], { env: environment(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (error) {
    return String((error as { stdout?: string }).stdout ?? '');
  }
}

/** Where old and unified control groups lie side by side, nspawn would give the machine the old ones. */
function hierarchyWanted(): Record<string, string> {
  return hierarchies().unified === '/sys/fs/cgroup' ? {} : { SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' };
}

/** A machine that ended in a hurry leaves its end of the cable for a moment, and the next one needs the name. */
async function clearInterface(tag: string): Promise<void> {
  const name = interfaceOf(tag);
  if (existsSync(`/sys/class/net/${name}`)) await run('ip', ['link', 'delete', name]).catch(() => {});
}

async function networked(machine: Boot, ended: () => string | null, log: () => string): Promise<void> {
  const deadline = performance.now() + UP_WITHIN_MS;
  while (!existsSync(`/sys/class/net/${interfaceOf(machine.tag)}/brport`)) {
    const why = ended() ?? (performance.now() > deadline ? 'its network did not come up' : null);
    if (why !== null) {
      throw new CellError('PROVIDER_REFUSED', `Machine ${machine.id} did not boot`, {
        why: [why, log()].filter((text) => text !== '').join(': '),
      });
    }
    await sleep(5);
  }
}

function tail(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim().split('\n').slice(-3).join(' | ').slice(-400);
  } catch {
    return '';
  }
}
