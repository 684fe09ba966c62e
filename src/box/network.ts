/** The network of a box: IPv4 only, one subnet on one bridge. Pure. */
import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { CellError } from '../errors.ts';

export interface Network {
  /** The bridge's own address, the machines' gateway. */
  readonly gateway: string;
  readonly prefix: number;
  /** The first and the last address that a machine may have, as numbers. */
  readonly first: number;
  readonly last: number;
}

const toNumber = (address: string) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const toText = (value: number) => [24, 16, 8, 0].map((bits) => Math.floor(value / 2 ** bits) % 256).join('.');

/** `10.77.0.1/24`. Throws USAGE. */
export function parseNetwork(text: string): Network {
  const [, gateway = '', bits = ''] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? [];
  const prefix = Number(bits);
  if (!isIPv4(gateway) || prefix < 16 || prefix > 29) {
    throw new CellError('USAGE', `${text} is no network for machines`, {
      why: 'expected an address of the box and 16 to 29 bits, such as 10.77.0.1/24',
    });
  }
  const size = 2 ** (32 - prefix);
  const start = Math.floor(toNumber(gateway) / size) * size;
  const [first, last] = [start + 1, start + size - 2];
  const own = toNumber(gateway);
  if (own < first || own > last) {
    throw new CellError('USAGE', `${gateway} cannot be the address of the box in its network`, {
      why: 'it is the network or the broadcast address',
    });
  }
  return { gateway, prefix, first, last };
}

/**
 * The addresses a machine may take, each once. Where it begins is drawn from its id: an address that was just given up
 * is kept by resolvers and clients for a while, so the next machine should not get it.
 */
export function* candidates({ gateway, first, last }: Network, id: string): Generator<string> {
  const count = last - first + 1;
  const from = createHash('sha256').update(id).digest().readUInt32BE() % count;
  for (let step = 0; step < count; step++) {
    const address = toText(first + ((from + step) % count));
    if (address !== gateway) yield address;
  }
}

/**
 * Another interface of this computer with an address in the network, as `ip -o -4 address` prints them, or null: packets for
 * the machines would be sent there.
 */
export function taken(network: Network, bridge: string, shown: string): string | null {
  for (const line of shown.split('\n')) {
    const [, name = '', address = '', bits = ''] = /^\d+: (\S+) +inet ([\d.]+)(?:\/(\d+))?/.exec(line) ?? [];
    if (name === '' || name === bridge) continue;
    const size = 2 ** (32 - (bits === '' ? 32 : Number(bits)));
    const start = Math.floor(toNumber(address) / size) * size;
    if (start <= network.last && network.first <= start + size - 1) return name;
  }
  return null;
}
