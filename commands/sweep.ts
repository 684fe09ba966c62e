import { Flags } from '@oclif/core';
import { CellCommand } from '../src/command.ts';
import { knownBirths } from '../src/decide/lineage.ts';
import { credentialsOf, genomeOf, lineageOf } from '../src/here.ts';
import { observe } from '../src/observe.ts';
import { removeStrays, strays, unasked } from '../src/sweep.ts';
import { confirmed } from '../src/terminal.ts';

export default class Sweep extends CellCommand {
  static override summary = "Machines and records that carry the organism's tags and that no lineage knows.";
  static override description = 'Ends with 1 while there are any, so that a pipeline notices.';
  static override examples = [
    { command: '<%= config.bin %> sweep', description: 'list them' },
    { command: '<%= config.bin %> sweep --destroy', description: 'remove them, after asking' },
  ];
  static override flags = {
    destroy: Flags.boolean({ description: 'remove what is found' }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  };

  async run() {
    const { flags } = await this.parse(Sweep);
    const { here } = await observe(this.homeOf(flags), { sync: true });
    const [genome, credentials] = await Promise.all([genomeOf(here), credentialsOf(here)]);
    const known = knownBirths(await lineageOf(here));
    const found = await strays(genome, credentials, known);
    const silent = await unasked(genome, credentials);
    for (const address of silent) this.log(`unasked  ${address}  does not answer: nobody can tell whose it is`);
    for (const { kind, what, birth } of found) this.log(`${kind}  ${what}  ${birth}`);
    if (found.length === 0) this.log('Nothing is astray.');
    if (found.length > 0 && flags.destroy) {
      await confirmed(`Remove ${found.length}?`, flags.yes);
      await removeStrays(genome, credentials, found);
    }
    const left = flags.destroy ? await strays(genome, credentials, known) : found;
    if (flags.destroy && found.length > 0)
      this.log(left.length === 0 ? 'Removed; nothing is left.' : `${left.length} left.`);
    if (left.length > 0) process.exitCode = 1;
    return { found, left, ...(silent.length > 0 ? { silent } : {}) };
  }
}
