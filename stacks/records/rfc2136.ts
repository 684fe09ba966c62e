/** The DNS provider `rfc2136`. */
import type { DnsProvider } from './record.ts';

const never = (): never => {
  throw new Error('the provider rfc2136 is being built');
};

export const rfc2136Dns: DnsProvider = {
  name: 'rfc2136',
  engine: 'embedded',
  resources: never,
  credential: never,
  list: never,
  remove: never,
  resolve: never,
};
