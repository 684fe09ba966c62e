/**
 * Machines of a box, over SSH: each call is one session with one op, whose forced command answers (src/box/serve.ts). The
 * box's host key is pinned by the genome. The box adopts by birth what an earlier attempt left, so nothing is made twice.
 */
import type { CloudGene } from '../../genome/schema.ts';
import { BIRTH, type BoxInfo, IMAGE, type MachineSeen, organismOf, type Reply } from '../../src/box/words.ts';
import { isPublicKey } from '../../src/effects/keys.ts';
import { dial } from '../../src/effects/ssh.ts';
import { CellError, type ErrorCode } from '../../src/errors.ts';
import type { HandlerContext, Inputs, Live, ResourceHandler } from '../handler.ts';
import type { Json } from '../stack.ts';
import type { Examined, TaggedMachine } from './machine.ts';

interface BoxAt {
  readonly address: string;
  readonly port: number;
  readonly hostKey: string;
}
interface BoxCredential {
  readonly box: BoxAt;
  readonly privateKey: string;
}

/** A box may be busy with other machines of ours; a boot takes it half a second. */
const ANSWER_WITHIN_MS = 150_000;
const NAME = /^[a-z0-9][a-z0-9-]*$/;
/** Refusals that mean the same here as on the box. */
const SAME: readonly ErrorCode[] = ['NOT_ALLOWED', 'NOT_FOUND', 'PROVIDER_REFUSED', 'TIMEOUT', 'CHECKPOINT_CORRUPT'];

export const machineHandler: ResourceHandler = {
  type: 'cell:nspawn:Machine',
  provider: 'nspawn',
  // Another address of the same box is no other box: its host key is.
  replaceOn: ['organism', 'birth', 'cloud', 'image', 'imprintKey', 'hostKey'],
  secretInputs: ['hostKey'],

  check(inputs) {
    const wrong: { key: string; why: string }[] = [];
    const expect = (key: string, good: boolean, why: string) => {
      if (!good) wrong.push({ key, why });
    };
    const text = (key: string) => (typeof inputs[key] === 'string' ? inputs[key] : '');
    for (const key of ['organism', 'parent', 'cloud']) expect(key, NAME.test(text(key)), 'expected a name');
    expect('birth', BIRTH.test(text('birth')), 'expected lower-case letters and digits');
    expect('image', IMAGE.test(text('image')), 'expected the name of an image');
    expect('box', boxIn(inputs.box) !== null, 'expected an address, a port and a host key');
    expect('imprintKey', /^ssh-ed25519 \S+/.test(text('imprintKey')), 'expected ssh-ed25519 and its key');
    expect('hostKey', /-----BEGIN OPENSSH PRIVATE KEY-----/.test(text('hostKey')), 'expected an OpenSSH key');
    for (const key of ['cpus', 'memory'])
      expect(key, inputs[key] === undefined || Number(inputs[key]) > 0, 'expected a number');
    return wrong;
  },

  async create(inputs, context) {
    const { birth, parent, cloud, image, cpus, memory, hostKey } = inputs;
    const imprintKey = String(inputs.imprintKey).split(' ').slice(0, 2).join(' ');
    const order = { birth, parent, cloud, image, cpus, memory, imprintKey, hostKey };
    return liveOf(await ask<MachineSeen>(whereOf(inputs, context), 'create', order));
  },

  async find(inputs, context) {
    const machine = await ask<MachineSeen | null>(whereOf(inputs, context), 'find', { birth: inputs.birth });
    return machine === null ? null : liveOf(machine);
  },

  async read(_id, inputs, context) {
    return machineHandler.find?.(inputs, context) ?? null;
  },

  async update(_id, _before, after, context) {
    const { birth, parent, cpus, memory } = after;
    return liveOf(await ask<MachineSeen>(whereOf(after, context), 'change', { birth, parent, cpus, memory }));
  },

  async delete(_id, inputs, context) {
    await ask<null>(whereOf(inputs, context), 'remove', { birth: inputs.birth });
  },
};

/** Machines that carry the organism's tag, whether they run or not. */
export async function listMachines(organism: string, credential: Json): Promise<readonly TaggedMachine[]> {
  const machines = await ask<readonly MachineSeen[]>(credentialOf(credential), 'list', {});
  // The key speaks for one organism; one that was made for another would list that one's.
  return machines
    .filter((machine) => machine.organism === organism)
    .map(({ id, birth, parent, address, running }) => ({ id, birth, parent, address, running }));
}

/** Ends and removes a machine. Gone already is fine. */
export async function removeMachine(id: string, credential: Json): Promise<void> {
  await ask<null>(credentialOf(credential), 'remove', { birth: birthOf(id) });
}

/** Off as by a power cut, and on again: for drills. */
export async function switchMachine(id: string, power: 'on' | 'off', credential: Json): Promise<void> {
  await ask<MachineSeen>(credentialOf(credential), power === 'on' ? 'boot' : 'power-off', { birth: birthOf(id) });
}

/** Has the box keep artefacts of a machine for new ones, and no others. Throws what `ask` throws. */
export async function bakeStore(birth: string, hashes: readonly string[], credential: Json): Promise<void> {
  await ask<readonly string[]>(credentialOf(credential), 'bake', { birth, hashes });
}

/** What `cell doctor` says of a box. Throws what `ask` throws. */
export async function examineBox(
  organism: string,
  gene: Extract<CloudGene, { provider: 'nspawn' }>,
  credential: Json,
): Promise<Examined> {
  const info = await ask<BoxInfo>(credentialOf(credential), 'info', {});
  const found = `box at ${gene.box.address}: ${info.used} of ${info.quota} machines, images ${info.images.join(', ')}`;
  if (info.organism !== organism) {
    const mend = `The key was made for ${info.organism}. On the box: cell box allow ${organism} --quota N`;
    return { found, mend };
  }
  if (!info.images.includes(gene.image)) {
    return { found, mend: `The box has no image ${gene.image}. On the box: cell box init --image ${gene.image}` };
  }
  if (info.used >= info.quota) {
    return { found, mend: `Its quota is used up. On the box: cell box allow ${organism} --quota ${info.quota + 1}` };
  }
  const loose = [
    ...(gene.cpus === undefined || info.limits.cpus === 'enforced' ? [] : [`cpus ${info.limits.cpus}`]),
    ...(gene.memory === undefined || info.limits.memory === 'enforced' ? [] : [`memory ${info.limits.memory}`]),
  ];
  return { found: [found, ...loose].join('; ') };
}

/**
 * One op on the box. Throws what `dial` throws, what the box refused with its own reason, and REMOTE_FAILED for an answer
 * that is none.
 */
async function ask<T>({ box, privateKey }: BoxCredential, op: string, body: object): Promise<T> {
  const reach = { address: box.address, sshPort: box.port, user: 'root', root: '', httpPort: 0 };
  const hostKeys = [box.hostKey.split(' ').slice(0, 2).join(' ')];
  const remote = await dial(reach, { privateKey, hostKeys }).catch((thrown: unknown) => {
    throw unreached(box, thrown);
  });
  try {
    const { stdout, stderr } = await remote.run(op, { stdin: JSON.stringify(body), timeoutMs: ANSWER_WITHIN_MS });
    const reply = replyIn(stdout);
    if (reply === null) {
      const why = stderr.trim().split('\n').at(-1) || 'it said nothing that could be read';
      throw new CellError('REMOTE_FAILED', `The box at ${box.address} did not answer`, {
        why,
        suggestion: 'Is the key one that `cell box allow` made, and is cell still installed there?',
      });
    }
    if ('ok' in reply) return reply.ok as T;
    const { code, message, why, suggestion } = reply.error;
    throw new CellError(SAME.find((one) => one === code) ?? 'PROVIDER_REFUSED', message, {
      ...(why === null ? {} : { why }),
      ...(suggestion === null ? {} : { suggestion }),
    });
  } finally {
    remote.close();
  }
}

/** The same error, with what it means where a box was expected. */
function unreached({ address, port }: BoxAt, thrown: unknown): unknown {
  if (!(thrown instanceof CellError)) return thrown;
  const { code, why = thrown.message, cause } = thrown;
  const [message, suggestion] =
    code === 'NOT_ALLOWED'
      ? [`The box at ${address} does not let this key in`, 'On the box: cell box allow ORGANISM --quota N']
      : code === 'HOST_KEY_MISMATCH'
        ? [
            `Not the box of the genome answers at ${address}:${port}`,
            'Compare the hostKey of its cloud with /etc/ssh/ssh_host_ed25519_key.pub on the box, and do not go on before.',
          ]
        : [
            `The box at ${address}:${port} is not reached`,
            'Is it on, does its sshd run, and does nothing stand between?',
          ];
  return new CellError(code, message, { why, suggestion, cause });
}

function replyIn(stdout: string): Reply | null {
  try {
    const reply = JSON.parse(stdout) as Reply;
    return typeof reply === 'object' && reply !== null && ('ok' in reply || 'error' in reply) ? reply : null;
  } catch {
    return null;
  }
}

function liveOf({ id, address, birth }: MachineSeen): Live {
  const outputs: Inputs = { address, birth, sshPort: 22, httpPort: 80, user: 'root', root: '' };
  return { id, outputs };
}

function birthOf(id: string): string {
  if (organismOf(id) === null) throw new CellError('USAGE', `not the id of a machine of a box: ${id}`);
  return id.slice(id.lastIndexOf('-') + 1);
}

/** Which box is in the inputs, for the genome may have been changed since; the key is the credential's. */
function whereOf(inputs: Inputs, { credential }: HandlerContext): BoxCredential {
  const { privateKey, box } = credentialOf(credential);
  return { privateKey, box: boxIn(inputs.box) ?? box };
}

function credentialOf(credential: Json | undefined): BoxCredential {
  const { box, privateKey } = (credential ?? {}) as { box?: Json; privateKey?: Json };
  const at = boxIn(box);
  if (at !== null && typeof privateKey === 'string') return { box: at, privateKey };
  throw new CellError('PROVIDER_REFUSED', 'the provider nspawn has no credential', {
    why: 'expected {box, privateKey}: where the box is, and the key that drives it',
    suggestion: 'run the command where the organism was seeded, or on a cell that has a budget',
  });
}

function boxIn(value: Json | undefined): BoxAt | null {
  const { address, port, hostKey } = (value ?? {}) as { address?: Json; port?: Json; hostKey?: Json };
  if (typeof address !== 'string' || !Number.isInteger(port) || typeof hostKey !== 'string') return null;
  if (!isPublicKey(hostKey.split(' ').slice(0, 2).join(' '))) return null;
  return { address, port: Number(port), hostKey };
}
