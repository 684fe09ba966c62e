/**
 * What a peer's key may run, and nothing else: one sync session on standard input and output.
 *
 * sshd starts it by the forced command in authorized_keys, which names the peer; what the peer asked to run
 * (SSH_ORIGINAL_COMMAND) is never looked at. It must start fast, since it is most of what a sync costs: nothing is
 * imported here but the session, which needs only Node's own modules. On a machine it runs as a user who can read no
 * secret and no key (effects/house.ts).
 */
import { loadId } from '../effects/keys.ts';
import { messageOf } from '../errors.ts';
import { digestOf, firstLine, keepDigest, MORE, SAME } from './greeting.ts';
import { openMemory } from './memory.ts';
import { converse } from './session.ts';

/** The value after a flag. No parser: this line of arguments is written by us, and a parser costs as much as a sync. */
function flag(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}

try {
  const home = flag('--home') ?? process.env.CELL_HOME;
  const peer = flag('--peer');
  if (home === undefined || peer === undefined) throw new Error('--home (or CELL_HOME) and --peer are needed');
  const memory = openMemory(home);
  const greeted = process.argv.includes('--greeted');
  const same = !greeted && (await firstLine(process.stdin)) === digestOf(memory);
  if (!greeted) process.stdout.write(`${same ? SAME : MORE}\n`);
  if (!same) {
    await converse(process.stdin, process.stdout, { memory, self: loadId(home), peer });
    keepDigest(memory);
  }
} catch (error) {
  const why = (error as { why?: string }).why;
  process.stderr.write(`cell sync: ${messageOf(error)}${why === undefined ? '' : `: ${why}`}\n`);
  process.exitCode = 1;
}
// A peer that keeps its end open must not keep this process.
process.stdin.destroy();
