/**
 * The merge hook of a database on PostgreSQL: a replica came home, and CELL_DUMP is the folder with its dump. What it holds
 * goes to the program that runs here; while none runs, into the database that it opens when it starts. It may run twice.
 *
 * The same file lies in each example that needs it, so that an example can be copied as one folder; a test keeps the
 * copies alike.
 */
import { readDump } from './postgres.js';
import { call } from './where.js';

const BATCH = 200;

/**
 * `rows(query, batch)` yields lists of what a dump holds, `open()` gives { merge(list), close() }, and the program takes the
 * same lists at POST /merge.
 */
export async function mergeDump({ what, rows, open }) {
  const from = process.env.CELL_DUMP;
  if (!from) throw new Error('CELL_DUMP is not set');
  const home = { url: `http://${process.env.HOST}:${process.env.PORT}` };

  async function toProgram(list) {
    const { status, text } = await call(home, { method: 'POST', path: '/merge', json: list });
    if (status !== 200) throw new Error(`the database answers ${status}: ${text}`);
  }

  const store = (await listens(home)) ? { merge: toProgram, close() {} } : await open();
  let count = 0;
  await readDump(from, async (query) => {
    for await (const list of rows(query, BATCH)) {
      await store.merge(list);
      count += list.length;
    }
  });
  await store.close();
  console.log(`merged ${count} ${what}`);
}

async function listens(place) {
  try {
    await call(place, { path: '/health' });
    return true;
  } catch (error) {
    if (error.code === 'ECONNREFUSED') return false;
    throw error;
  }
}
