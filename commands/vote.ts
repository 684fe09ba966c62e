import { Args, Flags } from '@oclif/core';
import { CellCommand } from '../src/command.ts';
import { openHome } from '../src/here.ts';

export default class Vote extends CellCommand {
  static override summary = 'Vote by hand, on a cell: its first yes stands, a no may become a yes.';
  static override examples = [
    {
      command: '<%= config.bin %> ssh amber-fox -- cell vote q4zcjitddnjpkp3iyy33qzp6ei yes',
      description: 'from a computer that is no cell',
    },
  ];
  static override args = {
    proposal: Args.string({ required: true, description: 'as cell proposals names it' }),
    vote: Args.string({ required: true, options: ['yes', 'no'], description: 'yes or no' }),
  };
  static override flags = { why: Flags.string({ description: 'what people read in cell proposals', default: '' }) };

  async run() {
    const { args, flags } = await this.parse(Vote);
    const { proposalsText, voteByHand } = await import('../src/proposals.ts');
    const here = await openHome(this.homeOf(flags));
    const report = await voteByHand(here, args.proposal, args.vote === 'yes', flags.why);
    this.log(proposalsText(report));
    return report;
  }
}
