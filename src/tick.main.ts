/**
 * What a machine runs all day, without oclif: `divide` (one tick) and `hand OP` (what a parent asks for).
 * `cell divide` with any other flag goes through the CLI, to the same story.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { divide } from './divide.ts';
import { CellError, messageOf } from './errors.ts';
import { faultsFrom } from './fault.ts';
import { openHome } from './here.ts';
import { type Fields, logTo, onJournal } from './log.ts';

const { values, positionals } = parseArgs({ options: { home: { type: 'string' } }, allowPositionals: true });
const home = resolve(values.home ?? process.env.CELL_HOME ?? '.cell');

const log = logTo((text) => process.stderr.write(text), onJournal(process.env.JOURNAL_STREAM));

/** What an action is about, of all that an action may say. */
function subjectOf(about: Readonly<Record<string, unknown>>): Fields {
  const fields = ['function', 'child', 'birth', 'saga', 'cloud', 'level'] as const;
  return Object.fromEntries(fields.map((key) => [key, about[key] as string | number | undefined]));
}

async function readInput(): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8') || '{}');
}

async function main(): Promise<void> {
  if (positionals[0] === 'hand') {
    const { perform } = await import('./hands.ts');
    const answer = await perform(home, positionals[1] ?? '', await readInput());
    process.stdout.write(JSON.stringify({ ok: answer }));
    return;
  }
  await divide(await openHome(home, log), {
    ...faultsFrom(process.env.CELL_FAULT),
    onAction: ({ kind, why, ...about }) => log(`${kind}: ${why}`, 'notice', subjectOf(about)),
    onOutcome: ({ line, level, event }) => log(line, level, { event }),
  });
}

try {
  await main();
} catch (error) {
  const known = error instanceof CellError ? error : null;
  if (positionals[0] === 'hand') {
    const said = { code: known?.code ?? 'REMOTE_FAILED', message: messageOf(error), why: known?.why };
    process.stdout.write(JSON.stringify({ error: said }));
  }
  log(`cell: ${messageOf(error)}${known?.why === undefined ? '' : `: ${known.why}`}`, 'err', { code: known?.code });
  if (known?.suggestion !== undefined && positionals[0] !== 'hand') log(`  ${known.suggestion}`, 'err');
  if (known === null && error instanceof Error) log(error.stack ?? '', 'err');
  process.exitCode = 1;
}
