/**
 * Functions as systemd units. systemd keeps them running; cell only writes what they are and starts or stops them.
 */
import { existsSync } from 'node:fs';
import { chmod, mkdir, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import type { FunctionGene } from '../../genome/schema.ts';
import { CellError } from '../errors.ts';
import { type Layout, unitOf } from '../layout.ts';
import type { FunctionName, Random } from '../model.ts';
import { containerLines, ensureImage } from './containers.ts';
import { readIfThere, writeIfChanged } from './files.ts';
import { environmentFile, parseEnvironmentFile } from './quote.ts';
import { askSystemctl, systemctl } from './systemctl.ts';
import { killMode, shellStart, type UnitParts, unitText } from './units.ts';
import { ensureUser, giveTo, idsOf, userName, userOf } from './users.ts';

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
  /** Stops it and removes its unit and its variables; its folder and its user stay. Gone already is fine. */
  remove(functionName: FunctionName, layout: Layout): Promise<void>;
}

/** The folder with a function's source and data. */
export function folderOf(layout: Pick<Layout, 'functions'>, functionName: FunctionName): string {
  return join(layout.functions, functionName);
}

/** The system's own programs first; the runtime that an imprint brought is for machines that have none. */
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The variables a function gets. What the cell says of itself cannot be overridden by the genome. */
function functionEnvironment(functionName: FunctionName, what: Preparation): Record<string, string> {
  const folder = folderOf(what.layout, functionName);
  const asked = Object.entries({ ...what.gene.env, ...what.env }).map(([key, value]) => [key, String(value)]);
  return {
    ...(what.layout.system ? { HOME: folder, PATH: `${SYSTEM_PATH}:${what.layout.runtime}` } : {}),
    ...Object.fromEntries(asked),
    HOST: what.host,
    PORT: String(what.port),
    CELL_FUNCTION: functionName,
    CELL_DATA: folder,
    CELL_WHERE: what.layout.whereFile,
    CELL_ORGANISM: what.organism,
    CELL_NAME: what.cell,
  };
}

/** The variables that were last prepared for a function, for its hooks and probes. Empty when none were. */
export async function preparedEnvironment(
  layout: Pick<Layout, 'environments'>,
  functionName: FunctionName,
): Promise<Record<string, string>> {
  return parseEnvironmentFile((await readIfThere(environmentOf(layout, functionName))) ?? '');
}

/** Not in the function's folder: the service manager reads it as root, and must not be led to another file by a link. */
const environmentOf = (layout: Pick<Layout, 'environments'>, functionName: FunctionName) =>
  join(layout.environments, `${functionName}.env`);
const fileOf = (layout: Layout, functionName: FunctionName) => join(layout.units, unitOf(functionName));

/** A function's folder, its own and closed to all others, in a folder that is root's. */
export async function makeRoom(layout: Layout, functionName: FunctionName): Promise<void> {
  const folder = folderOf(layout, functionName);
  await mkdir(folder, { recursive: true });
  const user = userOf(layout, functionName);
  if (user === null) return;
  const { uid } = await ensureUser(user, {
    home: folder,
    shell: '/usr/sbin/nologin',
    why: `function ${functionName} of a cell`,
  });
  await chmod(folder, 0o700);
  // All that comes later is written as that user; what is another's was there before, or the user was made anew.
  if ((await stat(folder)).uid !== uid) await giveTo(layout, functionName, folder);
}

/** What the unit starts: a command line by the shell, or a container by podman. */
async function programOf(
  name: FunctionName,
  { gene, layout, host, port }: Preparation,
  variables: readonly string[],
): Promise<Pick<UnitParts, 'start' | 'kill' | 'container'>> {
  const { run = '' } = gene;
  if (gene.image === undefined) return { start: shellStart(run), kill: killMode(run) };
  const ids = layout.system ? idsOf(userName(name)) : null;
  if (ids === null) {
    throw new CellError('NOT_ALLOWED', `${name} is a container image, which needs a machine with an operating system`, {
      suggestion: 'Live in a cloud of another provider than `local`.',
    });
  }
  const folder = folderOf(layout, name);
  const { image, settings } = await ensureImage(layout, gene, folder);
  const seen = [dirname(layout.whereFile)];
  const container = containerLines({ name, gene, image, ids, folder, seen, host, port, variables, settings });
  return { start: container.start, kill: 'mixed', container: container.lines };
}

/** systemd as the services of this machine. Methods throw REMOTE_FAILED when it says no. */
export const services: Services = {
  async prepare(functionName, what) {
    const folder = folderOf(what.layout, functionName);
    await makeRoom(what.layout, functionName);
    await mkdir(what.layout.environments, { recursive: true, mode: 0o700 });
    const variables = functionEnvironment(functionName, what);
    const environment = environmentOf(what.layout, functionName);
    const fresh = await writeIfChanged(environment, environmentFile(variables), 0o600);
    const text = unitText({
      name: functionName,
      gene: what.gene,
      ...(await programOf(functionName, what, Object.keys(variables))),
      folder,
      environment,
      user: userOf(what.layout, functionName),
      hidden: [what.layout.home, what.layout.environments],
    });
    const unit = await writeIfChanged(fileOf(what.layout, functionName), text);
    // Also when nothing changed: a tick killed between the writing and this would leave systemd with the old text.
    await systemctl('daemon-reload');
    return fresh || unit;
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
    await rm(environmentOf(layout, functionName), { force: true });
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
