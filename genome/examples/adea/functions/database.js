/** The database: items by key, in a journal. */
import { randomUUID } from 'node:crypto';
import { itemSet } from './items.js';
import { dataFile, openJournal } from './lib/journal.js';
import { ME, serveItems } from './replica.js';

const items = itemSet();
/** By neighbour: { from, log, since }. A neighbour with another log (another cell's copy, a restored one) is read anew. */
const cursors = new Map();
/** Names this history. A copy that woke up on another cell is another history from there on. */
let log = null;

const journal = await openJournal(dataFile('items.jsonl'), {
  apply(record) {
    if (record.log) log = record.log;
    else if (record.cursor) cursors.set(record.cursor.from, record.cursor);
    else items.put(record);
  },
  snapshot: () => [{ log }, ...[...cursors.values()].map((cursor) => ({ cursor })), ...items.all()],
  size: () => items.size() + cursors.size + 1,
});
/**
 * Up to here changes are on the disk. Neighbours are told no more: after a crash a number that was never written down is
 * given again, and a neighbour that had seen it would miss the second change.
 */
let durable = items.lastSeq();
if (log?.cell !== ME) await journal.append({ log: { cell: ME, id: randomUUID() } });

/** Writes a version down under the next local number, if it wins. */
async function take(item) {
  if (!items.wouldTake(item)) return false;
  const seq = items.nextSeq();
  await journal.append({ ...item, seq });
  durable = Math.max(durable, seq);
  return true;
}

serveItems({
  log: log.id,
  async take(list) {
    const taken = await Promise.all(list.map(take));
    return taken.filter(Boolean).length;
  },
  tick: (now) => items.tick(now),
  get: (key) => items.get(key),
  newest: (limit) =>
    items
      .live()
      .sort((a, b) => b.at - a.at || (a.key < b.key ? -1 : 1))
      .slice(0, limit),
  count: () => items.live().length,
  changes(since, limit) {
    const changes = items.since(since, durable, limit);
    return { changes, until: changes.length === limit ? changes.at(-1).seq : durable };
  },
  cursor: (cell) => cursors.get(cell),
  keepCursor: (cursor) => journal.append({ cursor }),
  close: () => journal.close(),
});
