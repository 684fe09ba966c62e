/**
 * What wakes the cell: cron for whole minutes, a systemd timer for anything that cron cannot say.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cronFields } from '../../genome/cron.ts';
import type { Genome } from '../../genome/schema.ts';
import { CellError } from '../errors.ts';
import type { Layout } from '../layout.ts';
import { writeIfChanged } from './files.ts';
import { systemdQuote } from './quote.ts';
import { askSystemctl, systemctl } from './systemctl.ts';

const SERVICE = 'cell-tick.service';
const TIMER = 'cell-tick.timer';

/** A division with much data is long; a tick that hangs must not keep all later ones away. */
const LONGEST_TICK = '6h';

/**
 * What a tick can do without, though it is root: it writes units, users and files of several owners, runs programs as
 * other users, and Pulumi, which compiles as it goes. It sees no home but root's keys, and no device.
 */
const HARDENING = [
  'NoNewPrivileges=yes',
  'CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETPCAP CAP_SETUID',
  'ProtectSystem=yes',
  'ProtectHome=tmpfs',
  'BindPaths=-/root/.ssh',
  'PrivateTmp=yes',
  'PrivateDevices=yes',
  'ProtectClock=yes',
  'ProtectControlGroups=yes',
  'ProtectHostname=yes',
  'ProtectKernelLogs=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelTunables=yes',
  'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK',
  'RestrictNamespaces=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'LockPersonality=yes',
  'SystemCallArchitectures=native',
  'SystemCallFilter=@system-service',
  'SystemCallErrorNumber=EPERM',
  'UMask=0022',
];

export interface Rhythm {
  readonly layout: Layout;
  readonly heartbeatMs: number;
  readonly organism: string;
  /** `auto`: cron where it can say the interval. */
  readonly schedule?: Genome['body']['schedule'];
}

/** The file for /etc/cron.d, or null when cron cannot keep this rhythm, or shall not. */
export function cronText({ heartbeatMs, organism, schedule }: Rhythm): string | null {
  const fields = schedule === 'timer' ? null : cronFields(heartbeatMs);
  // By the unit: what a tick says is in the journal, and one that is still at work is not started again.
  return fields === null
    ? null
    : `# The heartbeat of ${organism}.\n${fields} root systemctl start --no-block ${SERVICE}\n`;
}

/** The service and the timer that do the same. */
export function timerTexts({ layout, heartbeatMs, organism }: Rhythm): { service: string; timer: string } {
  const every = `${Math.max(1, Math.round(heartbeatMs))}ms`;
  return {
    // Else systemd starts no more than five in ten seconds: of a quick heartbeat, it would leave every other one out.
    service: `[Unit]
Description=One tick of the cell (${organism})
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=${systemdQuote(layout.cell)} divide
TimeoutStartSec=${LONGEST_TICK}
${(layout.system ? HARDENING : []).map((line) => `${line}\n`).join('')}`,
    timer: `[Unit]
Description=The heartbeat of the cell (${organism})

[Timer]
OnActiveSec=${every}
OnUnitActiveSec=${every}
AccuracySec=10ms

[Install]
WantedBy=timers.target
`,
  };
}

function files(layout: Layout): { service: string; timer: string } {
  return { service: join(layout.units, SERVICE), timer: join(layout.units, TIMER) };
}

/** Sets the rhythm, in place of any before. True when it changed something. Throws USAGE below one ms. */
export async function install(rhythm: Rhythm): Promise<boolean> {
  const { layout } = rhythm;
  if (!(rhythm.heartbeatMs >= 1))
    throw new CellError('USAGE', `A heartbeat of ${rhythm.heartbeatMs} ms cannot be kept`);
  if (rhythm.schedule === 'cron' && cronFields(rhythm.heartbeatMs) === null)
    throw new CellError('USAGE', `Cron cannot keep a heartbeat of ${rhythm.heartbeatMs} ms`);
  const texts = timerTexts(rhythm);
  const at = files(layout);
  const service = await writeIfChanged(at.service, texts.service);
  const cron = cronText(rhythm);
  if (cron !== null) {
    if (service) await systemctl('daemon-reload');
    // The new one before the old one goes: a cell without a heartbeat would never tick again.
    const changed = await writeIfChanged(layout.cronFile, cron);
    return (await removeTimer(layout)) || changed || service;
  }
  const timer = await writeIfChanged(at.timer, texts.timer);
  const changed = service || timer || !(await isActive());
  if (changed) {
    await systemctl('daemon-reload');
    await systemctl('enable', '--now', TIMER);
    // A timer that was running keeps its old interval until it is started anew.
    if (timer) await systemctl('restart', TIMER);
  }
  await rm(layout.cronFile, { force: true });
  return changed;
}

/** Stops the heartbeat. */
export async function remove(layout: Layout): Promise<void> {
  await rm(layout.cronFile, { force: true });
  await removeTimer(layout);
  await rm(files(layout).service, { force: true });
  await systemctl('daemon-reload');
}

async function isActive(): Promise<boolean> {
  return (await askSystemctl(['is-active', TIMER])).stdout.trim() === 'active';
}

async function removeTimer(layout: Layout): Promise<boolean> {
  const at = files(layout);
  if (!existsSync(at.timer)) return false;
  await systemctl('disable', '--now', TIMER);
  await rm(at.timer, { force: true });
  await systemctl('daemon-reload');
  return true;
}
