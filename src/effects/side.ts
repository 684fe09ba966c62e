/**
 * One end of a copy of data: a folder, and a shell in it as the user it belongs to. Here or on a machine, so that what is
 * done to a folder need not know on which end it is. As its user, for then a function that puts links where data was
 * gets nobody to read or write what it could not itself, and what arrives is its own.
 */
import { spawn } from 'node:child_process';
import { shellQuote } from './quote.ts';
import type { Remote } from './ssh.ts';

export interface Said {
  /** Null when it did not end by itself. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Side {
  readonly folder: string;
  /** What goes before a command, so that it runs as the folder's user; empty where everything runs as one. */
  readonly as: readonly string[];
  /** The machine it is on, whose commands run as that user already; null here. */
  readonly remote: Remote | null;
  /** Runs a line in the folder. Throws only when the machine does not answer. */
  sh(line: string, stdin?: string): Promise<Said>;
}

/** What was said last, for people. */
export function lastLine({ code, stderr }: Pick<Said, 'code' | 'stderr'>): string {
  return stderr.trim().split('\n').at(-1) || `exit code ${code}`;
}

export function sideHere(folder: string, as: readonly string[] = []): Side {
  return {
    folder,
    as,
    remote: null,
    sh: (line, stdin = '') =>
      new Promise((resolve) => {
        const [program = '', ...words] = [...as, '/bin/sh', '-c', line];
        const child = spawn(program, words, { cwd: folder, env: { ...process.env, LC_ALL: 'C' } });
        const said = { stdout: '', stderr: '' };
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          said.stdout += text;
        });
        child.stderr.setEncoding('utf8').on('data', (text: string) => {
          said.stderr += text;
        });
        // It may end without reading; its exit code says whether that is right.
        child.stdin.on('error', () => {});
        child.stdin.end(stdin);
        child.once('error', (error) => resolve({ code: null, stdout: said.stdout, stderr: error.message }));
        child.once('close', (code) => resolve({ code, ...said }));
      }),
  };
}

export function sideThere(remote: Remote, folder: string, as: readonly string[] = []): Side {
  const own = asUser(remote, as);
  return {
    folder,
    as,
    remote: own,
    sh: (line, stdin = '') => own.run(`cd ${shellQuote(folder)} && LC_ALL=C && export LC_ALL && ${line}`, { stdin }),
  };
}

/** The same machine, every command as somebody else. */
function asUser(remote: Remote, as: readonly string[]): Remote {
  if (as.length === 0) return remote;
  const before = as.map(shellQuote).join(' ');
  const line = (command: string) => `${before} /bin/sh -c ${shellQuote(command)}`;
  return {
    ...remote,
    run: (command, options) => remote.run(line(command), options),
    must: (command, options) => remote.must(line(command), options),
  };
}
