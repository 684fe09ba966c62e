import { Args } from '@oclif/core';
import { countFindings, renderFindings } from '../genome/print.ts';
import { inspectGenome } from '../genome/read.ts';
import { CellCommand } from '../src/command.ts';

export default class Validate extends CellCommand {
  static override summary = 'Parse and check the genome; every finding with its place.';
  static override description = 'All findings at once, each with file:line:column. Ends with 1 when one is an error.';
  static override examples = [
    { command: '<%= config.bin %> validate', description: 'genome.yaml in this folder' },
    { command: '<%= config.bin %> validate other.yaml --json', description: 'findings for a program' },
  ];
  static override args = {
    file: Args.string({ description: 'the genome, as with -g' }),
  };

  async run() {
    const { args, flags } = await this.parse(Validate);
    const file = args.file ?? flags.genome;
    const { genome, findings } = await inspectGenome(file);
    const errors = findings.filter((finding) => finding.severity === 'error').length;
    if (genome === null) process.exitCode = 1;
    const width = process.stdout.columns;
    if (findings.length > 0) {
      this.log(renderFindings(findings, { colour: this.colour, ...(width === undefined ? {} : { width }) }));
    }
    if (genome === null) this.log(`${file}: ${countFindings(findings)}`);
    else {
      const functions = Object.keys(genome.functions).length;
      const noted = findings.length === 0 ? '' : `, ${countFindings(findings)}`;
      this.log(
        `${file}: valid (${genome.organism}, ${functions} ${functions === 1 ? 'function' : 'functions'})${noted}`,
      );
    }
    return { file, valid: genome !== null, errors, warnings: findings.length - errors, findings };
  }
}
