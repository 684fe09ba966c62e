import { Args, Flags } from '@oclif/core';
import { CellCommand } from '../src/command.ts';
import { destroyedText, destroyOrganism } from '../src/destroy.ts';
import { dismiss, mayDismiss } from '../src/farewell.ts';
import { lineageOf } from '../src/here.ts';
import { observe } from '../src/observe.ts';
import { findCell } from '../src/shell.ts';
import { confirmed, onInterrupt } from '../src/terminal.ts';

export default class Destroy extends CellCommand {
  static override summary = 'Take one cell, or the whole organism, apart in order, and prove that nothing is left.';
  static override description = 'A cell hands its functions back first. The whole organism takes its data with it.';
  static override examples = [
    { command: '<%= config.bin %> destroy', description: 'everything, after asking' },
    { command: '<%= config.bin %> destroy amber-fox', description: 'one cell; its parent takes over what it had' },
  ];
  static override args = { cell: Args.string({ description: 'one cell: name or id' }) };
  static override flags = {
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
    within: Flags.integer({ description: 'seconds to wait for one cell to be gone', default: 600, min: 1 }),
  };

  async run() {
    const { args, flags } = await this.parse(Destroy);
    const { here, status } = await observe(this.homeOf(flags), { sync: true });
    onInterrupt('Stopped. The same command goes on.');
    if (args.cell !== undefined) {
      const lineage = await lineageOf(here);
      const cell = findCell(lineage, args.cell);
      mayDismiss(here, lineage, cell);
      await confirmed(`Let ${cell.name} hand back ${cell.functions.join(', ') || 'nothing'} and go?`, flags.yes);
      await dismiss(here, cell, { withinMs: flags.within * 1000, why: 'destroyed by hand' });
      this.log(`${cell.name} is gone.`);
      return { destroyed: [cell.id] };
    }
    const names = status.cells.map((cell) => cell.name).join(', ');
    await confirmed(`Destroy ${status.organism} (${names}) with all its data?`, flags.yes);
    const gone = await destroyOrganism(here);
    this.log(`${status.organism} is gone: ${destroyedText(gone)}. The sweep finds nothing left.`);
    return { organism: status.organism, ...gone };
  }
}
