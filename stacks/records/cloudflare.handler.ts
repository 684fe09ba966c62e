/**
 * The resource `cell:cloudflare:Records`: what one cell says under one name of a zone at Cloudflare, and the claim beside
 * it. Ours and not a package's, so that a cell with Cloudflare's DNS needs neither Pulumi nor a plugin.
 */
import { CellError } from '../../src/errors.ts';
import { plainAddress } from '../address.ts';
import type { HandlerContext, Inputs, Live, ResourceHandler } from '../handler.ts';

import { cloudflareCredential, held, put, take } from './cloudflare.client.ts';
import { type Place, placeId, type Said } from './owned.ts';
import { problemsOf } from './record.inputs.ts';

/** Of Enterprise zones; others end at 60, which the genome's checks say. */
export const TTL_S = { lowest: 30, highest: 86_400 } as const;

function wantedOf(inputs: Inputs): Said & Place {
  const { organism, birth, zone, name, values, ttl } = inputs as unknown as Said & Place;
  return { organism, birth, zone, name, values: values.map(plainAddress), ttl };
}

const liveOf = (want: Said & Place): Live => ({ id: placeId(want), outputs: { ...want } });

async function get(inputs: Inputs, { credential }: HandlerContext): Promise<Live | null> {
  const want = wantedOf(inputs);
  const found = await held(cloudflareCredential(credential), want);
  return found === null ? null : liveOf({ ...want, ...found });
}

export const recordsHandler: ResourceHandler = {
  type: 'cell:cloudflare:Records',
  provider: 'cloudflare-dns',
  replaceOn: ['organism', 'birth', 'zone', 'name'],
  secretInputs: [],
  check: (inputs) => problemsOf(inputs, TTL_S),

  async create(inputs, { credential }) {
    const want = wantedOf(inputs);
    await put(cloudflareCredential(credential), want);
    return liveOf(want);
  },
  find: (inputs, context) => get(inputs, context),
  read: (_id, inputs, context) => get(inputs, context),
  async update(id, _before, after, { credential }) {
    const want = wantedOf(after);
    if (placeId(want) !== id) throw new CellError('USAGE', `${id} cannot become ${placeId(want)} in place`);
    await put(cloudflareCredential(credential), want);
    return liveOf(want);
  },
  async delete(_id, inputs, { credential }) {
    await take(cloudflareCredential(credential), wantedOf(inputs));
  },
};
