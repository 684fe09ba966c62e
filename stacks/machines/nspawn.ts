/**
 * The compute provider `nspawn`: a Linux box of one's own that makes systemd-nspawn machines (src/box). It is driven over
 * SSH, by a key that can do that and nothing else; everything that does something is in nspawn.handler.ts.
 */
import type { CloudGene } from '../../genome/schema.ts';
import { CellError } from '../../src/errors.ts';
import type { ComputeProvider } from './machine.ts';

/** One resource makes a whole machine; its name in the stack. */
const NAME = 'machine';

function nspawn(gene: CloudGene): Extract<CloudGene, { provider: 'nspawn' }> {
  if (gene.provider !== 'nspawn') throw new Error(`the provider nspawn was asked for ${gene.provider}`);
  return gene;
}

export const nspawnCompute: ComputeProvider = {
  name: 'nspawn',
  engine: 'embedded',

  resources(need, gene) {
    const { box, image, cpus, memory } = nspawn(gene);
    return [
      {
        type: 'cell:nspawn:Machine',
        name: NAME,
        inputs: {
          organism: need.organism,
          birth: need.birth,
          parent: need.parent,
          cloud: need.cloud,
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
    const address = outputs[NAME]?.address;
    if (typeof address !== 'string') throw new CellError('NOT_FOUND', 'the stack has no machine yet');
    return { address, sshPort: 22, httpPort: 80, user: 'root', root: '' };
  },

  monthly(gene) {
    return nspawn(gene).monthly;
  },

  async credential(gene) {
    const { box, credentials } = nspawn(gene);
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
    wanted: (gene) => nspawn(gene).bake,
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
    return examineBox(organism, nspawn(gene), credential);
  },
};
