/** What the providers of rented machines have in common: prices, and where a machine is reached. */
import { isIPv6 } from 'node:net';
import type { CloudGene } from '../../genome/schema.ts';
import { CellError } from '../../src/errors.ts';
import { CREATE_TIMEOUT_MS } from '../../src/limits.ts';
import type { Place, Reach } from '../../src/model.ts';
import { plainAddress } from '../address.ts';
import { centsOf, type Priced, tableOf } from '../prices/table.ts';
import type { Json, Outputs, ResourceSpec } from '../stack.ts';
import { HTTP_PORT, machineOf, type Price } from './machine.ts';

export type RentedGene = Extract<CloudGene, { provider: Priced }>;

/** Everybody, by IPv4 and by IPv6. */
export const EVERYBODY = { ipv4: '0.0.0.0/0', ipv6: '::/0' } as const;
/** Told to the plugin of a machine, whose maker waits for it. */
export const WITHIN = { create: `${CREATE_TIMEOUT_MS / 1000}s`, update: '15m', delete: '10m' } as const;
const SSH_PORT = 22;
const HTTPS_PORT = 443;

/** The provider of a plan: the credential has the same name (engines/pulumi.credentials.ts). */
export function providerOf(gene: RentedGene, cloud: string, inputs: ResourceSpec['inputs']): ResourceSpec {
  return { type: `pulumi:providers:${gene.provider}`, name: `${gene.provider}/${cloud}`, inputs };
}

/** What the genome says, else the price table; a volume of `disk` GiB where the table counts it apart. */
export function priceOf(gene: RentedGene, disk = 0): Price | null {
  if (gene.monthly !== undefined) return gene.monthly;
  const table = tableOf(gene.provider);
  const cents = centsOf(table, gene.region, gene.size, disk);
  return cents === null ? null : { cents, currency: table.currency };
}

export function placeOf({ provider, region }: RentedGene): Place {
  const { regions } = tableOf(provider);
  const at = Object.hasOwn(regions, region) ? regions[region] : undefined;
  return { region: `${provider} ${region}`, ...(at === undefined ? {} : { at }) };
}

/** Root, whatever user the image has: cloud-init.ts. Throws NOT_FOUND while the machine has no address. */
export function reachOf(address: unknown, address6?: unknown): Reach {
  if (typeof address === 'string' && address !== '') {
    const own = plainAddress6(address6);
    const both = own === null ? { address } : { address, address6: own };
    return { ...both, sshPort: SSH_PORT, user: 'root', root: '', httpPort: HTTP_PORT };
  }
  throw new CellError('NOT_FOUND', 'the machine has no address yet', {
    why: 'its provider says none',
    suggestion: 'This is tried again by itself.',
  });
}

/** By the outputs that have the addresses. */
export function reachAt(outputs: Outputs, output: string, output6: string): Reach {
  const machine = machineOf(outputs);
  const six = machine[output6];
  return reachOf(machine[output], Array.isArray(six) ? six[0] : six);
}

/** One spelling, without the length of its prefix, which some say with it; null for none. */
function plainAddress6(said: unknown): string | null {
  const [address = ''] = typeof said === 'string' ? said.split('/') : [];
  return isIPv6(address) && !address.includes('%') ? plainAddress(address) : null;
}

export interface Opened {
  readonly tcp: readonly number[];
  readonly udp: readonly number[];
}

/** SSH, what the ingress answers (HTTP/3 with HTTPS), and the functions' ports, which the machine's own filter narrows. */
export function opened({ web, ports }: { readonly web: readonly number[]; readonly ports: readonly number[] }): Opened {
  const tcp = [...new Set([SSH_PORT, ...web, ...ports])].sort((a, b) => a - b);
  return { tcp, udp: web.includes(HTTPS_PORT) ? [HTTPS_PORT] : [] };
}

/** The credential with what else its provider's calls need to know of the cloud. */
export function located(gene: Pick<RentedGene, 'endpoint'>, credential: { readonly [key: string]: Json }): Json {
  return gene.endpoint === undefined ? credential : { ...credential, endpoint: gene.endpoint };
}
