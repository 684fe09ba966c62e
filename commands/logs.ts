import { Args, Flags } from '@oclif/core';
import { CellCommand } from '../src/command.ts';
import { lineageOf } from '../src/here.ts';
import { observe } from '../src/observe.ts';
import { findCell, homeOf, logCommand, onCell } from '../src/shell.ts';

export default class Logs extends CellCommand {
  static override summary = "What a function, or a cell's ticks, wrote.";
  static override examples = [
    { command: '<%= config.bin %> logs api', description: 'the function, on its first home' },
    { command: '<%= config.bin %> logs amber-fox -f', description: "a cell's ticks, followed" },
    { command: '<%= config.bin %> logs api --cell amber-fox', description: 'the function on that cell' },
  ];
  static override args = { what: Args.string({ description: 'a function or a cell', required: true }) };
  static override flags = {
    lines: Flags.integer({ char: 'n', description: 'how many lines', default: 100, min: 1 }),
    follow: Flags.boolean({ char: 'f', description: 'go on until Ctrl-C', exclusive: ['json'] }),
    cell: Flags.string({ description: 'on this cell', helpValue: 'CELL' }),
  };

  async run() {
    const { args, flags } = await this.parse(Logs);
    const { here } = await observe(this.homeOf(flags), { sync: true });
    const lineage = await lineageOf(here);
    const isFunction = lineage.homes[args.what] !== undefined;
    const cell = isFunction ? homeOf(lineage, args.what, flags.cell) : findCell(lineage, args.what);
    const command = logCommand(isFunction ? args.what : null, flags.lines, flags.follow);
    const ran = await onCell(here, cell, command, this.jsonEnabled());
    process.exitCode = ran.code;
    return ran;
  }
}
