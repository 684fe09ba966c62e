/** How addresses are written, and how those of one machine are bound in a plan. */
import { isIPv6 } from 'node:net';

/** One spelling for an address: RFC 5952 for IPv6. */
export function plainAddress(address: string): string {
  return isIPv6(address) ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

/** The values that a voice's plan takes; an empty text where a machine has no second address. */
export function boundAddresses(reach: { readonly address: string; readonly address6?: string | undefined }) {
  return { address: reach.address, address6: reach.address6 ?? '' };
}

/** All that a machine has. */
export function addressesOf({ address, address6 }: { readonly address: string; readonly address6?: string }) {
  return address6 === undefined ? [address] : [address, address6];
}
