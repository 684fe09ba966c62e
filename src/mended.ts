/**
 * Work on a stack whose checkpoint may be damaged, and its copy, too. It is given up then and the work done once more:
 * what the stack had made carries the tags of its birth, and is adopted by the next `up` or found by whoever unmakes it.
 */
import type { Engine } from '../stacks/engines/engine.ts';
import { CellError, explain } from './errors.ts';

/** Throws what the work throws, but CHECKPOINT_CORRUPT only if it does so twice. `anew` goes before the second time. */
export async function mended<T>(
  engine: Pick<Engine, 'forget'>,
  stack: string,
  log: (line: string) => void,
  work: () => Promise<T>,
  anew: () => Promise<void> = async () => {},
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CellError) || error.code !== 'CHECKPOINT_CORRUPT') throw error;
    log(`begun anew without its checkpoint: ${explain(error)}`);
    await engine.forget(stack);
    await anew();
    return work();
  }
}
