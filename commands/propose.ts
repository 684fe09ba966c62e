import { Flags } from '@oclif/core';
import { readGenome } from '../genome/read.ts';
import { CellCommand } from '../src/command.ts';
import { CellError } from '../src/errors.ts';
import { openHome } from '../src/here.ts';

export default class Propose extends CellCommand {
  static override summary = 'Propose the genome to the organism; the cells vote, and take it in if they accept it.';
  static override examples = [
    {
      command: '<%= config.bin %> propose --why "a larger cache"',
      description: 'cell proposals shows what comes of it',
    },
  ];
  static override flags = {
    why: Flags.string({ description: 'what people read in cell proposals', default: '' }),
    'raise-limits': Flags.boolean({ description: 'sign for a higher body.maxCells or body.maxMonthlyCost, too' }),
  };

  async run() {
    const { flags } = await this.parse(Propose);
    const { genome } = await readGenome(flags.genome);
    const home = this.homeOf(flags);
    const [{ joinIfInvited }, { carry, propose }] = await Promise.all([
      import('../src/invite.ts'),
      import('../src/propose.ts'),
    ]);
    await joinIfInvited(home);
    const here = await openHome(home);
    const wish = { genomeFile: flags.genome, genome, why: flags.why, raise: flags['raise-limits'] };
    const { proposal, created } = await propose(here, wish);
    if (proposal === null) {
      this.log('The organism has this genome.');
      return { proposal: null, created: false };
    }
    const why = created ? await carry(here, proposal.id) : null;
    if (why !== null) throw new CellError('NOT_ALLOWED', 'The cells refused it', { why });
    this.log(`${created ? 'Proposed' : 'Proposed before'}: genome ${proposal.genome.slice(0, 12)} as ${proposal.id}`);
    return { proposal: proposal.id, created };
  }
}
