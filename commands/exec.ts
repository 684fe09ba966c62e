import { Args, Flags } from '@oclif/core';
import { CellCommand } from '../src/command.ts';
import { CellError } from '../src/errors.ts';
import { lineageOf } from '../src/here.ts';
import { observe } from '../src/observe.ts';
import { execCommand, homeOf, onCell } from '../src/shell.ts';

export default class Exec extends CellCommand {
  static override summary = "Run a command in a function's folder, with its environment.";
  static override strict = false;
  static override examples = [
    { command: '<%= config.bin %> exec database -- ls data', description: 'on the first home of the function' },
    { command: '<%= config.bin %> exec api --cell amber-fox -- env', description: 'on that cell' },
  ];
  static override args = { function: Args.string({ description: 'the function', required: true }) };
  static override flags = { cell: Flags.string({ description: 'on this cell', helpValue: 'CELL' }) };

  async run() {
    const { args, argv, flags } = await this.parse(Exec);
    const words = (argv as string[]).slice(1);
    if (words.length === 0) {
      throw new CellError('USAGE', 'There is no command to run', {
        suggestion: `Give one: cell exec ${args.function} -- CMD`,
      });
    }
    const { here } = await observe(this.homeOf(flags), { sync: true });
    const lineage = await lineageOf(here);
    const cell = homeOf(lineage, args.function, flags.cell);
    const ran = await onCell(here, cell, execCommand(args.function, words), this.jsonEnabled());
    process.exitCode = ran.code;
    return ran;
  }
}
