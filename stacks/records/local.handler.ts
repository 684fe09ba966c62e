/**
 * The resource `cell:local:Record`: what one cell says under one name and type in the embedded DNS.
 */
import { CellError } from '../../src/errors.ts';
import { callDns, dnsCredential, everUsed } from '../../src/local/dns-client.ts';
import { idOf, problemsOf, type RecordSet } from '../../src/local/zone.ts';
import type { HandlerContext, Inputs, Live, ResourceHandler } from '../handler.ts';

const at = (id: string) => `/v1/records/${encodeURIComponent(id)}`;
const ownerOf = (inputs: Inputs) => `${String(inputs.organism)}/${String(inputs.birth)}`;

function setOf(inputs: Inputs): RecordSet {
  const { organism, birth, zone, name, type, values, ttl } = inputs as unknown as RecordSet;
  return { organism, birth, zone, name, type, values, ttl };
}

function outputsOf(set: RecordSet): Inputs {
  return { ...setOf(set as unknown as Inputs) } as unknown as Inputs;
}

async function put(inputs: Inputs, { credential }: HandlerContext): Promise<Live> {
  const set = setOf(inputs);
  const id = idOf(set);
  const { status, body } = await callDns(dnsCredential(credential), 'PUT', at(id), {
    owner: ownerOf(inputs),
    body: set,
  });
  if (status === 404) throw new CellError('PROVIDER_REFUSED', `The local DNS has no place for ${id}`);
  return { id, outputs: outputsOf(body as RecordSet) };
}

async function get(id: string, { credential }: HandlerContext): Promise<Live | null> {
  const where = dnsCredential(credential);
  if (!everUsed(where)) return null;
  const { status, body } = await callDns(where, 'GET', at(id));
  return status === 404 ? null : { id, outputs: outputsOf(body as RecordSet) };
}

export const recordHandler: ResourceHandler = {
  type: 'cell:local:Record',
  provider: 'local-dns',
  replaceOn: ['organism', 'birth', 'zone', 'name', 'type'],
  secretInputs: [],
  check: (inputs) => problemsOf(inputs),
  create: put,
  find: (inputs, context) => get(idOf(setOf(inputs)), context),
  read: (id, _inputs, context) => get(id, context),
  async update(id, _before, after, context) {
    const live = await put(after, context);
    if (live.id !== id) throw new CellError('USAGE', `${id} cannot become ${live.id} in place`);
    return live;
  },
  async delete(id, inputs, { credential }) {
    const where = dnsCredential(credential);
    if (!everUsed(where)) return;
    await callDns(where, 'DELETE', at(id), { owner: ownerOf(inputs) });
  },
};
