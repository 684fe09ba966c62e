import { CellCommand } from '../src/command.ts';

export default class Proposals extends CellCommand {
  static override summary = 'Genomes that are proposed: who voted, what is missing, and what to do next.';
  static override examples = [{ command: '<%= config.bin %> proposals', description: 'the accepted one, too' }];

  async run() {
    const { flags } = await this.parse(Proposals);
    const home = this.homeOf(flags);
    const [{ joinIfInvited }, { observe }, { proposalsReport, proposalsText }] = await Promise.all([
      import('../src/invite.ts'),
      import('../src/observe.ts'),
      import('../src/proposals.ts'),
    ]);
    await joinIfInvited(home);
    const report = await proposalsReport((await observe(home, { sync: true })).here);
    this.log(proposalsText(report));
    return report;
  }
}
