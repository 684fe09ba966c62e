import { CellCommand } from '../src/command.ts';
import { lineageOf, openHome } from '../src/here.ts';
import { syncEverybody } from '../src/sync.ts';

export default class Sync extends CellCommand {
  static override summary = 'Exchange state with every link now.';
  static override examples = [{ command: '<%= config.bin %> sync', description: 'who was reached, and why not' }];

  async run() {
    const { flags } = await this.parse(Sync);
    const here = await openHome(this.homeOf(flags));
    const results = await syncEverybody(here);
    const { cells } = await lineageOf(here);
    const links = results.map((link) => ({ ...link, name: cells[link.cell]?.name ?? link.cell }));
    if (links.length === 0) this.log('There is nobody to sync with.');
    for (const { name, ok, why } of links) this.log(`${name}  ${ok ? 'synced' : `not reached: ${why}`}`);
    if (links.some((link) => !link.ok)) process.exitCode = 1;
    return { links };
  }
}
