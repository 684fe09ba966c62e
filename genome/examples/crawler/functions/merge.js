/**
 * The merge hook of the database: a replica came home, and CELL_FROM is the folder of its data. Its pages go to the
 * database that runs here; while none runs, they are added to its file, which it reads when it starts.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { dataFile, openJournal, readJournal } from './lib/journal.js';
import { call } from './lib/where.js';

const BATCH = 200;

const from = process.env.CELL_FROM;
if (!from) throw new Error('CELL_FROM is not set');
const file = [join(from, 'data', 'pages.jsonl'), join(from, 'pages.jsonl')].find((path) => existsSync(path));
const pages = file === undefined ? [] : readJournal(file);
const home = { url: `http://${process.env.HOST}:${process.env.PORT}` };

async function toProgram() {
  for (let i = 0; i < pages.length; i += BATCH) {
    const { status, text } = await call(home, { method: 'POST', path: '/merge', json: pages.slice(i, i + BATCH) });
    if (status !== 200) throw new Error(`the database answers ${status}: ${text}`);
  }
}

async function toFile() {
  const journal = await openJournal(dataFile('pages.jsonl'), {
    apply() {},
    snapshot: () => [],
    size: () => Number.POSITIVE_INFINITY,
  });
  await Promise.all(pages.map((page) => journal.append(page)));
  await journal.close();
}

try {
  await toProgram();
} catch (error) {
  if (error.code !== 'ECONNREFUSED') throw error;
  await toFile();
}
console.log(`merged ${pages.length} pages`);
process.exit(0);
