/** The compute providers, by the name that a genome calls them. A new one is a line here. */
import type { CloudGene } from '../../genome/schema.ts';
import { awsCompute } from './aws.ts';
import { digitaloceanCompute } from './digitalocean.ts';
import { hostsCompute } from './hosts.ts';
import { linodeCompute } from './linode.ts';
import { localCompute } from './local.ts';
import type { ComputeProvider } from './machine.ts';
import { nspawnCompute } from './nspawn.ts';

const PROVIDERS: Readonly<Record<CloudGene['provider'], ComputeProvider>> = {
  local: localCompute,
  hosts: hostsCompute,
  nspawn: nspawnCompute,
  digitalocean: digitaloceanCompute,
  aws: awsCompute,
  linode: linodeCompute,
};

export function computeProvider(name: CloudGene['provider']): ComputeProvider {
  return PROVIDERS[name];
}
