/**
 * Functions as systemd units. systemd keeps them running; cell only writes what they are and starts or stops them.
 */
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { FunctionGene } from '../../genome/schema.ts';
import { CellError } from '../errors.ts';
import { type Layout, unitOf } from '../layout.ts';
import type { FunctionName, Random } from '../model.ts';
import { readIfThere, writeIfChanged } from './files.ts';
import { environmentFile, parseEnvironmentFile, systemdPath, systemdQuote } from './quote.ts';
import { askSystemctl, systemctl } from './systemctl.ts';

export interface Preparation {
  readonly gene: FunctionGene;
  readonly layout: Layout;
  /** Where it must listen: the machine's address, and a port that the ingress knows. */
  readonly host: string;
  readonly port: number;
  readonly organism: string;
  /** The cell's name. */
  readonly cell: string;
  /** Secrets and whatever else only the caller knows, such as addresses of functions it needs. Wins over the genome. */
  readonly env: Readonly<Record<string, string | number | boolean>>;
}

export interface Services {
  /** Writes folder, environment and unit. True when something changed, so that a running one must be restarted. */
  prepare(functionName: FunctionName, preparation: Preparation): Promise<boolean>;
  start(functionName: FunctionName): Promise<void>;
  stop(functionName: FunctionName): Promise<void>;
  restart(functionName: FunctionName): Promise<void>;
  isActive(functionName: FunctionName): Promise<boolean>;
  /** Stops it and removes its unit; its folder stays. Gone already is fine. */
  remove(functionName: FunctionName, layout: Layout): Promise<void>;
}

/** The folder with a function's source and data. */
export function folderOf(layout: Layout, functionName: FunctionName): string {
  return join(layout.functions, functionName);
}

/** The variables a function gets. What the cell says of itself cannot be overridden by the genome. */
export function functionEnvironment(functionName: FunctionName, what: Preparation): Record<string, string> {
  const asked = Object.entries({ ...what.gene.env, ...what.env }).map(([key, value]) => [key, String(value)]);
  return {
    ...Object.fromEntries(asked),
    HOST: what.host,
    PORT: String(what.port),
    CELL_FUNCTION: functionName,
    CELL_DATA: folderOf(what.layout, functionName),
    CELL_WHERE: what.layout.whereFile,
    CELL_ORGANISM: what.organism,
    CELL_NAME: what.cell,
  };
}

/** The unit's text; pure. */
export function unitText(functionName: FunctionName, run: string, folder: string): string {
  return `[Unit]
Description=Function ${functionName} of a cell
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=simple
WorkingDirectory=${systemdPath(folder)}
EnvironmentFile=${systemdPath(join(folder, '.env'))}
ExecStart=/bin/sh -c ${systemdQuote(run)}
Restart=always
RestartSec=1
TimeoutStopSec=10

[Install]
WantedBy=multi-user.target
`;
}

/** The variables that were last prepared in a function's folder, for its hooks and probes. Empty when none were. */
export async function preparedEnvironment(folder: string): Promise<Record<string, string>> {
  return parseEnvironmentFile((await readIfThere(join(folder, '.env'))) ?? '');
}

const fileOf = (layout: Layout, functionName: FunctionName) => join(layout.units, unitOf(functionName));

/** systemd as the services of this machine. Methods throw REMOTE_FAILED when it says no. */
export const services: Services = {
  async prepare(functionName, what) {
    const folder = folderOf(what.layout, functionName);
    await mkdir(folder, { recursive: true });
    const variables = environmentFile(functionEnvironment(functionName, what));
    const environment = await writeIfChanged(join(folder, '.env'), variables, 0o600);
    const text = unitText(functionName, what.gene.run ?? '', folder);
    const unit = await writeIfChanged(fileOf(what.layout, functionName), text);
    // Also when nothing changed: a tick killed between the writing and this would leave systemd with the old text.
    await systemctl('daemon-reload');
    return environment || unit;
  },
  async start(functionName) {
    // Enabled, too: after a reboot the functions are there before the first tick is.
    await systemctl('enable', '--now', unitOf(functionName));
  },
  async stop(functionName) {
    // Disabled, too: one that moves elsewhere must not come back with a reboot.
    await systemctl('disable', '--now', unitOf(functionName));
  },
  async restart(functionName) {
    await systemctl('restart', unitOf(functionName));
  },
  async isActive(functionName) {
    const { stdout } = await askSystemctl(['is-active', unitOf(functionName)]);
    return stdout.trim() === 'active';
  },
  async remove(functionName, layout) {
    if (!existsSync(fileOf(layout, functionName))) return;
    await systemctl('disable', '--now', unitOf(functionName));
    await rm(fileOf(layout, functionName), { force: true });
    await systemctl('daemon-reload');
  },
};

/** Below the ports that the system hands out for outgoing connections (32768 on Linux), so that none is taken later. */
const FIRST_PORT = 20_000;
const PORTS = 10_000;

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
      else reject(error);
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** A port that nobody listens on at this address now. `taken` are ports promised to others that may not listen yet. */
export async function freePort(
  host: string,
  random: Random = Math.random,
  taken: ReadonlySet<number> = new Set(),
): Promise<number> {
  const start = Math.floor(random() * PORTS);
  for (let step = 0; step < PORTS; step++) {
    const port = FIRST_PORT + ((start + step) % PORTS);
    if (!taken.has(port) && (await isFree(host, port))) return port;
  }
  throw new CellError('NOT_ALLOWED', `No free port at ${host}`, {
    why: `all of ${FIRST_PORT} to ${FIRST_PORT + PORTS - 1} are taken`,
  });
}
