/**
 * The compute provider `hosts`: machines of one's own, listed in the genome. Nothing is made: a listed machine is claimed,
 * on the machine itself, and given back as it was found. What does something is in hosts.handler.ts and loaded late.
 */
import type { CloudGene } from '../../genome/schema.ts';
import { geneFor } from '../gene.ts';
import type { Json } from '../stack.ts';
import { type ComputeProvider, MACHINE, machineOf } from './machine.ts';

type HostsGene = Extract<CloudGene, { provider: 'hosts' }>;

/** The list as resources and credentials carry it: the host key without its comment. */
function listed(gene: HostsGene): Json {
  return gene.machines.map(({ address, port, user, hostKey }) => ({
    address,
    port,
    user,
    hostKey: hostKey.split(' ').slice(0, 2).join(' '),
  }));
}

export const hostsCompute: ComputeProvider = {
  name: 'hosts',
  engine: 'embedded',

  resources(need, gene) {
    // No `hostKey`: the machine keeps its own.
    const inputs = { ...need, machines: listed(geneFor('hosts', gene)), imprintKey: { $value: 'imprintKey' } };
    return [{ type: 'cell:hosts:Machine', name: MACHINE, inputs }];
  },

  reach(outputs) {
    const { address, sshPort, httpPort, user, root } = machineOf(outputs);
    return {
      address: String(address),
      sshPort: Number(sshPort),
      httpPort: Number(httpPort),
      user: String(user),
      root: String(root),
    };
  },

  hostKey(outputs) {
    return String(machineOf(outputs).hostKey);
  },

  monthly(gene) {
    return geneFor('hosts', gene).monthly;
  },

  async credential(gene) {
    const { resolveSecret } = await import('../../src/effects/secrets.ts');
    const own = geneFor('hosts', gene);
    return { privateKey: await resolveSecret(own.credentials), machines: listed(own) };
  },

  async list(organism, credential) {
    const { listMachines } = await import('./hosts.handler.ts');
    return listMachines(organism, credential);
  },

  async remove(id, credential) {
    const { giveBack } = await import('./hosts.handler.ts');
    await giveBack(id, credential);
  },

  async examine(gene) {
    const { looks } = await import('./hosts.handler.ts');
    const all = await looks(await hostsCompute.credential(gene, ''));
    const found = all.map(({ at, says }) => `${at} ${says}`).join('; ');
    if (all.every(({ good }) => good)) return { found };
    return { found, mend: 'See that each is on, lets the key in and answers with the listed host key.' };
  },
};
