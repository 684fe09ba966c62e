/** What a plan says it costs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseGenome } from '../genome/parse.ts';
import { plan } from '../src/plan.ts';
import { gardenAfter } from './genome/garden.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cell-plan-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// One machine costs 5 USD, and there may be four.
test.each([
  ['without stem cells', {}, 500, 2_000],
  ['with two of them', { 'body.stemCells': 2 }, 1_500, 2_000],
  ['with more than there may be', { 'body.stemCells': 9 }, 2_000, 2_000],
  ['with more than the cap pays for', { 'body.stemCells': 2, 'body.maxMonthlyCost': '12 USD' }, 1_000, 1_200],
])('the first cell %s', async (_, changes, after, most) => {
  const file = join(folder, 'genome.yaml');
  const text = gardenAfter(changes);
  writeFileSync(file, text);
  const { genome } = parseGenome(text, file);
  if (genome === null) throw new Error('no genome');
  const { monthly } = await plan(join(folder, 'home'), file, genome);
  expect(monthly).toMatchObject({ before: 0, after, most });
});
