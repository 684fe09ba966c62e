import { Args } from '@oclif/core';
import { CellCommand } from '../src/command.ts';
import { shellCommand } from '../src/effects/quote.ts';
import { lineageOf } from '../src/here.ts';
import { observe } from '../src/observe.ts';
import { findCell, onCell } from '../src/shell.ts';

export default class Ssh extends CellCommand {
  static override summary = 'A shell on a cell, or one command there. Its host key is pinned from its birth.';
  static override strict = false;
  static override examples = [
    { command: '<%= config.bin %> ssh amber-fox', description: 'a shell' },
    { command: '<%= config.bin %> ssh amber-fox -- uptime', description: 'one command; ends with its exit code' },
  ];
  static override args = { cell: Args.string({ description: 'name or id, or its beginning', required: true }) };

  async run() {
    const { args, argv, flags } = await this.parse(Ssh);
    const { here } = await observe(this.homeOf(flags), { sync: true });
    const words = (argv as string[]).slice(1);
    const command = words.length === 0 ? null : words.length === 1 ? (words[0] as string) : shellCommand(words);
    const ran = await onCell(here, findCell(await lineageOf(here), args.cell), command, this.jsonEnabled());
    process.exitCode = ran.code;
    return ran;
  }
}
