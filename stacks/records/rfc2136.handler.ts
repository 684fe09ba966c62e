/**
 * The resource `cell:rfc2136:Record`: what one cell says under one name of a zone that takes dynamic updates, and the
 * claim beside it.
 */
import { untilNotShown } from '../../src/effects/dns/published.ts';
import { CellError } from '../../src/errors.ts';
import { plainAddress } from '../address.ts';
import type { Inputs, Live, ResourceHandler } from '../handler.ts';
import type { Wanted } from './claims.ts';
import { problemsOf } from './record.inputs.ts';
import { held, idOf, primaryCredential, put, take } from './rfc2136.client.ts';

const TTL_S = { lowest: 1, highest: 7 * 86_400 } as const;

function wantedOf(inputs: Inputs): Wanted {
  const { organism, birth, zone, name, values, ttl } = inputs as unknown as Wanted;
  return { organism, birth, zone, name, values: values.map(plainAddress), ttl };
}

const liveOf = (want: Wanted): Live => ({ id: idOf(want), outputs: { ...want } });

async function get(inputs: Inputs, credential: Parameters<typeof primaryCredential>[0]): Promise<Live | null> {
  const want = wantedOf(inputs);
  const found = await held(primaryCredential(credential), want);
  return found === null ? null : liveOf({ ...want, ...found });
}

export const recordHandler: ResourceHandler = {
  type: 'cell:rfc2136:Record',
  provider: 'rfc2136-dns',
  replaceOn: ['organism', 'birth', 'zone', 'name'],
  secretInputs: [],

  check: (inputs) => problemsOf(inputs, TTL_S),

  async create(inputs, { credential }) {
    const want = wantedOf(inputs);
    await put(primaryCredential(credential), want);
    return liveOf(want);
  },
  find: (inputs, { credential }) => get(inputs, credential),
  read: (_id, inputs, { credential }) => get(inputs, credential),
  async update(id, _before, after, { credential }) {
    const want = wantedOf(after);
    if (idOf(want) !== id) throw new CellError('USAGE', `${id} cannot become ${idOf(want)} in place`);
    await put(primaryCredential(credential), want);
    return liveOf(want);
  },
  async delete(_id, inputs, { credential }) {
    const want = wantedOf(inputs);
    await take(primaryCredential(credential), want);
    // Who is sent to the old home is counted by TTLs from now on, so now has to be true at every server.
    await untilNotShown(primaryCredential(credential), want.name, want.values);
  },
};
