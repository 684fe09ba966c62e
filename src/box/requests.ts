/**
 * What may be asked of a box, checked before anything is done. The op is the command that SSH was given; everything else
 * comes as JSON on stdin. Every text is held to a form that means nothing to a file system, a shell or a config file.
 */
import { z } from 'zod';
import { identityFrom, isPublicKey } from '../effects/keys.ts';
import { CellError } from '../errors.ts';
import { MOST_BAKED } from '../limits.ts';
import { BIRTH, IMAGE, LARGEST_REQUEST, LAYER, MAKER, ORGANISM } from './words.ts';

const birth = z.string().regex(BIRTH);
const one = z.strictObject({ birth });

const limits = {
  cpus: z.number().min(0.1).max(256).optional(),
  /** Less than 64 MiB boots no systemd. */
  memory: z.number().int().min(67_108_864).optional(),
};
const order = z.strictObject({
  birth,
  parent: z.string().regex(MAKER),
  cloud: z.string().regex(ORGANISM),
  image: z.string().regex(IMAGE),
  ...limits,
  imprintKey: z.string().refine(isPublicKey, 'expected ssh-ed25519 and its key'),
  hostKey: z.string().max(2_000).refine(isPrivateKey, 'expected an unencrypted Ed25519 key in OpenSSH format'),
});

/** By op: what its JSON looks like. */
const SHAPES = {
  create: order,
  find: one,
  list: z.strictObject({}),
  change: z.strictObject({ birth, parent: z.string().regex(MAKER), ...limits }),
  remove: one,
  'power-off': one,
  boot: one,
  bake: z.strictObject({ birth, hashes: z.array(z.string().regex(LAYER)).max(MOST_BAKED) }),
  info: z.strictObject({}),
} as const;

export type Op = keyof typeof SHAPES;
export const OPS = Object.keys(SHAPES) as readonly Op[];
export type Request = { readonly [K in Op]: { readonly op: K; readonly body: z.output<(typeof SHAPES)[K]> } }[Op];

export const isOp = (op: string): op is Op => Object.hasOwn(SHAPES, op);

/** Throws NOT_ALLOWED for an op that is none, USAGE for a body that is not as its op wants it. */
export function readRequest(op: string, text: string): Request {
  if (!isOp(op)) {
    throw new CellError('NOT_ALLOWED', 'This key cannot do that', { why: `it can ${OPS.join(', ')}` });
  }
  if (Buffer.byteLength(text) > LARGEST_REQUEST) throw new CellError('USAGE', 'The request is too large');
  let json: unknown;
  try {
    json = text.trim() === '' ? {} : JSON.parse(text);
  } catch (cause) {
    throw new CellError('USAGE', 'The request is not JSON', { cause });
  }
  const result = SHAPES[op].safeParse(json);
  if (!result.success) {
    // By place only: the values may be keys.
    const why = result.error.issues.map(({ path, message }) => `${path.join('.') || 'request'}: ${message}`).join('; ');
    throw new CellError('USAGE', `The request to ${op} cannot be meant`, { why: why.slice(0, 500) });
  }
  return { op, body: result.data } as Request;
}

function isPrivateKey(text: string): boolean {
  try {
    identityFrom(text);
    return /^[\x20-\x7e\n]+$/.test(text);
  } catch {
    return false;
  }
}
