/**
 * What one cell says under one name of a zone, and the claim beside it, as a resource of our own: the same for every
 * provider that is spoken with record by record and name by name.
 */
import { CellError } from '../../src/errors.ts';
import { plainAddress } from '../address.ts';
import type { Inputs, Live, ResourceHandler } from '../handler.ts';
import type { Json } from '../stack.ts';
import type { Wanted } from './claims.ts';
import { type Place, placeId } from './place.ts';
import { problemsOf } from './record.inputs.ts';

/** How one provider is spoken with, with its credential. */
export interface Speech {
  readonly type: string;
  readonly provider: string;
  /** The TTLs that it takes, seconds. */
  readonly ttl: { readonly lowest: number; readonly highest: number };
  /** What is there under a name, or null. */
  held(
    credential: Json | undefined,
    at: Place,
  ): Promise<{ readonly values: readonly string[]; readonly ttl: number } | null>;
  put(credential: Json | undefined, want: Wanted): Promise<void>;
  take(credential: Json | undefined, want: Wanted): Promise<void>;
}

function wantedOf(inputs: Inputs): Wanted {
  const { organism, birth, zone, name, values, ttl } = inputs as unknown as Wanted;
  return { organism, birth, zone, name, values: values.map(plainAddress), ttl };
}

const liveOf = (want: Wanted): Live => ({ id: placeId(want), outputs: { ...want } });

export function saidHandler({ type, provider, ttl, held, put, take }: Speech): ResourceHandler {
  const get = async (inputs: Inputs, credential: Json | undefined): Promise<Live | null> => {
    const want = wantedOf(inputs);
    const found = await held(credential, want);
    return found === null ? null : liveOf({ ...want, ...found });
  };
  return {
    type,
    provider,
    replaceOn: ['organism', 'birth', 'zone', 'name'],
    secretInputs: [],
    check: (inputs) => problemsOf(inputs, ttl),

    async create(inputs, { credential }) {
      const want = wantedOf(inputs);
      await put(credential, want);
      return liveOf(want);
    },
    find: (inputs, { credential }) => get(inputs, credential),
    read: (_id, inputs, { credential }) => get(inputs, credential),
    async update(id, _before, after, { credential }) {
      const want = wantedOf(after);
      if (placeId(want) !== id) throw new CellError('USAGE', `${id} cannot become ${placeId(want)} in place`);
      await put(credential, want);
      return liveOf(want);
    },
    delete: (_id, inputs, { credential }) => take(credential, wantedOf(inputs)),
  };
}
