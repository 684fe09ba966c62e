/**
 * Where things are on a machine. `root` is '' on an operating system and a folder on a `local` machine, whose own
 * environment says it in CELL_ROOT; every path of the program goes through here, so nothing above knows the difference.
 */
import { join } from 'node:path';

export interface Layout {
  readonly root: string;
  /** The cell's state. */
  readonly home: string;
  /** Artefacts by content: store/<sha256>/. */
  readonly store: string;
  /** The command that cron and sshd run. */
  readonly cell: string;
  /** One folder a function: its source and its data. */
  readonly functions: string;
  readonly cronFile: string;
  readonly units: string;
  readonly cgroups: string;
  readonly ingressFile: string;
  /** What the ingress serves at /.well-known/cell/where.json, and functions read at $CELL_WHERE. */
  readonly whereFile: string;
  /**
   * What each tick measured, as text for Prometheus. In a folder of its own that all may read: the node exporter takes a
   * folder, and the cell's home is closed to it.
   */
  readonly metricsFile: string;
  readonly authorizedKeys: string;
  readonly hostKey: string;
}

/** The layout below a root. */
export function layout(root: string): Layout {
  const at = (...parts: string[]) => join(root === '' ? '/' : root, ...parts);
  return {
    root,
    home: at('var/lib/cell'),
    store: at('opt/cell/store'),
    cell: at('opt/cell/bin/cell'),
    functions: at('srv/cell'),
    cronFile: at('etc/cron.d/cell'),
    units: at('etc/systemd/system'),
    cgroups: at('sys/fs/cgroup/system.slice'),
    ingressFile: at('etc/cell/ingress.json'),
    whereFile: at('var/lib/cell/where.json'),
    metricsFile: at('srv/cell/.metrics/cell.prom'),
    authorizedKeys: at('root/.ssh/authorized_keys'),
    hostKey: at('etc/ssh/ssh_host_ed25519_key'),
  };
}

/** The unit of a function. */
export function unitOf(functionName: string): string {
  return `cell-fn-${functionName}.service`;
}
