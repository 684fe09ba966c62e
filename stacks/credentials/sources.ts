/** From where a cell's requests will come, for credentials that can be bound to that. Pure. */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** Addresses that are somebody else's, or nobody's, outside of their own network (RFC 6890, RFC 4193). */
const PRIVATE = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  PRIVATE.addSubnet(network, bits, 'ipv4');
}

const isPublic4 = (address: string) => isIPv4(address) && !PRIVATE.check(address, 'ipv4');
/** Global unicast, 2000::/3 (RFC 4291 2.4). */
const isPublic6 = (address: string) => isIPv6(address) && /^[23]/.test(address);

/**
 * Networks (CIDR) out of what a machine is reached at and what its own interfaces say; none when any way out is not known,
 * for then a credential that is bound would be of no use on that way. A whole /64 of IPv6: hosts change within theirs.
 */
export function sourcesOf(reachedAt: string, interfaces: readonly string[]): readonly string[] {
  const all = [...new Set([reachedAt, ...interfaces])];
  if (!isPublic4(reachedAt) && !isPublic6(reachedAt)) return [];
  // An IPv4 way out that begins at a private address ends at one that only an address it is reached at can tell.
  const hidden = interfaces.some((address) => isIPv4(address) && !isPublic4(address));
  if (hidden && !isPublic4(reachedAt)) return [];
  const networks = all.flatMap((address) =>
    isPublic4(address) ? [`${address}/32`] : isPublic6(address) ? [`${prefix(address)}/64`] : [],
  );
  return [...new Set(networks)].sort();
}

/** The first 64 bits of an IPv6 address, as an address. */
function prefix(address: string): string {
  const [head = '', tail] = address.split('::');
  const groups = head.split(':').filter((group) => group !== '');
  const after = (tail ?? '').split(':').filter((group) => group !== '');
  const zeros = tail === undefined ? 0 : 8 - groups.length - after.length;
  const first = [...groups, ...Array(zeros).fill('0'), ...after].slice(0, 4);
  // Written as everybody writes it (RFC 5952), which is what a URL does.
  return new URL(`http://[${first.join(':')}::]`).hostname.slice(1, -1);
}
