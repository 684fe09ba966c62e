/**
 * The resource `cell:rfc2136:Record`: what one cell says under one name of a zone that takes dynamic updates, and the
 * claim beside it.
 */
import { isIP } from 'node:net';
import { untilNotShown } from '../../src/effects/dns/published.ts';
import { CellError } from '../../src/errors.ts';
import type { Inputs, Live, ResourceHandler } from '../handler.ts';
import { plainAddress, type Wanted } from './claims.ts';
import { ownershipName } from './record.ts';
import { held, idOf, primaryCredential, put, take } from './rfc2136.client.ts';

/** RFC 1035 2.3.4. */
const LONGEST_NAME = 253;
const LONGEST_TTL_S = 7 * 86_400;
const NAME = /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

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

  check(inputs) {
    const found: { key: string; why: string }[] = [];
    const say = (key: string, why: string) => found.push({ key, why });
    for (const key of ['organism', 'birth']) {
      if (!/^[A-Za-z0-9._-]{1,64}$/.test(String(inputs[key]))) say(key, 'expected a plain word');
    }
    for (const key of ['zone', 'name']) {
      const name = String(inputs[key]);
      if (!NAME.test(name)) say(key, 'expected a domain name in lower case');
      else if (ownershipName(name).length > LONGEST_NAME) say(key, `it leaves no room for ${ownershipName('')}`);
    }
    const { zone, name, values, ttl } = inputs;
    if (name !== zone && !String(name).endsWith(`.${zone}`)) say('name', `${name} is not in the zone ${zone}`);
    if (!Number.isInteger(ttl) || (ttl as number) < 1 || (ttl as number) > LONGEST_TTL_S) {
      say('ttl', 'expected whole seconds, at least one and at most a week');
    }
    if (!Array.isArray(values) || values.length === 0) say('values', 'expected a list of addresses');
    else {
      for (const value of values) {
        if (typeof value !== 'string' || isIP(value) === 0 || value.includes('%'))
          say('values', `${value} is no address`);
      }
    }
    return found;
  },

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
