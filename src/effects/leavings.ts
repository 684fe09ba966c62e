/**
 * Everything that a cell leaves on a machine that is an operating system, in one place. Whoever gives a machine back to its
 * owner (stacks/machines/hosts.script.ts) removes this and nothing else, and claims no machine where any of it is there
 * already. Of what was there before, a cell replaces nothing on such a machine.
 */
import { DOOR_USER, layout } from '../layout.ts';
import { FIREWALL_UNIT, TABLE } from './firewall.ts';

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
  /** Services of the system's own that stand aside while there is a cell. */
  readonly aside: readonly string[];
  /** Containers of podman, by a pattern of their names. */
  readonly containers: string;
  /** Where podman keeps containers and images. */
  readonly storage: string;
}

export function leavings(): Leavings {
  const on = layout('');
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
      '/etc/cell',
    ],
    users: [DOOR_USER, `${DOOR_USER}-*`],
    tables: [TABLE],
    aside: ['caddy.service'],
    containers: 'cell-fn-*',
    storage: '/var/lib/containers/storage',
  };
}
