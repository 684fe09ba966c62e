/**
 * The program behind `cell box serve`, started by sshd for an organism's key. Its arguments come from authorized_keys;
 * from the one who logged in come SSH_ORIGINAL_COMMAND and stdin.
 */
import { parseArgs } from 'node:util';
import { CellError } from '../errors.ts';
import { checkedDir } from './files.ts';
import { linuxHost } from './power.ts';
import { isOp } from './requests.ts';
import { answer, type Right } from './serve.ts';
import { DEFAULT_DIR, LARGEST_REQUEST, ORGANISM } from './words.ts';

/** A request is one small document, written at once. */
const STDIN_WITHIN_MS = 60_000;

function rightOf(): { readonly dir: string; readonly right: Right } {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: process.argv.slice(2).filter((word) => word !== 'serve'),
    options: { dir: text, organism: text, quota: text },
  });
  const quota = Number(values.quota);
  if (!ORGANISM.test(values.organism ?? '') || !Number.isInteger(quota) || quota < 0) {
    throw new CellError('USAGE', 'cell box serve --dir DIR --organism NAME --quota N');
  }
  return { dir: checkedDir(values.dir ?? DEFAULT_DIR), right: { organism: values.organism ?? '', quota } };
}

/** All of stdin, or as much as is too much already. Who sends nothing more is not waited for. */
async function stdin(): Promise<string> {
  setTimeout(() => process.exit(1), STDIN_WITHIN_MS).unref();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > LARGEST_REQUEST) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

// Whoever asked may be gone before the end: what was begun is finished all the same.
for (const signal of ['SIGHUP', 'SIGPIPE'] as const) process.on(signal, () => {});
process.stdout.on('error', () => process.exit(1));
const { dir, right } = rightOf();
const command = process.env.SSH_ORIGINAL_COMMAND ?? '';
const text = isOp(command) ? await stdin() : '';
const reply = await answer({ dir, host: linuxHost() }, right, command, text);
// Not waited for: a machine that was started goes on without us.
process.stdout.write(`${JSON.stringify(reply)}\n`, () => process.exit('ok' in reply ? 0 : 1));
