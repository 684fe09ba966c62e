/**
 * A sync session as a tick has it, in process over the system's `ssh`, beside `ssh host true` with the same options. With
 * nothing new the greeting is all of it; with a new pulse, as after each beat of the other, a Node answers there.
 *
 * Any log-in takes 40 ms more in about every second run: OpenSSH sets TCP_NODELAY after authentication only, and until
 * then the kernel may hold a small packet back for a delayed acknowledgement. Hence many rounds, and lower quartiles.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { sshArguments, syncWith } from '../src/memory/sync.ts';
import type { Garden } from './garden.ts';
import { inTurn, lowerQuartile, type Measure, ratioOf, reported, run, wall } from './measure.ts';

const ROUNDS = 32;
const ROUNDS_WITH_NEWS = 16;

export async function measureSession({ here, first, onFirst }: Garden): Promise<readonly Measure[]> {
  const { home, identity } = here;
  const bare = wall({ file: 'ssh', args: ['-T', ...sshArguments(first, home), 'true'] });
  const peer = { id: first.id, reach: first.reach, hostKey: first.hostKey };
  const session = async (pulses: number) => {
    const began = performance.now();
    const result = await syncWith(peer, { home, identity });
    // The result is there before ssh has ended; the baseline waits for that, and so does a tick.
    while (process.getActiveResourcesInfo().includes('ProcessWrap')) await sleep(1);
    const ms = performance.now() - began;
    if (result.pulses !== pulses) throw new Error(`a session with ${result.pulses} new pulses instead of ${pulses}`);
    return ms;
  };
  await syncWith(peer, { home, identity });
  const quiet = await inTurn(() => session(0), bare, ROUNDS, lowerQuartile);
  const news = await inTurn(
    async () => {
      await run(onFirst('divide'));
      return session(1);
    },
    bare,
    ROUNDS_WITH_NEWS,
    lowerQuartile,
  );
  return [
    ratioOf('sync session with nothing new, against `ssh host true`', 'ms', quiet, 1.5),
    reported('sync session with one new pulse, against `ssh host true`', 'ms', ...news),
  ];
}
