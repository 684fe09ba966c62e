/**
 * The embedded compute provider: machines that are processes on this computer. Everything that does something is in
 * local.handler.ts and loaded late, for compiling and a quiet tick need none of it.
 */
import { join } from 'node:path';
import { geneFor } from '../gene.ts';
import type { Json } from '../stack.ts';
import { type ComputeProvider, MACHINE, machineOf } from './machine.ts';

export const localCompute: ComputeProvider = {
  name: 'local',
  engine: 'embedded',

  resources(need, gene) {
    const { network, sshPort, httpPort, runtime } = geneFor('local', gene);
    return [
      {
        type: 'cell:local:Machine',
        name: MACHINE,
        inputs: {
          ...need,
          network,
          sshPort,
          httpPort,
          runtime,
          imprintKey: { $value: 'imprintKey' },
          hostKey: { $secret: 'hostKey' },
        },
      },
    ];
  },

  reach(outputs) {
    const machine = machineOf(outputs);
    return {
      address: text(machine, 'address'),
      sshPort: number(machine, 'sshPort'),
      httpPort: number(machine, 'httpPort'),
      user: text(machine, 'user'),
      root: text(machine, 'root'),
    };
  },

  monthly(gene) {
    return geneFor('local', gene).monthly;
  },

  async credential(_gene, home) {
    return { dir: join(home, 'local', 'machines'), node: process.execPath };
  },

  async list(organism, credential) {
    const { listMachines } = await import('./local.handler.ts');
    return listMachines(organism, credential);
  },

  async remove(id, credential) {
    const { removeMachine } = await import('./local.handler.ts');
    await removeMachine(id, credential);
  },

  async forget(_organism, credential) {
    const { forgetMachines } = await import('./local.handler.ts');
    forgetMachines(credential);
  },
};

function text(outputs: { readonly [key: string]: Json }, key: string): string {
  const value = outputs[key];
  if (typeof value !== 'string') throw new Error(`the machine has no ${key}`);
  return value;
}

function number(outputs: { readonly [key: string]: Json }, key: string): number {
  const value = outputs[key];
  if (typeof value !== 'number') throw new Error(`the machine has no ${key}`);
  return value;
}
