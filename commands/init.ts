import { relative, resolve } from 'node:path';
import { Args, Flags } from '@oclif/core';
import { EXAMPLES, type Example, writeExample } from '../genome/init.ts';
import { CellCommand } from '../src/command.ts';

export default class Init extends CellCommand {
  static override summary = 'Write a small commented genome to start from.';
  static override description =
    'Writes genome.yaml, the programs of its functions, and the schema that editors complete from. It works as it is.';
  static override examples = [
    { command: '<%= config.bin %> init', description: 'one web function, into this folder' },
    { command: '<%= config.bin %> init garden --example crawler', description: 'a crawler, into garden/' },
  ];
  static override args = {
    folder: Args.string({ description: 'where to write', default: '.' }),
  };
  static override flags = {
    example: Flags.option({ options: EXAMPLES, default: 'small' as Example, description: 'which genome' })(),
    force: Flags.boolean({ description: 'write over files that are there' }),
  };

  async run() {
    const { args, flags } = await this.parse(Init);
    const files = await writeExample(flags.example, args.folder, flags.force);
    const folder = relative('', args.folder);
    const next = [...(folder === '' ? [] : [`cd ${folder}`]), 'cell validate', 'cell seed'];
    this.log(`Wrote the genome \`${flags.example}\` with ${files.length - 1} more files into ${args.folder}:`);
    for (const file of files) this.log(`  ${file}`);
    this.log(`\nNext:\n${next.map((line) => `  ${line}`).join('\n')}`);
    return { example: flags.example, folder: resolve(args.folder), files, next };
  }
}
