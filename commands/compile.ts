import { Args } from '@oclif/core';
import { readGenome } from '../genome/read.ts';
import { CellCommand } from '../src/command.ts';

export default class Compile extends CellCommand {
  static override summary = 'Show the stacks that the genome becomes; no cloud is asked.';
  static override description = 'The stacks of the first cell. The same genome gives the same output, to the byte.';
  static override examples = [
    { command: '<%= config.bin %> compile', description: 'stacks and resources as a list' },
    { command: '<%= config.bin %> compile --json', description: 'with all inputs' },
  ];
  static override args = {
    file: Args.string({ description: 'the genome, as with -g' }),
  };

  async run() {
    const { args, flags } = await this.parse(Compile);
    const { genome } = await readGenome(args.file ?? flags.genome);
    // The providers are loaded for a genome that can be compiled only.
    const { compile, firstCell, shown } = await import('../genome/compile.ts');
    const stacks = compile(genome, firstCell(genome));
    for (const stack of stacks) {
      this.log(`${stack.name} (${stack.kind}, ${stack.engine})`);
      for (const { type, name } of stack.resources) this.log(`  ${type}  ${name}`);
    }
    return { organism: genome.organism, stacks: stacks.map(shown) };
  }
}
