import { Flags } from '@oclif/core';
import { CellCommand } from '../src/command.ts';
import { setFrozen, switchedText } from '../src/freeze.ts';
import { openHome } from '../src/here.ts';

export default class Thaw extends CellCommand {
  static override summary = 'Allow autonomous action again.';
  static override examples = [
    { command: '<%= config.bin %> thaw --why "maintenance is over"', description: 'what is kept in the lineage' },
  ];
  static override flags = { why: Flags.string({ description: 'what is kept in the lineage', default: 'by hand' }) };

  async run() {
    const { flags } = await this.parse(Thaw);
    const switched = await setFrozen(await openHome(this.homeOf(flags)), false, flags.why);
    this.log(switchedText(switched));
    if (switched.unreached.length > 0) process.exitCode = 1;
    return switched;
  }
}
