import { Flags } from '@oclif/core';
import { readGenome } from '../genome/read.ts';
import { CellCommand } from '../src/command.ts';

export default class Plan extends CellCommand {
  static override summary =
    'Compare the genome with what is: what would be made or changed, and what it costs a month.';
  static override examples = [
    {
      command: '<%= config.bin %> plan',
      description: 'before seeding: the first cell; later: what differs in the genome',
    },
    { command: '<%= config.bin %> plan --detailed-exitcode', description: '0 nothing to do, 1 error, 2 changes' },
    { command: '<%= config.bin %> plan --markdown', description: 'for a pull request' },
  ];
  static override flags = {
    'detailed-exitcode': Flags.boolean({ description: 'end with 2 when there are changes' }),
    markdown: Flags.boolean({ description: 'as Markdown' }),
  };

  async run() {
    const { flags } = await this.parse(Plan);
    const { genome } = await readGenome(flags.genome);
    const [{ plan, planMarkdown, planText }, { joinIfInvited }] = await Promise.all([
      import('../src/plan.ts'),
      import('../src/invite.ts'),
    ]);
    await joinIfInvited(this.homeOf(flags));
    const report = await plan(this.homeOf(flags), flags.genome, genome);
    this.log(flags.markdown ? planMarkdown(report) : planText(report));
    if (flags['detailed-exitcode'] && report.changes > 0) process.exitCode = 2;
    return report;
  }

  /** With --detailed-exitcode 2 says that there are changes, so nothing else may. */
  override async catch(thrown: Error & { oclif?: { exit?: number }; code?: string }): Promise<void> {
    await super.catch(thrown);
    if (process.exitCode === 2 && this.argv.includes('--detailed-exitcode')) process.exitCode = 1;
  }
}
