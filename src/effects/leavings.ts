/**
 * Everything that a cell leaves on a machine that is an operating system, in one place: whoever gives a machine back to
 * its owner removes this and nothing else. What was there before the cell came, and was replaced, is kept and put back.
 */
import { join } from 'node:path';
import { DOOR_USER, type Layout, layout } from '../layout.ts';
import { FIREWALL_UNIT, TABLE } from './firewall.ts';
import { shellQuote } from './quote.ts';

export interface Leavings {
  /** Patterns of unit names, for `systemctl` and for the files below `unitFolder`. */
  readonly units: readonly string[];
  readonly unitFolder: string;
  /** Files and folders that are ours alone. */
  readonly paths: readonly string[];
  /** Users, each with a group of the same name. A pattern of the shell. */
  readonly users: readonly string[];
  /** Tables of nftables. */
  readonly tables: readonly string[];
  /** Containers of podman, by a pattern of their names. */
  readonly containers: string;
  /** What the cell replaced: where the old one is kept, and where it belongs. */
  readonly before: readonly { readonly kept: string; readonly place: string }[];
}

/** Where what a cell replaced is kept. */
export const beforeOf = (on: Pick<Layout, 'environments'>): string => join(on.environments, '..', 'before');

export function leavings(): Leavings {
  const on = layout('');
  const before = beforeOf(on);
  return {
    units: ['cell-fn-*.service', 'cell-tick.*', 'cell-ingress.service', FIREWALL_UNIT],
    unitFolder: on.units,
    paths: [
      on.cronFile,
      on.sshdFile,
      on.home,
      on.functions,
      '/opt/cell',
      '/usr/local/bin/cell',
      ...(on.caddy === null ? [] : [on.caddy.storage, on.caddy.aside]),
      // Last: what was before is in it.
      '/etc/cell',
    ],
    users: [DOOR_USER, `${DOOR_USER}-*`],
    tables: [TABLE],
    containers: 'cell-fn-*',
    before: [
      { kept: join(before, 'ssh_host_ed25519_key'), place: on.hostKey },
      { kept: join(before, 'ssh_host_ed25519_key.pub'), place: `${on.hostKey}.pub` },
      { kept: join(before, 'authorized_keys'), place: on.authorizedKeys },
    ],
  };
}

/**
 * A script for `sh`, run as root on the machine, that takes a cell off it; again when it was cut off. Packages that came
 * along stay: something else may use them by now. sshd is reloaded last, so that whoever runs this stays connected.
 */
export function removalScript(): string {
  const { units, unitFolder, paths, users, tables, containers, before } = leavings();
  return `set -u
units=$(systemctl list-units --all --plain --no-legend ${units.map(shellQuote).join(' ')} | awk '{print $1}')
files=$(cd ${unitFolder} && ls -d ${units.join(' ')} 2>/dev/null)
for unit in $units $files; do systemctl disable --now "$unit" 2>/dev/null; done
if command -v podman >/dev/null 2>&1; then
  podman ps -a --format '{{.Names}}' | grep '^${containers.replace('*', '')}' | xargs -r podman rm -f
fi
(cd ${unitFolder} && rm -f ${units.join(' ')})
systemctl daemon-reload; systemctl reset-failed 2>/dev/null
${tables.map((table) => `nft delete table ${table} 2>/dev/null`).join('\n')}
${before.map(({ kept, place }) => `if [ -e ${kept} ]; then mv -f ${kept} ${place}; fi`).join('\n')}
rm -rf ${paths.join(' ')}
for user in $(cut -d: -f1 /etc/passwd); do
  case $user in ${users.join('|')}) userdel "$user" 2>/dev/null;; esac
done
if systemctl is-enabled --quiet caddy 2>/dev/null; then systemctl start --no-block caddy; fi
systemctl reload ssh
`;
}
