/**
 * Caddy as a unit of a real machine: `cell-ingress.service`, with a user of its own, its admin API on a Unix socket that only
 * that user and root reach, and systemd's sandbox. A machine that comes with an ingress gets nothing.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CellError } from '../errors.ts';
import type { CaddyPlaces, Layout } from '../layout.ts';
import { emptyConfig, UNIT } from './caddy.ts';
import { writeAtomic, writeIfChanged } from './files.ts';
import { askSystemctl, systemctl } from './systemctl.ts';
import { ensureUser, idsOf } from './users.ts';

/** The user that the package makes, and ours where Caddy came without one. */
const PACKAGED = 'caddy';
const OWN = 'cell-ingress';

/** Below CAP_NET_BIND_SERVICE there is nothing that Caddy needs of the system. `/proc` stays: Go asks it how long queues may be. */
const SANDBOX = `NoNewPrivileges=yes
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
UMask=0077`;

/** The unit's text; pure. `hidden` are folders that it must not see. */
function ingressUnit(caddy: string, user: string, places: CaddyPlaces, hidden: readonly string[]): string {
  const { config, sockets, storage } = places;
  return `[Unit]
Description=Ingress of a cell (Caddy)
Documentation=https://caddyserver.com/docs/json/
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
User=${user}
Group=${user}
Environment=HOME=${storage} XDG_DATA_HOME=${storage} XDG_CONFIG_HOME=${storage}
# A listener that a reload closes hands the connections in its queue to the one that takes its place.
ExecStartPre=-+/bin/sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_migrate_req'
ExecStart=${caddy} run --config ${config}
ExecReload=${caddy} reload --force --address unix/${sockets}/admin --config ${config}
Restart=always
RestartSec=1
TimeoutStopSec=15
LimitNOFILE=1048576
StateDirectory=${storage.split('/').at(-1)}
StateDirectoryMode=0700
RuntimeDirectory=${sockets.split('/').at(-1)}
RuntimeDirectoryMode=0750
${SANDBOX}
${hidden.map((path) => `InaccessiblePaths=-${path}\n`).join('')}
[Install]
WantedBy=multi-user.target
`;
}

/** Where systemd's own PATH finds programs. */
const FOLDERS = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/local/sbin', '/usr/sbin', '/sbin'];

/** The ingress of this machine, running with nothing to serve yet. Done again, it changes only what differs. */
export async function installIngress(layout: Layout): Promise<void> {
  const places = layout.caddy;
  if (places === null) return;
  const caddy = FOLDERS.map((folder) => join(folder, 'caddy')).find((path) => existsSync(path));
  if (caddy === undefined) {
    throw new CellError('NOT_FOUND', 'There is no Caddy on this machine', {
      suggestion: "Use an image with the package `caddy`, or carry it: `packages` of the machine's cloud.",
    });
  }
  const user = idsOf(PACKAGED) === null ? OWN : PACKAGED;
  if (user === OWN)
    await ensureUser(OWN, { home: places.storage, shell: '/usr/sbin/nologin', why: 'ingress of a cell' });
  await mkdir(dirname(places.config), { recursive: true, mode: 0o755 });
  await mkdir(places.gates, { recursive: true, mode: 0o755 });
  if (!existsSync(places.config)) await writeAtomic(places.config, emptyConfig(places));
  const text = ingressUnit(caddy, user, places, [layout.home, layout.environments]);
  const changed = await writeIfChanged(join(layout.units, `${UNIT}.service`), text);
  // The package starts one of its own, with an admin API on TCP. It stays enabled, for when the cell is gone.
  await mkdir(dirname(places.aside), { recursive: true });
  await writeIfChanged(places.aside, `[Unit]\nConditionPathExists=!${places.config}\n`);
  await systemctl('daemon-reload');
  await askSystemctl(['stop', 'caddy.service']);
  await systemctl('enable', '--now', UNIT);
  if (changed) await systemctl('restart', UNIT);
}
