/**
 * Before a session, one line each way: do we know the same? The caller says the digest of all it knows, the one who is
 * called answers `same` and is done, or `more`, and the session (session.ts) follows.
 *
 * The digest is kept in a file as well, so that the command behind the door can answer `same` from the shell, before
 * any Node is started (effects/artefacts.ts, `shim`). A file that is behind, after a kill, costs one exchange at the
 * most: the next tick writes it anew.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { replaceInAnyCase } from '../effects/replace.ts';
import { CellError } from '../errors.ts';
import { doorOf } from './door.ts';
import { GREETING_S } from './limits.ts';
import type { Memory } from './memory.ts';
import { readPulses } from './pulses.ts';
import { forksOf, readQuarantine } from './quarantine.ts';
import { readHeads } from './repo.ts';

export const SAME = 'same';
export const MORE = 'more';
/** A digest and its line end; who sends more before a line end says something else. */
const LONGEST_LINE = 80;

/**
 * sha256 (hex) over every feed's tip, the genome, every pulse's number and which feeds are forked: equal for two that know
 * the same. A forked feed is cut back to where it was good, so its tip does not tell that somebody knows of the fork.
 */
export function digestOf(memory: Pick<Memory, 'home' | 'dir'>): string {
  const heads = [...readHeads(memory.dir)].map(([ref, commit]) => `${ref} ${commit}`);
  const pulses = Object.values(readPulses(memory.home)).map((pulse) => `pulse ${pulse.cell} ${pulse.seq}`);
  const forks = [...forksOf(readQuarantine(memory.home)).keys()].map((cell) => `fork ${cell}`);
  return createHash('sha256')
    .update([...heads, ...pulses, ...forks].sort().join('\n'))
    .digest('hex');
}

/** Keeps the digest where the shell finds it. Called after whatever may have changed it. */
export function keepDigest(memory: Pick<Memory, 'home' | 'dir'>): void {
  replaceInAnyCase(join(doorOf(memory.home), 'digest'), `${digestOf(memory)}\n`);
}

/** The first line of a stream; what came behind it is put back. Throws SYNC_FAILED or TIMEOUT. */
export function firstLine(input: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = Buffer.alloc(0);
    const timer = setTimeout(() => end(new CellError('TIMEOUT', 'The peer said nothing')), GREETING_S * 1000);
    const onEnd = () => end(new CellError('SYNC_FAILED', 'The peer ended before it said anything'));
    const onError = (error: Error) => end(error);
    const onReadable = () => {
      for (let chunk = input.read() as Buffer | null; chunk !== null; chunk = input.read() as Buffer | null) {
        seen = Buffer.concat([seen, chunk]);
        const at = seen.indexOf(10);
        if (at >= 0 && at <= LONGEST_LINE) {
          end(null);
          if (seen.length > at + 1) input.unshift(seen.subarray(at + 1));
          return resolve(seen.subarray(0, at).toString('latin1'));
        }
        if (seen.length > LONGEST_LINE) return end(new CellError('SYNC_FAILED', 'The peer speaks something else'));
      }
    };
    function end(error: Error | null): void {
      clearTimeout(timer);
      input.off('readable', onReadable).off('end', onEnd).off('error', onError);
      if (error !== null) reject(error);
    }
    input.on('readable', onReadable).on('end', onEnd).on('error', onError);
  });
}
