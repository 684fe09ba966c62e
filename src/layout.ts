/**
 * Where things are on a machine. `root` is '' on an operating system and a folder on a `local` machine, whose own
 * environment says it in CELL_ROOT; every path of the program goes through here, so nothing above knows the difference.
 */
import { join } from 'node:path';

export interface Layout {
  readonly root: string;
  /**
   * Whether this is an operating system, with users, packages and a packet filter for the cell to set. A machine that is a
   * folder shares those of the computer that carries it.
   */
  readonly system: boolean;
  /** The cell's state. */
  readonly home: string;
  /** Artefacts by content: store/<sha256>/. */
  readonly store: string;
  /** The command that cron and sshd run. */
  readonly cell: string;
  /** One folder a function: its source and its data. */
  readonly functions: string;
  /** The variables and secrets of each function, for its service manager: `NAME.env`, not where the function can write. */
  readonly environments: string;
  /** Holds the `node` that came with an imprint, for functions that want one. */
  readonly runtime: string;
  readonly cronFile: string;
  readonly units: string;
  /** Where the kernel's counts of a unit may be: cgroup v2 alone, or beside v1. */
  readonly cgroups: readonly [string, ...string[]];
  /** Routes for the ingress that a machine comes with. */
  readonly ingressFile: string;
  /** Caddy, where the cell sets up its ingress itself; null where the machine comes with one. */
  readonly caddy: CaddyPlaces | null;
  /** Engines of stacks, and their plugins, that came with an imprint: links into the store. */
  readonly engines: string;
  /** What the ingress serves at /.well-known/cell/where.json, and functions read at $CELL_WHERE. */
  readonly whereFile: string;
  /**
   * What each tick measured, as text for Prometheus. In a folder of its own that all may read: the node exporter takes a
   * folder, and the cell's home is closed to it.
   */
  readonly metricsFile: string;
  /** Whom sshd lets in with a shell: operators, and the imprint key while a cell is made. */
  readonly authorizedKeys: string;
  /** Whom it lets in for a sync and nothing else. The same file where the machine has one user only. */
  readonly peerKeys: string;
  readonly hostKey: string;
  /** How sshd behaves, and what the packet filter lets in; only on an operating system. */
  readonly sshdFile: string;
  readonly firewallFile: string;
  /** Who has claimed a machine that its owner lends; not there on a machine that was made for a cell. */
  readonly claim: string;
}

/** Caddy's configuration, and folders: of links that say which way each gate leads, of its sockets, of certificates. */
export interface CaddyPlaces {
  readonly config: string;
  readonly gates: string;
  readonly sockets: string;
  readonly storage: string;
  /** Keeps the package's own Caddy from starting beside it: a drop-in, as long as `config` is there. */
  readonly aside: string;
  /** Whom to trust as the certificate authority, where the genome says so: a copy that Caddy may read. */
  readonly roots: string;
}

/** The layout below a root. */
export function layout(root: string): Layout {
  const at = (...parts: string[]) => join(root === '' ? '/' : root, ...parts);
  const system = root === '';
  const authorizedKeys = at('root/.ssh/authorized_keys');
  return {
    root,
    system,
    home: at('var/lib/cell'),
    store: at('opt/cell/store'),
    cell: at('opt/cell/bin/cell'),
    functions: at('srv/cell'),
    environments: at('etc/cell/env'),
    runtime: at('opt/cell/runtime'),
    engines: at('opt/cell/engines'),
    cronFile: at('etc/cron.d/cell'),
    units: at('etc/systemd/system'),
    cgroups: [at('sys/fs/cgroup/system.slice'), at('sys/fs/cgroup/unified/system.slice')],
    ingressFile: at('etc/cell/ingress.json'),
    caddy: system ? CADDY : null,
    metricsFile: at('srv/cell/.metrics/cell.prom'),
    whereFile: at('srv/cell/.well-known/cell/where.json'),
    authorizedKeys,
    peerKeys: system ? at('var/lib/cell/.ssh/authorized_keys') : authorizedKeys,
    hostKey: at('etc/ssh/ssh_host_ed25519_key'),
    sshdFile: at('etc/ssh/sshd_config.d/00-cell.conf'),
    firewallFile: at('etc/cell/firewall.nft'),
    claim: at('var/lib/cell-claim/claim'),
  };
}

const CADDY: CaddyPlaces = {
  config: '/etc/cell/caddy.json',
  gates: '/etc/cell/gates',
  sockets: '/run/cell-ingress',
  storage: '/var/lib/cell-ingress',
  aside: '/etc/systemd/system/caddy.service.d/cell.conf',
  roots: '/etc/cell/acme-roots.pem',
};

/** The unit of a function. */
export function unitOf(functionName: string): string {
  return `cell-fn-${functionName}.service`;
}

/** Who runs what other cells may ask for; on a machine that is a folder, whoever it belongs to. */
export const DOOR_USER = 'cell';

/** The user that a cell's key logs in as, on a machine whose owner logs in as `user`. */
export function peerUser({ root, user }: { readonly root: string; readonly user: string }): string {
  return layout(root).system ? DOOR_USER : user;
}
