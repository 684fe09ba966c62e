/** The addresses of this machine's own interfaces. */
import { networkInterfaces } from 'node:os';

/** Loopback left out. */
export function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((all = []) =>
    all.filter(({ internal }) => !internal).map(({ address }) => address),
  );
}
