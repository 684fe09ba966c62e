/**
 * A real server (PostgreSQL, Redis, HAProxy) as the child of one of our programs, which speaks HTTP for it.
 *
 * The two live and die together: the child ends with the program even when that is killed, and the program ends when the
 * child does, for whoever runs it to start anew.
 *
 * The same file lies in each example that needs it, so that an example can be copied as one folder; a test keeps the
 * copies alike.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A folder beside the function's data for sockets and such: this machine's, not to be carried along. */
export async function runFolder() {
  const folder = join(process.env.CELL_DATA ?? '.', 'run');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Servers that take orders from whoever reaches their socket have no business with a superuser's rights. */
export function refuseRoot() {
  if (process.getuid() === 0) throw new Error('this program does not run as root: give it a user of its own');
}

/**
 * Becomes the server ($1 and on), and leaves a guard behind that reads from the program. Nothing ever comes; at the end,
 * when the program is gone in whatever way, the guard gives the server the signal $0, if the process of that number is
 * still the one that began then. The guard is nobody's child: HAProxy waits for all of its own before it ends.
 *
 * Within systemd's sandbox there is no shorter way: what has the kernel send a signal at a parent's death
 * (`setpriv --pdeathsig`) sets capabilities as well, which is not allowed there.
 */
const GUARDED = `exec 3<&0
( (
  began() { set -- $(cat "/proc/$$/stat"); echo "\${22}"; }
  at=$(began)
  read -r nothing <&3
  [ "$(began)" = "$at" ] && kill -s "$0" $$
) & ) >/dev/null 2>&1
exec "$@" 3<&- </dev/null`;

const guarded = (signal, command, args) => ['-c', GUARDED, signal.slice(3), command, ...args];

/**
 * Starts a server. `endings` are the signals that end it, the gentle one first, each with the ms it is given; `orphaned` is
 * what it gets when this program is killed. Gives { child, ended, stop() }; that the server ended unasked ends this
 * program, too.
 */
export function startServer(command, args, { endings, orphaned = endings[0][0], stdout = 'inherit', cwd }) {
  const child = spawn('sh', guarded(orphaned, command, args), { cwd, stdio: ['pipe', stdout, 'inherit'] });
  let asked = false;
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`));
  }).then((how) => {
    child.stdin.destroy();
    if (asked) return how;
    console.error(`${command} ended with ${how}`);
    process.exit(1);
  });
  return {
    child,
    ended,
    async stop() {
      asked = true;
      for (const [signal, ms] of endings) {
        child.kill(signal);
        const over = await Promise.race([ended.then(() => true), sleep(ms, false)]);
        if (over) return;
      }
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Runs a tool to its end and gives what it printed; throws what it said when it failed. */
export function runTool(command, args) {
  const child = spawn('sh', guarded('SIGKILL', command, args), { stdio: ['pipe', 'pipe', 'pipe'] });
  const [out, err] = [[], []];
  child.stdout.on('data', (chunk) => out.push(chunk));
  child.stderr.on('data', (chunk) => err.push(chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => child.stdin.destroy());
    child.once('close', (code, signal) => {
      if (code === 0) resolve(Buffer.concat(out).toString('utf8'));
      else reject(new Error(`${command}: ${signal ?? `code ${code}`}: ${Buffer.concat(err).toString('utf8').trim()}`));
    });
  });
}

/**
 * Waits until a server that an earlier run left behind has come to its end, and ends it when it takes too long.
 * `holds(pid)` says whether the process is that server: a number in a stale file may be anybody's by now.
 */
export async function awaitLeftover(pidFile, holds, patience = 10_000) {
  const pid = existsSync(pidFile) ? Number.parseInt(readFileSync(pidFile, 'utf8'), 10) : 0;
  if (!(pid > 1)) return;
  const until = Date.now() + patience;
  while (holds(pid)) {
    if (Date.now() > until) process.kill(pid, 'SIGKILL');
    await sleep(50);
  }
}

/** Whether a process is there and works in that folder. */
export function worksIn(pid, folder) {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === folder;
  } catch {
    return false;
  }
}

/** Asks until the answer is something, and gives that; throws when it never is. */
export async function until(what, ask, within) {
  const deadline = Date.now() + within;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${within} ms`);
    await sleep(20);
  }
}
