/**
 * A machine that its owner lends (`hosts`), seen from the machine: who has claimed it, and how the cell's keys stand
 * beside the owner's. The claim is made and removed by stacks/machines/hosts.script.ts; without one a machine is the
 * cell's alone.
 *
 * Light: a tick loads this.
 */
import { CellError } from '../errors.ts';
import type { Layout } from '../layout.ts';
import type { BirthId } from '../model.ts';
import { readIfThere } from './files.ts';

/** The lines of authorized_keys between these are the cell's, all others their owner's. sshd takes both for comments. */
export const KEYS_BEGIN = '# cell: begin. What is between these lines goes when the machine is given back.';
export const KEYS_END = '# cell: end.';

export interface Claim {
  readonly organism: string;
  readonly birth: BirthId;
}

/** Who has claimed this machine, or null where nobody needs to. */
export async function claimOn(layout: Layout): Promise<Claim | null> {
  const text = await readIfThere(layout.claim);
  if (text === null) return null;
  const field = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1] ?? '';
  return { organism: field('organism'), birth: field('birth') };
}

/**
 * Throws NOT_ALLOWED when the machine is claimed for another birth: a claim that ran out may have been taken over while
 * the one who had it was away, and two cells must never be made on one machine.
 */
export async function mustBeOurs(layout: Layout, birth: BirthId): Promise<void> {
  const claim = await claimOn(layout);
  if (claim === null || claim.birth === birth) return;
  throw new CellError('NOT_ALLOWED', 'This machine was claimed for another birth', {
    why: `it belongs to ${claim.organism}, birth ${claim.birth}`,
    suggestion: 'The attempt is taken back by itself; the next one takes another machine.',
  });
}

/** The text of authorized_keys with `ours` in the place of what was the cell's, and the owner's lines as they are. */
export function besideOwner(current: string, ours: string): string {
  return `${KEYS_BEGIN}\n${ours}${KEYS_END}\n${ownersLines(current)}`;
}

/** What is not the cell's, to the byte. A begin without an end is only a line: better a key too many than the owner's lost. */
export function ownersLines(current: string): string {
  const lines = current.split('\n');
  const begin = lines.indexOf(KEYS_BEGIN);
  const end = lines.indexOf(KEYS_END, begin + 1);
  if (begin < 0 || end < 0) return lines.filter((line) => line !== KEYS_BEGIN).join('\n');
  return [...lines.slice(0, begin), ...lines.slice(end + 1)].join('\n');
}
