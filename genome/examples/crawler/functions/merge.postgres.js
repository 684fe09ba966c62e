/**
 * The merge hook of the database on PostgreSQL: a replica came home, and CELL_FROM is the folder with its dump. Its pages
 * go to the program that runs here; while none runs, into the database that it opens when it starts.
 */
import { readDump } from './lib/postgres.js';
import { call } from './lib/where.js';
import { openPages, pagesOf } from './pages.postgres.js';

const BATCH = 200;

const from = process.env.CELL_FROM;
if (!from) throw new Error('CELL_FROM is not set');
const home = { url: `http://${process.env.HOST}:${process.env.PORT}` };

async function toProgram(pages) {
  const { status, text } = await call(home, { method: 'POST', path: '/merge', json: pages });
  if (status !== 200) throw new Error(`the database answers ${status}: ${text}`);
}

const runs = await call(home, { path: '/health' }).then(
  () => true,
  (error) => {
    if (error.code === 'ECONNREFUSED') return false;
    throw error;
  },
);
const store = runs ? null : await openPages();
let count = 0;
await readDump(from, async (query) => {
  for await (const pages of pagesOf(query, BATCH)) {
    await (store === null ? toProgram(pages) : store.merge(pages));
    count += pages.length;
  }
});
await store?.close();
console.log(`merged ${count} pages`);
process.exit(0);
