import { Args, Flags } from '@oclif/core';
import { checkedDir } from '../../src/box/files.ts';
import { listMachines, removeMachine } from '../../src/box/machines.ts';
import { linuxHost } from '../../src/box/power.ts';
import { DEFAULT_DIR } from '../../src/box/words.ts';
import { CellCommand } from '../../src/command.ts';
import { CellError } from '../../src/errors.ts';
import { confirmed } from '../../src/terminal.ts';

export default class BoxRemove extends CellCommand {
  static override summary = 'End machines of this box and remove them, whatever their organism thinks.';
  static override args = { machine: Args.string({ description: 'its id, as `cell box list` shows it' }) };
  static override examples = [
    { command: '<%= config.bin %> box remove garden-b0123456789', description: 'one, after asking' },
    { command: '<%= config.bin %> box remove --organism garden --yes', description: 'all of an organism' },
  ];
  static override flags = {
    dir: Flags.string({ description: 'the box', default: DEFAULT_DIR, helpValue: 'DIR' }),
    organism: Flags.string({ description: 'all machines of this one', helpValue: 'NAME' }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  };

  async run() {
    const { args, flags } = await this.parse(BoxRemove);
    const box = { dir: checkedDir(flags.dir), host: linuxHost() };
    const { machine } = args;
    if ((machine === undefined) === (flags.organism === undefined))
      throw new CellError('USAGE', 'Name one machine, or --organism');
    const ids = machine === undefined ? listMachines(box, flags.organism ?? '').map(({ id }) => id) : [machine];
    if (ids.length > 0) await confirmed(`Remove ${ids.join(', ')} and all data there?`, flags.yes);
    for (const id of ids) await removeMachine(box, id);
    this.log(ids.length === 0 ? 'There is nothing to remove.' : `Removed ${ids.join(', ')}.`);
    return { removed: ids };
  }
}
