/** How a program that was started ended, for callers who need no more of what it said than why it failed. */
import type { ChildProcess } from 'node:child_process';

/** Null when it ended well, else the last line it said on stderr, or why it did not start. */
export function ended(child: ChildProcess): Promise<string | null> {
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2000);
  });
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code) => resolve(code === 0 ? null : said.trim().split('\n').at(-1) || `exit code ${code}`));
  });
}
