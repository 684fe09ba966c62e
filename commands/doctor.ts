import { existsSync } from 'node:fs';
import { inspectGenome } from '../genome/read.ts';
import { CellCommand } from '../src/command.ts';
import { doctor, doctorText } from '../src/doctor.ts';

export default class Doctor extends CellCommand {
  static override summary = 'What this computer, these credentials and this genome still lack, and how to get it.';
  static override examples = [
    { command: '<%= config.bin %> doctor', description: 'ends with 1 when something needed is missing' },
  ];

  async run() {
    const { flags } = await this.parse(Doctor);
    const genome = existsSync(flags.genome) ? (await inspectGenome(flags.genome)).genome : null;
    const checks = await doctor(genome);
    this.log(doctorText(checks));
    if (genome === null)
      this.log(`No usable genome at ${flags.genome}: cell init makes one, cell validate says what is wrong.`);
    if (checks.some((check) => !check.ok && !check.optional)) process.exitCode = 1;
    return { checks };
  }
}
