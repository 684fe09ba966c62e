/**
 * The guardian: a shell that holds one end of a pipe whose other end only the machine has. When the machine ends, in
 * whatever way, the pipe closes, and the guardian ends everything that ran on the machine. Killing a machine with
 * SIGKILL is then the same as cutting its power.
 *
 * It is a shell, and not a Node, because every machine has one for all its life. It has a marker of its own, so that
 * it does not end itself, and an empty environment otherwise.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { GUARDIAN, hasProc, MACHINE } from './processes.ts';

const BY_MARKER = `
while read -r _; do :; done
for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  found=
  for file in $(grep -alF "$1" /proc/[0-9]*/environ 2>/dev/null); do
    pid=\${file#/proc/}
    found="$found \${pid%/environ}"
  done
  [ -z "$found" ] && break
  kill -9 $found 2>/dev/null
  sleep 0.02
done
rm -f "$2"`;

const BY_GROUP = `
while read -r _; do :; done
for file in "$3"/*; do
  [ -e "$file" ] && kill -9 -- "-\${file##*/}" 2>/dev/null
done
rm -f "$2"`;

/** Starts it. The caller must keep the returned process's stdin open for as long as the machine lives. */
export function startGuardian(marker: string, socket: string, groups: string): ChildProcess {
  const script = hasProc ? BY_MARKER : BY_GROUP;
  return spawn('/bin/sh', ['-c', script, 'guardian', `${MACHINE}=${marker}`, socket, groups], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', [GUARDIAN]: marker },
  });
}
