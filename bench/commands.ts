/** What a person waits for before anything happens. */
import type { Garden } from './garden.ts';
import { CLI } from './garden.ts';
import { EMPTY_NODE, inTurn, type Measure, ratioOf, wall } from './measure.ts';

const ROUNDS = 15;

export async function measureCommands({ onFirst }: Garden): Promise<readonly Measure[]> {
  const help = { file: process.execPath, args: [CLI, '--help'] };
  const empty = wall(EMPTY_NODE);
  return [
    ratioOf('cell --help, against `node -e 0`', 'ms', await inTurn(wall(help), empty, ROUNDS), 5),
    // On a cell, which its ticks keep up to date; elsewhere the cells are asked first.
    ratioOf(
      'cell status on a cell, against `node -e 0`',
      'ms',
      await inTurn(wall(onFirst('status')), empty, ROUNDS),
      5,
    ),
  ];
}
