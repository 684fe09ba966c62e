import { Flags } from '@oclif/core';
import { checkedDir } from '../../src/box/files.ts';
import { startBox } from '../../src/box/init.ts';
import { linuxHost } from '../../src/box/power.ts';
import { DEFAULT_DIR } from '../../src/box/words.ts';
import { CellCommand } from '../../src/command.ts';

export default class BoxStart extends CellCommand {
  static override summary = 'Boot the machines that should run: after the box itself was off.';
  static override examples = [{ command: '<%= config.bin %> box start', description: 'what a unit runs at boot' }];
  static override flags = {
    dir: Flags.string({ description: 'the box', default: DEFAULT_DIR, helpValue: 'DIR' }),
  };

  async run() {
    const { flags } = await this.parse(BoxStart);
    const machines = await startBox({ dir: checkedDir(flags.dir), host: linuxHost() });
    for (const { id, why } of machines) this.log(`${id}  ${why === null ? 'runs' : `does not run: ${why}`}`);
    if (machines.some(({ why }) => why !== null)) process.exitCode = 1;
    return { machines };
  }
}
