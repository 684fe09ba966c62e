/** A Remote that is a shell on this computer, for tests of what is said to machines. */
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Remote, RunOptions, RunResult } from '../../src/effects/ssh.ts';

export interface ShellOptions {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly umask?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Called before a line runs; what it throws is how the machine fails. */
  readonly before?: (line: string) => void;
}

export function shellRemote({ uid, gid, umask = '022', env, before = () => {} }: ShellOptions = {}): Remote {
  async function run(line: string, options: RunOptions = {}): Promise<RunResult> {
    before(line);
    const who = { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) };
    const child = spawn('/bin/sh', ['-c', `umask ${umask}; ${line}`], { cwd: '/', env: env ?? process.env, ...who });
    const out = { stdout: '', stderr: '' };
    const { stdin = '', stdout } = options;
    child.stdin.on('error', () => {});
    if (typeof stdin === 'string' || Buffer.isBuffer(stdin)) child.stdin.end(stdin);
    else (stdin as Readable).pipe(child.stdin);
    if (stdout === undefined) {
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        out.stdout += text;
      });
    } else child.stdout.pipe(stdout);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      out.stderr += text;
    });
    const code = await new Promise<number>((resolve) => child.once('close', (status) => resolve(status ?? 255)));
    if (stdout !== undefined) await finished(stdout).catch(() => {});
    return { code, ...out };
  }
  return {
    reach: { address: 'there', sshPort: 22, httpPort: 80, user: 'x', root: '' },
    run,
    async must(line, options) {
      const result = await run(line, options);
      if (result.code !== 0) throw new Error(result.stderr);
      return result.stdout;
    },
    close() {},
  };
}
