/** A genome that rents machines, and what its bodies register with Pulumi. */
import { compile, type Who } from '../../../genome/compile.ts';
import type { StackPlan } from '../../../stacks/stack.ts';
import { GARDEN, gardenAfter, gardenGenome } from '../../genome/garden.ts';
import { type Registered, registered } from '../registered.ts';

export const WHO: Who = {
  birth: 'b0123456789',
  parent: 'abcdefghijklmnopqrstuvwxyz',
  cloud: 'near',
  functions: ['web', 'db'],
};

export const IMPRINT_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f';
export const HOST_KEY = '-----BEGIN OPENSSH PRIVATE KEY-----\nfirst\n-----END OPENSSH PRIVATE KEY-----\n';

const DNS = { provider: 'rfc2136', server: '192.0.2.53', key: 'k', credentials: 'file:dns.key' };

export const digitalocean = (more: object = {}) => ({
  ...{ provider: 'digitalocean', region: 'ams3', size: 's-1vcpu-1gb', credentials: 'env:DIGITALOCEAN_TOKEN' },
  ...more,
});
export const linode = (more: object = {}) => ({
  ...{ provider: 'linode', region: 'eu-central', size: 'g6-nanode-1', credentials: 'env:LINODE_TOKEN' },
  ...more,
});
export const aws = (more: object = {}) => ({
  ...{ provider: 'aws', region: 'eu-central-1', size: 't4g.micro', credentials: 'env:AWS_KEYS' },
  ...more,
});

export function genomeWith(near: object, more: Readonly<Record<string, unknown>> = {}) {
  return gardenGenome(gardenAfter({ 'clouds.near': near, dns: DNS, ...more }));
}

export function bodyOf(near: object, who: Partial<Who> = {}, more: Readonly<Record<string, unknown>> = {}): StackPlan {
  const [body] = compile(genomeWith(near, more), { ...WHO, ...who });
  if (body === undefined) throw new Error(`no body for ${GARDEN}`);
  return body;
}

/** By name, with the ids and outputs that the resources would have. */
export async function resourcesOf(plan: StackPlan): Promise<Readonly<Record<string, Registered>>> {
  const bindings = { values: { imprintKey: IMPRINT_KEY }, secrets: { hostKey: HOST_KEY } };
  const outputs = { key: { id: '512', fingerprint: '3b:16:e4' }, firewall: { id: '77' } };
  const all = await registered(plan, bindings, outputs);
  return Object.fromEntries(all.map((one) => [one.name, one]));
}
