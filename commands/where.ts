import { Args } from '@oclif/core';
import { CellCommand } from '../src/command.ts';
import { whereAbouts } from '../src/decide/where.ts';
import { genomeOf, lineageOf } from '../src/here.ts';
import { observe } from '../src/observe.ts';
import { pulsesOf } from '../src/pulse.ts';
import { homeOf } from '../src/shell.ts';

export default class Where extends CellCommand {
  static override summary = 'Addresses that serve a function now, best first.';
  static override examples = [
    { command: '<%= config.bin %> where api', description: 'one line an address: URL, Host header, cell, health' },
  ];
  static override args = { function: Args.string({ description: 'the function', required: true }) };

  async run() {
    const { args, flags } = await this.parse(Where);
    const { here } = await observe(this.homeOf(flags), { sync: true });
    const [lineage, genome] = await Promise.all([lineageOf(here), genomeOf(here)]);
    homeOf(lineage, args.function);
    const self = here.identity.id;
    const abouts = whereAbouts({ lineage, genome, pulses: pulsesOf(here), self, now: here.clock() });
    const places = abouts.functions[args.function] ?? [];
    for (const place of places) {
      const health = place.healthy ? 'healthy' : 'not healthy';
      this.log([place.url ?? '-', place.domain ?? '-', place.cell, health].join('  '));
    }
    return { function: args.function, places };
  }
}
