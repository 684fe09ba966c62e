/**
 * A crash-safe store: one file to which records are appended, one JSON line each.
 *
 * A record is acknowledged when it is on the disk; records that arrive together share one flush. A line cut short by a
 * crash was never acknowledged and is cut off at the next start. When most lines are history, the file is written anew
 * beside the old one and renamed over it, so that a copy made at any moment is a whole one.
 *
 * The same file lies in each example, so that an example can be copied as one folder; a test keeps the copies alike.
 */
import { mkdirSync, readFileSync, truncateSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The file of that name among the function's data. */
export function dataFile(name) {
  return join(process.env.CELL_DATA ?? '.', 'data', name);
}

/** The records of a journal that nobody has open. A file that is not there has none. */
export function readJournal(file) {
  return scan(file).records;
}

/**
 * Opens a journal and applies what it holds.
 *
 * `apply(record)` puts one record into memory; it is called for old and for new ones, and must take a record twice.
 * `snapshot()` gives the records that say everything that memory holds; `size()` their number.
 */
export async function openJournal(file, { apply, snapshot, size }) {
  mkdirSync(dirname(file), { recursive: true });
  const found = scan(file);
  if (found.torn) truncateSync(file, found.whole);
  for (const record of found.records) apply(record);
  let lines = found.records.length;
  let handle = await open(file, 'a');
  let waiting = [];
  let flushing = null;

  async function flush() {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      await handle.appendFile(batch.map(({ line }) => line).join(''));
      await handle.datasync();
      lines += batch.length;
      for (const { done } of batch) done();
      if (lines > 2_000 + 3 * size()) await compact();
    }
    flushing = null;
  }

  async function compact() {
    const records = snapshot();
    // What waits is in the snapshot already; being written after it too does no harm, since records may come twice.
    const fresh = await open(`${file}.new`, 'w');
    await fresh.writeFile(records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    await fresh.sync();
    await fresh.close();
    await rename(`${file}.new`, file);
    await handle.close();
    handle = await open(file, 'a');
    lines = records.length;
  }

  /** Gives up: what is acknowledged is on the disk, and whoever starts the program again goes on from there. */
  function fail(error) {
    console.error(`cannot write ${file}: ${error.message}`);
    process.exit(1);
  }

  return {
    /** Resolves when the record is on the disk. Memory has it at once. */
    append(record) {
      apply(record);
      return new Promise((done) => {
        waiting.push({ line: `${JSON.stringify(record)}\n`, done });
        flushing ??= flush().catch(fail);
      });
    },
    async close() {
      await flushing;
      await handle.close();
    },
  };
}

function scan(file) {
  let bytes;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    if (error.code === 'ENOENT') return { records: [], torn: false, whole: 0 };
    throw error;
  }
  const whole = bytes.lastIndexOf(0x0a) + 1;
  const records = [];
  for (const line of bytes.subarray(0, whole).toString('utf8').split('\n')) {
    if (line === '') continue;
    try {
      records.push(JSON.parse(line));
    } catch {
      console.error(`${file}: left out a line that is not JSON`);
    }
  }
  return { records, torn: whole < bytes.length, whole };
}
