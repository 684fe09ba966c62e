/**
 * The users of a machine that is an operating system: one for what other cells may ask for (the door), one for each
 * function. None has a password, and none but the door's can log in.
 *
 * Where a machine is a folder there is one user, and what asks for another gets none: `null`, an empty prefix.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { CellError, messageOf } from '../errors.ts';
import type { Layout } from '../layout.ts';
import type { FunctionName } from '../model.ts';

export interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/** useradd takes 32 characters; one less, as other tools count the end. */
const LONGEST = 31;
const PREFIX = 'cell-';

/** The user a function runs as; pure. Long names end in a hash, so that two that begin alike stay two. */
export function userName(functionName: FunctionName): string {
  const plain = PREFIX + functionName;
  if (plain.length <= LONGEST) return plain;
  const hash = createHash('sha256').update(functionName).digest('hex').slice(0, 8);
  return `${plain.slice(0, LONGEST - hash.length - 1)}-${hash}`;
}

/** The user of a function on this machine, or null where everything runs as one. */
export function userOf(layout: Pick<Layout, 'system'>, functionName: FunctionName): string | null {
  return layout.system ? userName(functionName) : null;
}

/** A user's numbers in the text of /etc/passwd; pure. */
export function idsIn(passwd: string, name: string): Ids | null {
  const line = passwd.split('\n').find((each) => each.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid === undefined || gid === undefined ? null : { uid: Number(uid), gid: Number(gid) };
}

/** A user's numbers, or null when there is none. Ours are always in the file, never in a directory service. */
export function idsOf(name: string): Ids | null {
  return idsIn(readFileSync('/etc/passwd', 'utf8'), name);
}

/** Makes a system user with a group of its own unless it is there. Throws REMOTE_FAILED when useradd says no. */
export async function ensureUser(
  name: string,
  { home, shell, why }: { readonly home: string; readonly shell: string; readonly why: string },
): Promise<Ids> {
  const known = idsOf(name);
  if (known !== null) return known;
  // `*` is no password's hash: there is none to guess, and keys are not refused as they are for `!` without PAM.
  const args = ['--system', '--user-group', '--no-create-home', '--home-dir', home, '--shell', shell];
  try {
    await promisify(execFile)('useradd', [...args, '--password', '*', '--comment', why, name]);
  } catch (cause) {
    // Two at once: the other one made it.
    if (idsOf(name) === null) {
      throw new CellError('REMOTE_FAILED', `The user ${name} could not be made on this machine`, {
        why: messageOf(cause),
        cause,
      });
    }
  }
  const made = idsOf(name);
  if (made === null) throw new CellError('REMOTE_FAILED', `useradd made no user ${name}`);
  return made;
}

/**
 * What goes before a command so that it runs as a function's user, with nothing that a program could gain more by. Empty
 * where everything runs as one user.
 */
export function asFunction(layout: Pick<Layout, 'system'>, functionName: FunctionName): readonly string[] {
  const user = userOf(layout, functionName);
  if (user === null) return [];
  const drops = ['--no-new-privs', '--bounding-set=-all', '--inh-caps=-all'];
  return ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', ...drops, '--'];
}

/** Gives a folder and what is in it to a function's user. Links are not followed, also when they change under it. */
export async function giveTo(
  layout: Pick<Layout, 'system'>,
  functionName: FunctionName,
  folder: string,
): Promise<void> {
  const user = userOf(layout, functionName);
  if (user === null) return;
  await promisify(execFile)('chown', ['-RhP', `${user}:${user}`, '--', folder]);
}
