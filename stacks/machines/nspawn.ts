/**
 * The compute provider `nspawn`: a Linux box of one's own that makes systemd-nspawn machines (src/box). It is driven over
 * SSH, by a key that can do that and nothing else; everything that does something is in nspawn.handler.ts.
 */
import { CellError } from '../../src/errors.ts';
import { geneFor } from '../gene.ts';
import { type ComputeProvider, MACHINE, machineOf } from './machine.ts';

export const nspawnCompute: ComputeProvider = {
  name: 'nspawn',
  engine: 'embedded',

  resources(need, gene) {
    const { box, image, cpus, memory } = geneFor('nspawn', gene);
    return [
      {
        type: 'cell:nspawn:Machine',
        name: MACHINE,
        inputs: {
          ...need,
          box: { address: box.address, port: box.port, hostKey: box.hostKey },
          image,
          ...(cpus === undefined ? {} : { cpus }),
          ...(memory === undefined ? {} : { memory }),
          imprintKey: { $value: 'imprintKey' },
          hostKey: { $secret: 'hostKey' },
        },
      },
    ];
  },

  reach(outputs) {
    const { address } = machineOf(outputs);
    if (typeof address !== 'string') throw new CellError('NOT_FOUND', 'the stack has no machine yet');
    return { address, sshPort: 22, httpPort: 80, user: 'root', root: '' };
  },

  monthly(gene) {
    return geneFor('nspawn', gene).monthly;
  },

  async credential(gene) {
    const { box, credentials } = geneFor('nspawn', gene);
    const { resolveSecret } = await import('../../src/effects/secrets.ts');
    return { box: { ...box }, privateKey: `${(await resolveSecret(credentials)).trim()}\n` };
  },

  async list(organism, credential) {
    const { listMachines } = await import('./nspawn.handler.ts');
    return listMachines(organism, credential);
  },

  async remove(id, credential) {
    const { removeMachine } = await import('./nspawn.handler.ts');
    await removeMachine(id, credential);
  },

  bake: {
    wanted: (gene) => geneFor('nspawn', gene).bake,
    async keep(birth, hashes, credential) {
      const { bakeStore } = await import('./nspawn.handler.ts');
      await bakeStore(birth, hashes, credential);
    },
  },

  async examine(gene, organism) {
    const [{ examineBox }, credential] = await Promise.all([
      import('./nspawn.handler.ts'),
      nspawnCompute.credential(gene, ''),
    ]);
    return examineBox(organism, geneFor('nspawn', gene), credential);
  },
};
