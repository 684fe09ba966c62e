import { Flags } from '@oclif/core';
import { CellCommand } from '../src/command.ts';
import { setFrozen, switchedText } from '../src/freeze.ts';
import { openHome } from '../src/here.ts';

export default class Freeze extends CellCommand {
  static override summary = 'Stop all autonomous action, everywhere.';
  static override examples = [
    { command: '<%= config.bin %> freeze --why "maintenance"', description: 'every cell shows the reason' },
  ];
  static override flags = { why: Flags.string({ description: 'what people read in cell status', default: 'by hand' }) };

  async run() {
    const { flags } = await this.parse(Freeze);
    const switched = await setFrozen(await openHome(this.homeOf(flags)), true, flags.why);
    this.log(switchedText(switched));
    if (switched.unreached.length > 0) process.exitCode = 1;
    return switched;
  }
}
