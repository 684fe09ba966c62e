import { setTimeout as sleep } from 'node:timers/promises';
import { Flags } from '@oclif/core';
import { CellCommand } from '../src/command.ts';
import { divide } from '../src/divide.ts';
import { faultsFrom } from '../src/fault.ts';
import { openHome } from '../src/here.ts';

/** Longer than any tick but one that divides. */
const PATIENCE_MS = 10_000;

export default class Divide extends CellCommand {
  static override summary = 'One tick of this cell: sense, sync, decide, act. What cron runs.';
  static override examples = [
    { command: '<%= config.bin %> divide', description: 'on a cell' },
    { command: '<%= config.bin %> divide --dry-run', description: 'the decision and its reasons, and nothing done' },
    { command: '<%= config.bin %> divide --now api', description: 'divide without waiting for pressure' },
  ];
  static override flags = {
    'dry-run': Flags.boolean({ description: 'decide and say why, but do nothing' }),
    now: Flags.string({
      description: 'divide because of this function; bounds and budget still hold',
      helpValue: 'FUNCTION',
    }),
  };

  async run() {
    const { flags } = await this.parse(Divide);
    const here = await openHome(this.homeOf(flags), (line) => this.logToStderr(line));
    const options = {
      ...faultsFrom(process.env.CELL_FAULT),
      dryRun: flags['dry-run'],
      ...(flags.now && { now: flags.now }),
    };
    // A person waits for the tick that is at work; cron's next one comes by itself.
    const deadline = flags['dry-run'] || flags.now !== undefined ? Date.now() + PATIENCE_MS : 0;
    let report = await divide(here, options);
    while (report.kind === 'busy' && Date.now() < deadline) {
      await sleep(100);
      report = await divide(here, options);
    }
    if (report.kind === 'busy') this.log('Another tick of this cell is at work; this one does nothing.');
    for (const action of report.decision?.actions ?? []) this.log(`${action.kind}: ${action.why}`);
    for (const { subject, why } of report.decision?.reasons ?? []) this.log(`${subject}: ${why}`);
    for (const outcome of report.outcomes) this.log(outcome);
    if (flags.now !== undefined && (report.decision?.actions.length ?? 0) === 0) process.exitCode = 1;
    return report;
  }
}
