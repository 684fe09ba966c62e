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

const { values, positionals } = parseArgs({ options: { home: { type: 'string' } }, allowPositionals: true });
const home = resolve(values.home ?? process.env.CELL_HOME ?? '.cell');

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
  const report = await divide(await openHome(home), faultsFrom(process.env.CELL_FAULT));
  for (const line of report.outcomes) process.stderr.write(`${line}\n`);
}

try {
  await main();
} catch (error) {
  const known = error instanceof CellError ? error : null;
  if (positionals[0] === 'hand') {
    const said = { code: known?.code ?? 'REMOTE_FAILED', message: messageOf(error), why: known?.why };
    process.stdout.write(JSON.stringify({ error: said }));
  }
  process.stderr.write(`cell: ${messageOf(error)}${known?.why === undefined ? '' : `: ${known.why}`}\n`);
  if (known?.suggestion !== undefined && positionals[0] !== 'hand') process.stderr.write(`  ${known.suggestion}\n`);
  if (known === null && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
}
