import { Flags } from '@oclif/core';
import { readGenome } from '../genome/read.ts';
import { CellCommand } from '../src/command.ts';
import { bar, confirmed, onInterrupt, progressLine } from '../src/terminal.ts';

export default class Seed extends CellCommand {
  static override summary = 'Make the first cell. From then on nobody is in charge.';
  static override description = 'Interrupted anywhere, the same command goes on. Asks before it makes anything.';
  static override examples = [
    { command: '<%= config.bin %> seed', description: 'genome.yaml in this folder' },
    { command: '<%= config.bin %> seed --dry-run', description: 'what would be made; the same as cell plan' },
    { command: '<%= config.bin %> seed --yes --json', description: 'without being asked, for a program' },
  ];
  static override flags = {
    'dry-run': Flags.boolean({ description: 'only show what would be made' }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  };

  async run() {
    const { flags } = await this.parse(Seed);
    const { genome } = await readGenome(flags.genome);
    const home = this.homeOf(flags);
    const { plan, planText } = await import('../src/plan.ts');
    const report = await plan(home, flags.genome, genome);
    if (flags['dry-run']) {
      this.log(planText(report));
      return report;
    }
    this.logToStderr(planText(report));
    if (report.stacks.length > 0) await confirmed(`Seed ${genome.organism}?`, flags.yes);
    onInterrupt('Stopped. Run `cell seed` again to go on, or `cell destroy` to take apart what is there.');
    const line = progressLine();
    const [{ seed }, { faultsFrom }] = await Promise.all([import('../src/seed.ts'), import('../src/fault.ts')]);
    const cell = await seed({
      home,
      genomeFile: flags.genome,
      genome,
      faults: faultsFrom(process.env.CELL_FAULT),
      log: (text) => this.logToStderr(text),
      onProgress: (what, done, total) => line.draw(`  ${what} ${bar(done, total)}`),
      onStep: (_, step, ms) => {
        line.clear();
        if (ms === null) line.draw(`  ${step} …`);
        else this.logToStderr(`  ${step.padEnd(9)} ${ms} ms`);
      },
    });
    this.log(`${genome.organism} lives: ${cell.name} at ${cell.reach.address} performs ${cell.functions.join(', ')}.`);
    this.log('From here on nobody is in charge. Look at it with `cell status`.');
    return { organism: genome.organism, cell };
  }
}
