/** The compute provider `nspawn`. */
import type { ComputeProvider } from './machine.ts';

const never = (): never => {
  throw new Error('the provider nspawn is being built');
};

export const nspawnCompute: ComputeProvider = {
  name: 'nspawn',
  engine: 'embedded',
  resources: never,
  reach: never,
  monthly: never,
  credential: never,
  list: never,
  remove: never,
};
