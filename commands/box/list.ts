import { Flags } from '@oclif/core';
import { checkedDir, readBox } from '../../src/box/files.ts';
import { listMachines } from '../../src/box/machines.ts';
import { linuxHost } from '../../src/box/power.ts';
import { DEFAULT_DIR } from '../../src/box/words.ts';
import { CellCommand } from '../../src/command.ts';

export default class BoxList extends CellCommand {
  static override summary = 'The machines of this box, of all organisms.';
  static override examples = [{ command: '<%= config.bin %> box list', description: 'address, state and whose' }];
  static override flags = {
    dir: Flags.string({ description: 'the box', default: DEFAULT_DIR, helpValue: 'DIR' }),
    organism: Flags.string({ description: 'of this one only', helpValue: 'NAME' }),
  };

  async run() {
    const { flags } = await this.parse(BoxList);
    const dir = checkedDir(flags.dir);
    const box = readBox(dir);
    const machines = listMachines({ dir, host: linuxHost() }, flags.organism ?? null);
    for (const { id, address, image, running, parent } of machines)
      this.log(`${id}  ${address}  ${running ? 'running' : 'off'}  ${image}  made by ${parent}`);
    if (machines.length === 0) this.log('There are no machines.');
    return { dir, ...box, machines };
  }
}
