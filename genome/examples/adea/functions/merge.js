/**
 * The merge hook of the database: a replica came home, and CELL_FROM is the folder of its data. Its items go to the
 * database that runs here; while none runs, they are added to its file, which it reads when it starts.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { itemSet } from './items.js';
import { dataFile, openJournal, readJournal } from './lib/journal.js';
import { call } from './lib/where.js';

const BATCH = 500;

const from = process.env.CELL_FROM;
if (!from) throw new Error('CELL_FROM is not set');
const file = [join(from, 'data', 'items.jsonl'), join(from, 'items.jsonl')].find((path) => existsSync(path));
const away = itemSet();
for (const record of file === undefined ? [] : readJournal(file)) if (record.key !== undefined) away.put(record);
const home = { url: `http://${process.env.HOST}:${process.env.PORT}` };
const items = away.all().map(({ seq, ...item }) => item);

async function toProgram() {
  for (let i = 0; i < items.length; i += BATCH) {
    const { status, text } = await call(home, { method: 'POST', path: '/merge', json: items.slice(i, i + BATCH) });
    if (status !== 200) throw new Error(`the database answers ${status}: ${text}`);
  }
}

async function toFile() {
  const here = itemSet();
  const journal = await openJournal(dataFile('items.jsonl'), {
    apply: (record) => record.key !== undefined && here.put(record),
    snapshot: () => [],
    size: () => Number.POSITIVE_INFINITY,
  });
  for (const item of items) if (here.wouldTake(item)) await journal.append({ ...item, seq: here.nextSeq() });
  await journal.close();
}

try {
  await toProgram();
} catch (error) {
  if (error.code !== 'ECONNREFUSED') throw error;
  await toFile();
}
console.log(`merged ${items.length} items`);
process.exit(0);
