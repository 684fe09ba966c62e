/**
 * The packet filter of a machine: a table of our own, `inet cell`, that lets in what the genome serves and SSH. The
 * owner's tables are neither read nor changed: a packet has to be let in by both.
 *
 * The rules are a file, which a unit of ours loads at boot, before there is a network, and anew when Debian's own
 * `nftables.service` has flushed everything.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CellError, messageOf } from '../errors.ts';
import type { Layout } from '../layout.ts';
import { readIfThere, writeAtomic, writeIfChanged } from './files.ts';
import { systemctl } from './systemctl.ts';

export interface Openings {
  /** Where sshd listens. */
  readonly ssh: readonly number[];
  /** Where the ingress answers for domains, to everybody. */
  readonly web: readonly number[];
  /** Where functions are reached by the organism's other cells. */
  readonly ports: readonly number[];
  /** IP addresses of those cells. */
  readonly cells: readonly string[];
}

export const TABLE = 'inet cell';
export const FIREWALL_UNIT = 'cell-firewall.service';

/** Names that podman gives to the bridges of its containers, which are functions of this machine. */
const CONTAINERS = 'podman*';

/** The file's text; pure. Equal openings give equal bytes, in whatever order they came. */
export function firewallText({ ssh, web, ports, cells }: Openings): string {
  const sorted = [...new Set(cells)].sort();
  const sets = [
    setText(
      'cells4',
      'ipv4_addr',
      sorted.filter((address) => !address.includes(':')),
    ),
    setText(
      'cells6',
      'ipv6_addr',
      sorted.filter((address) => address.includes(':')),
    ),
  ];
  const rules = [
    'ct state established,related accept',
    'ct state invalid drop',
    'iifname "lo" accept',
    // ICMP and ICMPv6 by number: their names are in a file that a small system does not have.
    'meta l4proto { 1, 58 } accept',
    'udp sport 67 udp dport 68 accept',
    'ip6 saddr fe80::/10 udp dport 546 accept',
    ...open('tcp', ssh),
    ...open('tcp', web),
    ...(web.includes(443) ? open('udp', [443]) : []),
    ...open('tcp', ports, 'ip saddr @cells4 '),
    ...open('tcp', ports, 'ip6 saddr @cells6 '),
    ...open('tcp', ports, `iifname "${CONTAINERS}" `),
  ];
  return `# What a cell opens on this machine. Written by the cell: changes are lost.
table ${TABLE}
delete table ${TABLE}
table ${TABLE} {
${sets.join('')}	chain input {
		type filter hook input priority filter; policy drop;
${rules.map((rule) => `\t\t${rule}\n`).join('')}	}
}
`;
}

function setText(name: string, type: string, elements: readonly string[]): string {
  const listed = elements.length === 0 ? '' : ` elements = { ${elements.join(', ')} };`;
  return `\tset ${name} { type ${type};${listed} }\n`;
}

function open(protocol: 'tcp' | 'udp', ports: readonly number[], from = ''): readonly string[] {
  const sorted = [...new Set(ports)].sort((a, b) => a - b);
  return sorted.length === 0 ? [] : [`${from}${protocol} dport { ${sorted.join(', ')} } accept`];
}

/** The unit that loads it; pure. */
export function firewallUnit(file: string): string {
  return `[Unit]
Description=What a cell opens on this machine
DefaultDependencies=no
After=local-fs.target nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=nft -f ${file}
ExecReload=nft -f ${file}
CapabilityBoundingSet=CAP_NET_ADMIN
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077

[Install]
WantedBy=sysinit.target
`;
}

/**
 * Makes the packet filter so. True when it changed. Nothing where a machine has none of its own. Throws NOT_ALLOWED when
 * the kernel or nft refuses; then the rules that were in force stay.
 */
export async function setFirewall(layout: Layout, openings: Openings): Promise<boolean> {
  if (!layout.system) return false;
  const text = firewallText(openings);
  const before = await readIfThere(layout.firewallFile);
  const unit = await writeIfChanged(join(layout.units, FIREWALL_UNIT), firewallUnit(layout.firewallFile));
  if (before === text && !unit) return false;
  await writeAtomic(layout.firewallFile, text, 0o600);
  try {
    if (unit) await systemctl('daemon-reload');
    await systemctl('enable', FIREWALL_UNIT);
    await systemctl('reload-or-restart', FIREWALL_UNIT);
  } catch (cause) {
    // Not taken for what is in force: the next attempt is made anew.
    if (before !== null) await writeAtomic(layout.firewallFile, before, 0o600);
    throw new CellError('NOT_ALLOWED', 'The packet filter of this machine could not be set', {
      why: (await lastError()) ?? messageOf(cause),
      suggestion: `A cell needs nftables: see \`journalctl -u ${FIREWALL_UNIT} -n 20\` there, and that its kernel has nf_tables.`,
      cause,
    });
  }
  return true;
}

/** What nft said of the rules: systemctl only says that it failed. */
async function lastError(): Promise<string | null> {
  const args = ['-b', '-u', FIREWALL_UNIT, '-n', '20', '-o', 'cat', '--no-pager'];
  const said = await promisify(execFile)('journalctl', args).catch(() => ({ stdout: '' }));
  return said.stdout.split('\n').findLast((line) => /Error:|not found|Unable to/.test(line)) ?? null;
}
