/** What a saga's file and its retries are when something is wrong for long. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { CellError } from '../src/errors.ts';
import { journalIn, newSaga, run } from '../src/journal.ts';
import { mended } from '../src/mended.ts';

function home(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cell-journal-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('a file that is no saga is set aside, and the others go on', async () => {
  const folder = home();
  const journal = journalIn(folder);
  await journal.save(newSaga(0, 'good', 'divide', 'reserve'));
  mkdirSync(join(folder, 'journal'), { recursive: true });
  for (const [name, text] of [
    ['half', '{"v":1,"id":"ha'],
    ['empty', ''],
    ['other', '[]'],
  ])
    writeFileSync(join(folder, 'journal', `${name}.json`), text as string);
  expect((await journal.open()).map(({ id }) => id)).toEqual(['good']);
  expect((await journal.open()).map(({ id }) => id)).toEqual(['good']);
  const kept = readdirSync(join(folder, 'journal')).filter((name) => name.endsWith('.damaged'));
  expect(kept.sort()).toEqual(['empty.json.damaged', 'half.json.damaged', 'other.json.damaged']);
});

test('a step is tried again within a minute, however often it failed', async () => {
  const journal = journalIn(home());
  const saga = newSaga(0, 'one', 'divide', 'only');
  const waits: number[] = [];
  const never = async (): Promise<void> => {
    throw new Error('no');
  };
  for (let count = 0; count < 8; count++) {
    await run(saga, [['only', never]], { journal, now: () => 1_000 });
    waits.push(saga.due - 1_000);
  }
  expect(waits).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
});

test('a damaged checkpoint is given up once; what else fails is not touched', async () => {
  const forgotten: string[] = [];
  const engine = { forget: async (stack: string) => void forgotten.push(stack) };
  const corrupt = () => new CellError('CHECKPOINT_CORRUPT', 'it cannot be read');
  const failing = (times: number, error: () => Error) => async () => {
    if (times-- > 0) throw error();
    return 'done';
  };
  const go = (work: () => Promise<string>) => mended(engine, 'a', () => {}, work);
  expect(await go(failing(0, corrupt))).toBe('done');
  await expect(go(failing(1, () => new Error('other')))).rejects.toThrow('other');
  expect(forgotten).toEqual([]);
  expect(await go(failing(1, corrupt))).toBe('done');
  await expect(go(failing(2, corrupt))).rejects.toThrow('it cannot be read');
  expect(forgotten).toEqual(['a', 'a']);
});
