/**
 * Claiming, finding and giving back machines of one's own, over SSH. What happens on a machine is hosts.script.ts; which
 * machine is taken is here.
 *
 *   1. every machine of the list is asked who has it: one that is ours already is adopted, wherever it stands in the list
 *   2. the free ones are claimed in an order of the birth's own, until one says yes: two births begin at different places,
 *      and where they meet the machine decides
 *
 * The host key of every connection is the listed one, before and during and after: the machine keeps it while it is a
 * cell, for it never left the machine, so nobody else can answer with it.
 */
import { createHash } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { dial, type Remote } from '../../src/effects/ssh.ts';
import { CellError, explain, messageOf } from '../../src/errors.ts';
import type { HandlerContext, Inputs, Live, ResourceHandler } from '../handler.ts';
import type { Json } from '../stack.ts';
import { type Answer, answerOf, reasonOf } from './hosts.answer.ts';
import { scriptLine } from './hosts.script.ts';
import type { TaggedMachine } from './machine.ts';

export interface HostsMachine {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly hostKey: string;
}

export interface HostsCredential {
  readonly privateKey: string;
  /** For whoever has no stack at hand: `list` and `remove`. */
  readonly machines: readonly HostsMachine[];
}

/**
 * How long a claim holds while nothing has come of it, in seconds. An imprint over a slow line takes minutes, and a seeding
 * that was interrupted may go on after lunch; a machine that nobody comes back for is free for others after this.
 */
const LEASE_S = 3_600;
/** The script waits up to 100 s for another that is at work there, and a release for what it stops. ms. */
const SCRIPT_TIMEOUT_MS = 240_000;
/** Machines asked at once. */
const PARALLEL = 8;
const HTTP_PORT = 80;

const NAME = /^[a-z0-9][a-z0-9-]*$/;
const ID = /^([a-z0-9][a-z0-9-]*)-([a-z0-9]+)@(.+):(\d+)$/;

interface MachineInputs {
  readonly organism: string;
  readonly birth: string;
  readonly parent: string;
  readonly cloud: string;
  readonly imprintKey: string;
  readonly machines: readonly HostsMachine[];
}

export const machineHandler: ResourceHandler = {
  type: 'cell:hosts:Machine',
  provider: 'hosts',
  // Not `machines`: another list leaves a claimed machine where it is.
  replaceOn: ['organism', 'birth', 'cloud', 'imprintKey'],
  secretInputs: [],

  check(inputs) {
    const wrong: { key: string; why: string }[] = [];
    const expect = (key: string, good: boolean, why: string) => {
      if (!good) wrong.push({ key, why });
    };
    for (const key of ['organism', 'birth', 'parent']) {
      expect(key, NAME.test(String(inputs[key])), 'expected lower-case letters, digits and dashes');
    }
    expect('cloud', typeof inputs.cloud === 'string' && inputs.cloud !== '', 'expected a text');
    expect(
      'imprintKey',
      /^ssh-ed25519 [A-Za-z0-9+/]+=*$/.test(String(inputs.imprintKey)),
      'expected ssh-ed25519 and its key',
    );
    expect('machines', isList(inputs.machines), 'expected machines, each with address, port, user and hostKey');
    return wrong;
  },

  async create(inputs, context) {
    const need = inputs as unknown as MachineInputs;
    const { privateKey } = credentialOf(context.credential);
    const order = inOrder(need.machines, `${need.organism}/${need.birth}`);
    const { own, refusals } = await survey(order, privateKey, need);
    if (own !== null) {
      const answer = await claim(own.machine, privateKey, need);
      if (answer.is === 'claimed') return liveOf(own.machine, need, answer.root);
      refusals.set(own.machine, reasonOf(answer));
    }
    for (const machine of order) {
      context.signal?.throwIfAborted();
      const refusal = refusals.get(machine);
      // Never passed over in silence: whoever answers there wants to be taken for it, or the list is wrong.
      if (refusal instanceof CellError) throw refusal;
      if (refusal !== undefined) continue;
      const answer = await claim(machine, privateKey, need).catch(passedOver);
      if (answer instanceof CellError) throw answer;
      if (typeof answer !== 'string' && answer.is === 'claimed') return liveOf(machine, need, answer.root);
      refusals.set(machine, typeof answer === 'string' ? answer : reasonOf(answer));
    }
    throw noneFree(order, refusals);
  },

  async find(inputs, context) {
    const need = inputs as unknown as MachineInputs;
    const { own } = await survey(need.machines, credentialOf(context.credential).privateKey, need);
    return own === null ? null : liveOf(own.machine, need, own.root);
  },

  async read(id, inputs, context) {
    const { organism, birth, machine } = lookUp(id, context.credential, inputs);
    const answer = await ask(machine, credentialOf(context.credential).privateKey, ['look', machine.hostKey]);
    const mine = answer.is === 'held' && answer.organism === organism && answer.birth === birth;
    return mine ? liveOf(machine, { organism, birth }, answer.root) : null;
  },

  async update(id, _before, after, context) {
    const { organism, birth, machine } = lookUp(id, context.credential, after);
    const { privateKey } = credentialOf(context.credential);
    const answer = await ask(machine, privateKey, ['tag', organism, birth, String(after.parent), String(LEASE_S)]);
    if (answer.is === 'claimed') return liveOf(machine, { organism, birth }, answer.root);
    throw new CellError('NOT_FOUND', `machine ${id} is gone`, { why: reasonOf(answer) });
  },

  async delete(id, inputs, context) {
    await giveBack(id, context.credential, inputs);
  },
};

/**
 * The listed machines that carry a claim of the organism, and with `birth` null those that could not be asked, of which
 * nobody knows.
 */
export async function listMachines(organism: string, credential: Json | undefined): Promise<TaggedMachine[]> {
  const { privateKey, machines } = credentialOf(credential);
  const found = await each(machines, async (machine): Promise<TaggedMachine[]> => {
    const { address } = machine;
    const answer = await ask(machine, privateKey, ['look', machine.hostKey]).catch((thrown: unknown) => {
      if (thrown instanceof CellError) return null;
      throw thrown;
    });
    if (answer === null) {
      const known = await numeric(address).catch(() => address);
      return [{ id: `?@${placeOf(machine)}`, birth: null, parent: '', address: known, running: false }];
    }
    if (answer.is !== 'held' || answer.organism !== organism) return [];
    const { birth, parent } = answer;
    return [{ id: idOf({ organism, birth }, machine), birth, parent, address: await numeric(address), running: true }];
  });
  return found.flat();
}

/** Gives a machine back as it was found. Not ours any more is fine; not reached is not. */
export async function giveBack(id: string, credential: Json | undefined, inputs: Inputs = {}): Promise<void> {
  const { organism, birth, machine } = lookUp(id, credential, inputs);
  const answer = await ask(machine, credentialOf(credential).privateKey, ['release', organism, birth]);
  if (answer.is !== 'released' && answer.is !== 'gone') {
    throw new CellError('PROVIDER_REFUSED', `${placeOf(machine)} was not given back`, { why: reasonOf(answer) });
  }
}

/** What each machine of a cloud says, for people who look. Changes nothing. */
export async function looks(
  credential: Json,
): Promise<readonly { readonly at: string; readonly says: string; readonly good: boolean }[]> {
  const { privateKey, machines } = credentialOf(credential);
  return each(machines, async (machine) => {
    try {
      const answer = await ask(machine, privateKey, ['look', machine.hostKey]);
      return { at: placeOf(machine), says: reasonOf(answer), good: answer.is === 'free' || answer.is === 'held' };
    } catch (thrown) {
      return { at: placeOf(machine), says: explain(thrown), good: false };
    }
  });
}

/** The machines in an order that depends on the identity only, and for another identity is another: rendezvous hashing. */
export function inOrder(machines: readonly HostsMachine[], identity: string): readonly HostsMachine[] {
  const weight = (machine: HostsMachine) =>
    createHash('sha256')
      .update(`${identity} ${placeOf(machine)}`)
      .digest('hex');
  return machines
    .map((machine) => ({ machine, weight: weight(machine) }))
    .sort((a, b) => (a.weight < b.weight ? -1 : a.weight > b.weight ? 1 : 0))
    .map(({ machine }) => machine);
}

/** Asks every machine who has it. `refusals`: why one is out of the question, an error where that has to be heard. */
async function survey(
  machines: readonly HostsMachine[],
  privateKey: string,
  need: { organism: string; birth: string },
) {
  const refusals = new Map<HostsMachine, string | CellError>();
  const owned: { readonly machine: HostsMachine; readonly root: string }[] = [];
  await each(machines, async (machine) => {
    const answer = await ask(machine, privateKey, ['look', machine.hostKey]).catch(passedOver);
    if (typeof answer === 'string' || answer instanceof CellError) refusals.set(machine, answer);
    else if (answer.is === 'held' && answer.organism === need.organism && answer.birth === need.birth)
      owned.push({ machine, root: answer.root });
    else if (answer.is === 'held' && answer.state !== 'living' && answer.state !== 'claimed') return;
    else if (answer.is !== 'free') refusals.set(machine, reasonOf(answer));
  });
  return { own: owned[0] ?? null, refusals };
}

/** Why a machine is passed over; the error itself for a wrong host key, which is not. Mistakes of ours are thrown. */
function passedOver(thrown: unknown): string | CellError {
  if (!(thrown instanceof CellError)) throw thrown;
  return thrown.code === 'HOST_KEY_MISMATCH' ? thrown : explain(thrown);
}

function claim(machine: HostsMachine, privateKey: string, need: MachineInputs): Promise<Answer> {
  const { organism, birth, parent, imprintKey } = need;
  return ask(machine, privateKey, ['claim', organism, birth, parent, String(LEASE_S), imprintKey, machine.hostKey]);
}

/** Runs the script on a machine. Throws as `dial` does, and REMOTE_FAILED. */
async function ask(machine: HostsMachine, privateKey: string, args: readonly string[]): Promise<Answer> {
  let remote: Remote | null = null;
  try {
    const reach = {
      address: machine.address,
      sshPort: machine.port,
      user: machine.user,
      root: '',
      httpPort: HTTP_PORT,
    };
    remote = await dial(reach, { privateKey, hostKeys: [machine.hostKey] });
    const { stdout, stderr } = await remote.run(scriptLine(...args), { timeoutMs: SCRIPT_TIMEOUT_MS });
    return answerOf(stdout === '' ? stderr : stdout);
  } finally {
    remote?.close();
  }
}

function noneFree(order: readonly HostsMachine[], refusals: ReadonlyMap<HostsMachine, string | CellError>): CellError {
  const each = order.map((machine) => {
    const why = refusals.get(machine);
    return `${placeOf(machine)}: ${why instanceof CellError ? messageOf(why) : (why ?? 'not asked')}`;
  });
  return new CellError('PROVIDER_REFUSED', `None of the ${order.length} listed machines can be had`, {
    why: each.join('; '),
    suggestion: 'List more machines in the genome, or free one; `cell doctor` shows what each of them says.',
  });
}

async function liveOf(machine: HostsMachine, who: { organism: string; birth: string }, root: string): Promise<Live> {
  const outputs: Inputs = {
    address: await numeric(machine.address),
    sshPort: machine.port,
    httpPort: HTTP_PORT,
    // The imprint key was put there: from the claim on nobody needs to be somebody else first.
    user: 'root',
    root,
    hostKey: machine.hostKey,
    birth: who.birth,
  };
  return { id: idOf(who, machine), outputs };
}

/** Records take addresses only. */
async function numeric(address: string): Promise<string> {
  return isIP(address) === 0 ? (await lookup(address)).address : address;
}

const placeOf = ({ address, port }: HostsMachine) => `${address}:${port}`;

/** Which claim, and on which machine: an attempt that lost its way may have claimed two. */
function idOf({ organism, birth }: { organism: string; birth: string }, machine: HostsMachine): string {
  return `${organism}-${birth}@${placeOf(machine)}`;
}

/** The machine of an id, from the list it was claimed from or the one that is valid now. */
function lookUp(id: string, credential: Json | undefined, inputs: Inputs) {
  const [, organism, birth, address, port] = ID.exec(id) ?? [];
  if (organism === undefined || birth === undefined)
    throw new CellError('USAGE', `not the id of a listed machine: ${id}`);
  const before = isList(inputs.machines) ? (inputs.machines as unknown as readonly HostsMachine[]) : [];
  const machine = [...before, ...credentialOf(credential).machines].find(
    (one) => one.address === address && one.port === Number(port),
  );
  if (machine !== undefined) return { organism, birth, machine };
  throw new CellError('PROVIDER_REFUSED', `${address}:${port} is not in the list of machines`, {
    why: 'without its host key nobody can tell who answers there',
    suggestion: 'List it in the genome again until it is given back.',
  });
}

function isList(value: Json | undefined): boolean {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every(
      (one) =>
        typeof one?.address === 'string' &&
        Number.isInteger(one.port) &&
        typeof one.user === 'string' &&
        /^ssh-ed25519 \S+$/.test(one.hostKey),
    )
  );
}

function credentialOf(credential: HandlerContext['credential']): HostsCredential {
  const { privateKey, machines } = (credential ?? {}) as { privateKey?: Json; machines?: Json };
  if (typeof privateKey === 'string' && isList(machines)) {
    return { privateKey, machines: machines as unknown as readonly HostsMachine[] };
  }
  throw new CellError('PROVIDER_REFUSED', 'the provider hosts has no credential', {
    why: 'expected {privateKey, machines}: the key that opens the listed machines',
    suggestion: 'A cell without a budget has none, on purpose; elsewhere seed again.',
  });
}

/** In the order of the list, some at a time. */
async function each<T, R>(list: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(list.length);
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < list.length; at = next++) results[at] = await work(list[at] as T);
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, list.length) }, worker));
  return results;
}
