/** The compute provider `hosts`. */
import type { ComputeProvider } from './machine.ts';

const never = (): never => {
  throw new Error('the provider hosts is being built');
};

export const hostsCompute: ComputeProvider = {
  name: 'hosts',
  engine: 'embedded',
  resources: never,
  reach: never,
  monthly: never,
  credential: never,
  list: never,
  remove: never,
};
