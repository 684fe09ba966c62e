/**
 * A tick with nothing to do, apart from its sync session: there is one cell, so it has nobody to sync with. It starts as
 * the cell's service starts it, and senses three functions over HTTP.
 */
import type { Garden } from './garden.ts';
import { atMost, EMPTY_NODE, inTurn, type Measure, median, peakMemory, ratioOf, run, wall } from './measure.ts';

const ROUNDS = 21;
const ROUNDS_OF_MEMORY = 5;

export async function measureTick({ onFirst }: Garden): Promise<readonly Measure[]> {
  const tick = onFirst('divide');
  const idle = async () => {
    const { ms, stderr } = await run(tick);
    if (stderr !== '') throw new Error(`the tick was not idle: ${stderr}`);
    return ms;
  };
  const time = await inTurn(idle, wall(EMPTY_NODE), ROUNDS);
  const [ours, empty]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS_OF_MEMORY; round++) {
    ours.push(await peakMemory(tick));
    empty.push(await peakMemory(EMPTY_NODE));
  }
  return [
    ratioOf('idle tick, against `node -e 0`', 'ms', time, 4),
    atMost('idle tick: peak memory', 'MB', median(ours), 80, median(empty)),
  ];
}
