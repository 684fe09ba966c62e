import { setTimeout as sleep } from 'node:timers/promises';
import { Flags } from '@oclif/core';
import { CellCommand } from '../src/command.ts';
import { observe } from '../src/observe.ts';
import { statusText } from '../src/status.ts';
import { untilInterrupted } from '../src/terminal.ts';

export default class Status extends CellCommand {
  static override summary = 'The organism as this computer sees it.';
  static override description = 'On a cell, what its last tick knew. Elsewhere the cells are asked first.';
  static override examples = [
    {
      command: '<%= config.bin %> status',
      description: 'cells, functions, pressures, and the reason for what is (not) done',
    },
    { command: '<%= config.bin %> status --watch', description: 'drawn anew each second' },
    { command: '<%= config.bin %> status --offline --json', description: 'what is known here, nobody asked' },
  ];
  static override flags = {
    watch: Flags.boolean({ char: 'w', description: 'draw anew each second, until Ctrl-C' }),
    offline: Flags.boolean({ description: 'ask nobody' }),
  };

  async run() {
    const { flags } = await this.parse(Status);
    const home = this.homeOf(flags);
    const stop = flags.watch ? untilInterrupted('') : null;
    for (;;) {
      const { status, unreached } = await observe(home, { sync: !flags.offline });
      if (stop !== null && process.stdout.isTTY) process.stdout.write('\u001b[2J\u001b[H');
      this.log(statusText(status));
      for (const { cell, why } of unreached) {
        const name = status.cells.find((one) => one.id === cell)?.name ?? cell;
        this.logToStderr(`not reached: ${name} (${why})`);
      }
      if (stop === null || stop.aborted) return status;
      await sleep(1000, undefined, { signal: stop }).catch(() => {});
      if (stop.aborted) return status;
    }
  }
}
