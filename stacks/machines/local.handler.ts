/**
 * Making, finding and removing local machines: what a cloud's API does, on folders and processes.
 *
 * A machine is made in this order, each step safe to do again: folder, claimed address, root with keys, machine.json,
 * boot. A maker killed anywhere leaves a folder that `create` finishes, `list` shows (from machine.json on) and
 * `delete` removes.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { CellError } from '../../src/errors.ts';
import { layout } from '../../src/layout.ts';
import { candidates, claim, unclaim, unclaimAll } from '../../src/local/claims.ts';
import { layRoot } from '../../src/local/environment.ts';
import { namesIn } from '../../src/local/files.ts';
import { type MachineFile, places, readMachine, sharedTmp, writeMachine } from '../../src/local/host.ts';
import { boot, hasProcesses, isRunning, portsFree, powerOff } from '../../src/local/power.ts';
import { programFile } from '../../src/programs.ts';
import type { HandlerContext, Inputs, Live, ResourceHandler } from '../handler.ts';
import type { Json } from '../stack.ts';
import type { TaggedMachine } from './machine.ts';

export interface LocalCredential {
  /** The folder that holds the machines. */
  readonly dir: string;
  /** The Node that runs them. */
  readonly node: string;
}

/** Whoever holds a machine's folder while making it keeps others away this long at most, in ms. */
const PORTS_WITHIN = 5_000;
const ID = /^[a-z0-9][a-z0-9-]*$/;
const NETWORK = /^127\.\d{1,3}\.\d{1,3}\.0\/(?:16|24)$/;
const TEXTS = ['organism', 'birth', 'parent', 'cloud', 'network', 'runtime', 'imprintKey', 'hostKey'] as const;
const PORTS = ['sshPort', 'httpPort'] as const;

interface MachineInputs {
  readonly organism: string;
  readonly birth: string;
  readonly parent: string;
  readonly cloud: string;
  readonly network: string;
  readonly runtime: 'host' | 'none';
  readonly imprintKey: string;
  readonly hostKey: string;
  readonly sshPort: number;
  readonly httpPort: number;
}

export const machineHandler: ResourceHandler = {
  type: 'cell:local:Machine',
  provider: 'local',
  replaceOn: ['organism', 'birth', 'cloud', 'network', 'sshPort', 'httpPort', 'runtime', 'imprintKey', 'hostKey'],
  secretInputs: ['hostKey'],

  check(inputs) {
    const wrong: { key: string; why: string }[] = [];
    const expect = (key: string, good: boolean, why: string) => {
      if (!good) wrong.push({ key, why });
    };
    for (const key of TEXTS) expect(key, typeof inputs[key] === 'string' && inputs[key] !== '', 'expected a text');
    for (const key of PORTS) {
      const port = inputs[key];
      expect(key, Number.isInteger(port) && Number(port) >= 1 && Number(port) <= 65_535, 'expected a port');
    }
    if (wrong.length > 0) return wrong;
    expect(
      'birth',
      ID.test(idOf(inputs as unknown as MachineInputs)),
      'expected lower-case letters, digits and dashes',
    );
    expect('network', NETWORK.test(String(inputs.network)), 'expected a loopback network, such as 127.77.0.0/16');
    expect('runtime', ['host', 'none'].includes(String(inputs.runtime)), 'expected host or none');
    expect('httpPort', inputs.httpPort !== inputs.sshPort, 'expected another port than sshPort');
    expect('imprintKey', /^ssh-ed25519 \S+/.test(String(inputs.imprintKey)), 'expected ssh-ed25519 and its key');
    expect('hostKey', /-----BEGIN OPENSSH PRIVATE KEY-----/.test(String(inputs.hostKey)), 'expected an OpenSSH key');
    return wrong;
  },

  async create(inputs, context) {
    const machine = inputs as unknown as MachineInputs;
    const credential = credentialOf(context.credential);
    const folder = folderOf(credential, idOf(machine));
    const found = readMachine(folder);
    if (found !== null && existsSync(places(folder).settled)) {
      if (!isRunning(folder, found)) await bootAgain(folder, found);
      return liveOf(folder, found);
    }
    return liveOf(folder, await make(folder, machine, credential, found, context.signal));
  },

  async find(inputs, context) {
    const machine = inputs as unknown as MachineInputs;
    const folder = folderOf(credentialOf(context.credential), idOf(machine));
    const file = readMachine(folder);
    if (file !== null) return liveOf(folder, file);
    // Cut off before it had an address; `delete` takes the folder.
    return existsSync(folder) ? liveOf(folder, { ...machine, id: idOf(machine), address: '' }) : null;
  },

  async read(id, _inputs, context) {
    const folder = folderOf(credentialOf(context.credential), id);
    const file = readMachine(folder);
    return file === null ? null : liveOf(folder, file);
  },

  async update(id, _before, after, context) {
    const folder = folderOf(credentialOf(context.credential), id);
    const file = readMachine(folder);
    if (file === null) throw new CellError('NOT_FOUND', `machine ${id} is gone`);
    // Only the parent's name can change in place: a tag.
    const next: MachineFile = { ...file, parent: String(after.parent) };
    writeMachine(folder, next);
    return liveOf(folder, next);
  },

  async delete(id, _inputs, context) {
    await removeMachine(id, context.credential);
  },
};

/** Machines that carry the organism's tag, whether they run or not. */
export function listMachines(organism: string, credential: Json | undefined): TaggedMachine[] {
  const { dir } = credentialOf(credential);
  return namesIn(dir).flatMap((name) => {
    const file = readMachine(join(dir, name));
    if (file === null || file.organism !== organism) return [];
    const { id, birth, parent, address } = file;
    return [{ id, birth, parent, address, running: isRunning(join(dir, name), file) }];
  });
}

/** Ends the machine and everything on it, and removes it. Gone already is fine. */
export async function removeMachine(id: string, credential: Json | undefined): Promise<void> {
  const { dir, node } = credentialOf(credential);
  const folder = folderOf({ dir, node }, id);
  const file = readMachine(folder);
  if (file !== null) {
    await powerOff(folder, file);
    if (!(await portsFree(file, PORTS_WITHIN))) {
      throw new CellError('PROVIDER_REFUSED', `the ports of machine ${id} are still taken`, {
        why: `something else listens on ${file.address}`,
        suggestion: `see \`ss -ltnp\` for ${file.address}`,
      });
    }
    // The file goes first, and with it the claim's reason: what is killed between here and the end leaves no machine.
    rmSync(places(folder).file, { force: true });
    unclaim(file.shared, file.address, folder);
  } else if (existsSync(folder)) {
    // Cut off between the claim and the file.
    unclaimAll(sharedTmp(), folder);
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}

/** Removes the folders that are left when the last machine is gone. */
export function forgetMachines(credential: Json | undefined): void {
  const { dir } = credentialOf(credential);
  for (const folder of [dir, dirname(dir)]) {
    try {
      rmdirSync(folder);
    } catch {
      return; // Others live there.
    }
  }
}

/** Switches a machine off as a power cut would; what is on its disk stays. For drills and demonstrations. */
export async function cutPower(id: string, credential: Json | undefined): Promise<void> {
  const folder = folderOf(credentialOf(credential), id);
  const file = readMachine(folder);
  if (file === null) throw new CellError('NOT_FOUND', `there is no machine ${id}`);
  await powerOff(folder, file);
}

async function make(
  folder: string,
  machine: MachineInputs,
  credential: LocalCredential,
  found: MachineFile | null,
  signal: AbortSignal | undefined,
): Promise<MachineFile> {
  // What an earlier attempt began may still run: it never said it was up, so nobody relies on it.
  if (found !== null && hasProcesses(folder, found)) await powerOff(folder, found);
  const shared = sharedTmp();
  mkdirSync(folder, { recursive: true });
  const draft = { ...newFile(machine, credential, shared), programs: copyPrograms(folder) };
  layRoot({ ...draft, address: '' }, folder);
  writeKeys(places(folder).root, machine);
  for (const address of candidates(machine.network, `${machine.organism}/${machine.birth}`)) {
    signal?.throwIfAborted();
    if (!claim(shared, address, folder)) continue;
    const file: MachineFile = { ...draft, address };
    writeMachine(folder, file);
    const result = await boot(folder, file);
    if ('ready' in result) return file;
    unclaim(shared, address, folder);
    if (result.error !== 'EADDRINUSE') throw bootError(file, result.error, result.message);
  }
  throw new CellError('PROVIDER_REFUSED', `no address is free in ${machine.network}`, {
    why: `every address has something on port ${machine.sshPort} or ${machine.httpPort}`,
    suggestion: 'give the cloud another network or other ports in the genome',
  });
}

async function bootAgain(folder: string, file: MachineFile): Promise<void> {
  if (hasProcesses(folder, file)) await powerOff(folder, file);
  const result = await boot(folder, file);
  if (!('ready' in result)) throw bootError(file, result.error, result.message);
}

function bootError(file: MachineFile, code: string, message: string): CellError {
  const suggestion =
    code === 'EADDRNOTAVAIL'
      ? `this system has one loopback address only; add it: sudo ifconfig lo0 alias ${file.address}`
      : `see ${join('host', 'machine.log')} in the machine's folder`;
  return new CellError('PROVIDER_REFUSED', `machine ${file.id} did not boot`, { why: message, suggestion });
}

function newFile(machine: MachineInputs, credential: LocalCredential, shared: string) {
  const { organism, birth, parent, cloud, network, sshPort, httpPort, runtime } = machine;
  return {
    v: 1 as const,
    id: idOf(machine),
    organism,
    birth,
    parent,
    cloud,
    network,
    sshPort,
    httpPort,
    runtime,
    marker: randomBytes(16).toString('hex'),
    node: credential.node,
    shared,
  };
}

/**
 * Bundled programs are copied to the machine, for the cell that makes it may be gone long before it. Sources are run
 * where they are.
 */
function copyPrograms(folder: string): MachineFile['programs'] {
  const [machine, systemctl] = [programFile('machine'), programFile('systemctl')];
  if (extname(machine) === '.ts') return { machine, systemctl };
  const { host } = places(folder);
  mkdirSync(host, { recursive: true });
  const copy = (file: string) => {
    const to = join(host, basename(file));
    copyFileSync(file, to);
    return to;
  };
  writeFileSync(join(host, 'package.json'), '{"type":"module"}\n');
  return { machine: copy(machine), systemctl: copy(systemctl) };
}

function writeKeys(root: string, { hostKey, imprintKey }: MachineInputs): void {
  const files = layout(root);
  chmodSync(dirname(files.authorizedKeys), 0o700);
  writeFileSync(files.authorizedKeys, `${imprintKey}\n`, { mode: 0o600 });
  writeFileSync(files.hostKey, hostKey.endsWith('\n') ? hostKey : `${hostKey}\n`, { mode: 0o600 });
}

function liveOf(folder: string, file: Pick<MachineFile, 'id' | 'address' | 'sshPort' | 'httpPort' | 'birth'>): Live {
  const { id, address, sshPort, httpPort, birth } = file;
  const outputs: Inputs = { address, sshPort, httpPort, user: 'root', root: places(folder).root, birth };
  return { id, outputs };
}

function idOf({ organism, birth }: Pick<MachineInputs, 'organism' | 'birth'>): string {
  return `${organism}-${birth}`;
}

function folderOf({ dir }: LocalCredential, id: string): string {
  if (!ID.test(id)) throw new CellError('USAGE', `not the id of a local machine: ${id}`);
  return resolve(dir, id);
}

function credentialOf(credential: HandlerContext['credential']): LocalCredential {
  const { dir, node } = (credential ?? {}) as { dir?: Json; node?: Json };
  if (typeof dir === 'string' && typeof node === 'string') return { dir, node };
  throw new CellError('PROVIDER_REFUSED', 'the local provider has no credential', {
    why: 'expected {dir, node}: the folder of the machines and the Node that runs them',
    suggestion: 'run the command where the organism was seeded, or seed it again',
  });
}
