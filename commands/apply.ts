import { Flags } from '@oclif/core';
import { readGenome } from '../genome/read.ts';
import { parseDuration } from '../genome/units.ts';
import { CellCommand } from '../src/command.ts';
import { CellError } from '../src/errors.ts';
import { openHome } from '../src/here.ts';
import { onInterrupt } from '../src/terminal.ts';

/** 0 it is everywhere, 1 refused or taken back, 3 still under way when time was up. */
const CODES = { nothing: 0, converged: 0, refused: 1, takenBack: 1, waiting: 3 } as const;

export default class Apply extends CellCommand {
  static override summary = 'Propose the genome to the organism, and follow the cells as they take it in.';
  static override description =
    'Stopped anywhere, the organism goes on, and the same command follows again. With --json one event a line. Exit codes: 0 every cell runs it, 1 refused or taken back, 2 wrong usage, 3 still under way when the time was up.';
  static override examples = [
    { command: '<%= config.bin %> apply', description: 'with the key of this home' },
    {
      command: '<%= config.bin %> apply --json --timeout 30m',
      description: 'in a pipeline, where CELL_ORGANISM and CELL_KEY are set',
    },
  ];
  static override flags = {
    why: Flags.string({ description: 'what people read in cell proposals', default: '' }),
    'raise-limits': Flags.boolean({ description: 'sign for a higher body.maxCells or body.maxMonthlyCost, too' }),
    timeout: Flags.string({ description: 'how long to follow', default: '30m' }),
  };

  async run() {
    const { flags } = await this.parse(Apply);
    const timeoutMs = parseDuration(flags.timeout);
    if (timeoutMs === null) {
      const suggestion = 'A number and a unit: 90s, 30m, 2h.';
      throw new CellError('USAGE', `--timeout ${flags.timeout} is no duration`, { suggestion });
    }
    const { genome } = await readGenome(flags.genome);
    const home = this.homeOf(flags);
    const [{ joinIfInvited }, { apply }] = await Promise.all([import('../src/invite.ts'), import('../src/apply.ts')]);
    await joinIfInvited(home);
    onInterrupt('Stopped looking. What was proposed goes on without this; run `cell apply` again to follow it.');
    const applied = await apply(await openHome(home), {
      genomeFile: flags.genome,
      genome,
      why: flags.why,
      raise: flags['raise-limits'],
      timeoutMs,
      tell: (event) => (this.jsonEnabled() ? this.logJson(event) : this.log(event.text)),
    });
    process.exitCode = CODES[applied.outcome];
    return { event: 'end', ...applied };
  }

  /** One event a line. */
  override logJson(json: unknown): void {
    process.stdout.write(`${JSON.stringify(json)}\n`);
  }
}
