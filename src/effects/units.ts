/**
 * The text of a function's unit: how it is started, what it may use, and what is kept from it. Pure.
 *
 * The sandbox is systemd's (systemd.exec(5)). A function sees the system read-only, writes in its own folder, has no
 * capability and cannot get one. Not among the settings is MemoryDenyWriteExecute=: programs with a just-in-time
 * compiler (Node, Java, .NET, LuaJIT) write code and then run it, and would not start.
 */
import type { FunctionGene } from '../../genome/schema.ts';
import type { FunctionName } from '../model.ts';
import { isPlainCommand, systemdPath, systemdQuote } from './quote.ts';

export interface UnitParts {
  readonly name: FunctionName;
  readonly gene: Pick<FunctionGene, 'limits' | 'sandbox'>;
  /** ExecStart=, as systemd reads it. */
  readonly start: string;
  readonly kill?: 'mixed' | 'control-group';
  readonly folder: string;
  /** The file with its variables. */
  readonly environment: string;
  /** Null: as whoever the service manager runs as, on a machine that has one user only. */
  readonly user: string | null;
  /** What it must not even see. */
  readonly hidden: readonly string[];
  /** More settings of the service, for a container: then it is started by root, and podman drops what it can. */
  readonly container?: readonly string[];
}

const STRICT = [
  'LockPersonality=yes',
  'ProtectClock=yes',
  'ProtectHostname=yes',
  'ProtectKernelLogs=yes',
  'NoNewPrivileges=yes',
  'CapabilityBoundingSet=',
  'AmbientCapabilities=',
  'ProtectSystem=strict',
  'ProtectHome=yes',
  'PrivateTmp=yes',
  'PrivateDevices=yes',
  'PrivateUsers=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelTunables=yes',
  'ProtectControlGroups=yes',
  'ProtectProc=invisible',
  // Netlink: how programs ask which addresses the machine has.
  'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK',
  'RestrictNamespaces=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'RemoveIPC=yes',
  'SystemCallArchitectures=native',
  'SystemCallFilter=@system-service',
  'SystemCallFilter=~@privileged',
  // A call that is not allowed fails, as it would for want of a right: programs know how to go on.
  'SystemCallErrorNumber=EPERM',
  'UMask=0077',
];

/** What the sandbox of a function is made of; nothing for `sandbox: off`, or where there are no users. */
function sandboxLines({ gene, user, folder, hidden, container }: UnitParts): readonly string[] {
  if (user === null) return [];
  // podman sets up namespaces, mounts and devices for what is inside; the sandbox is the container's.
  if (container !== undefined) return [];
  const who = [`User=${user}`, `Group=${user}`];
  if (gene.sandbox === 'off') return who;
  return [
    ...who,
    ...STRICT,
    `ReadWritePaths=${systemdPath(folder)}`,
    ...hidden.map((path) => `InaccessiblePaths=-${path}`),
  ];
}

/** Under MemoryHigh= a program is slowed down while it gives memory back, before MemoryMax= ends it. */
const HIGH_SHARE = 0.9;

/** What it may use of the machine. */
export function limitLines({ cpu, memory, tasks }: FunctionGene['limits']): readonly string[] {
  return [
    ...(cpu === undefined ? [] : [`CPUQuota=${cpu}%`]),
    ...(memory === undefined ? [] : [`MemoryHigh=${Math.floor(memory * HIGH_SHARE)}`, `MemoryMax=${memory}`]),
    ...(tasks === undefined ? [] : [`TasksMax=${tasks}`]),
  ];
}

/** The whole text. */
export function unitText(parts: UnitParts): string {
  const { name, gene, start, kill = 'control-group', folder, environment, container } = parts;
  return `[Unit]
Description=Function ${name} of a cell
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=${container === undefined ? 'exec' : 'notify'}
WorkingDirectory=${systemdPath(folder)}
EnvironmentFile=${systemdPath(environment)}
ExecStart=${start}
Restart=always
RestartSec=1
RestartSteps=6
RestartMaxDelaySec=60
KillMode=${kill}
TimeoutStopSec=10
${[...(container ?? []), ...sandboxLines(parts), ...limitLines(gene.limits)].map((line) => `${line}\n`).join('')}
[Install]
WantedBy=multi-user.target
`;
}

/** What begins a line that is a program and its arguments, for all that its first word can tell. */
const PROGRAM = /^(?!(?:exec|eval|command|trap)\s)[\w./@+-]*[\w@+-][\w./@+-]*(?:\s|$)/;
const isProgram = (run: string): boolean => isPlainCommand(run) && PROGRAM.test(run);

/** The line for the shell, which makes way for a plain command: most shells would stay and wait for it. */
export const shellLine = (run: string): string => (isProgram(run) ? `exec ${run}` : run);

/** A command line of the genome as ExecStart= wants it. */
export const shellStart = (run: string): string => `/bin/sh -c ${systemdQuote(shellLine(run))}`;

/**
 * Who is asked to stop: of a plain command its own process alone, as in a container, for a program with servers below it
 * ends them in its order (PostgreSQL would end its clients' work, and HAProxy its connections). A script's shell
 * passes nothing on, so there all are asked.
 */
export const killMode = (run: string): 'mixed' | 'control-group' => (isProgram(run) ? 'mixed' : 'control-group');
