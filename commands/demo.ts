import { Flags } from '@oclif/core';
import { CellCommand } from '../src/command.ts';
import { untilInterrupted } from '../src/terminal.ts';

export default class Demo extends CellCommand {
  static override summary =
    'The whole story on this computer: seed, load, throttle, divide, rewire, heal, shrink, destroy.';
  static override description = 'Takes one to three minutes, needs no account, leaves nothing behind.';
  static override examples = [
    { command: '<%= config.bin %> demo', description: 'watch it' },
    { command: '<%= config.bin %> demo --no-kill', description: 'without the death of a cell' },
  ];
  static override flags = {
    rate: Flags.integer({
      description: 'requests a second at the height of the load',
      default: 160,
      min: 1,
      max: 2000,
    }),
    kill: Flags.boolean({ description: 'kill one cell like a machine', default: true, allowNo: true }),
  };

  async run() {
    const { flags } = await this.parse(Demo);
    const signal = untilInterrupted('Stopping: everything is taken apart first. Ctrl-C again leaves it as it is.');
    const { demo } = await import('../src/demo.ts');
    const report = await demo({ say: (line) => this.logToStderr(line), signal, rate: flags.rate, kill: flags.kill });
    this.log(
      `${report.cellsAtMost} cells at most, ${report.planned.sent} requests, ${report.planned.failed} failed in planned moves, ${report.seconds} s.`,
    );
    return report;
  }
}
