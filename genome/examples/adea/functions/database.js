/**
 * The database: items by key, replicated to the databases it is linked with.
 *
 * Replication: (1) the link hook adds a neighbour to links.json, (2) this program asks that neighbour for its changes
 * since the last time, (3) takes those that win, (4) remembers how far it got. Changes taken from one neighbour count as
 * changes for the next, so they reach every database that is linked at all.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { itemSet } from './items.js';
import { dataFile, openJournal } from './lib/journal.js';
import { HttpError, serve } from './lib/serve.js';
import { call, places } from './lib/where.js';
import { readLinks } from './links.js';

const ME = process.env.CELL_NAME ?? 'alone';
const EVERY = Number(process.env.REPLICATE_EVERY_MS ?? 500);
const BATCH = 500;

const items = itemSet();
/** By neighbour: { log, since }. A neighbour with another log (another cell's copy, a restored one) is read anew. */
const cursors = new Map();
/** Names this history. A copy that woke up on another cell is another history from there on. */
let log = null;
let stopped = false;

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
async function take({ key, value, at, by }) {
  if (!items.wouldTake({ key, value, at, by })) return false;
  const seq = items.nextSeq();
  await journal.append({ key, value, at, by, seq });
  durable = Math.max(durable, seq);
  return true;
}

async function write(key, value) {
  const item = { key, value, at: items.tick(Date.now()), by: ME };
  await take(item);
  return item;
}

function checked(item) {
  const { key, value = null, at, by } = item ?? {};
  if (typeof key !== 'string' || !Number.isFinite(at) || typeof by !== 'string')
    throw new HttpError(400, 'an item has key, value, at and by');
  return { key, value, at, by };
}

async function merge({ json }) {
  const taken = await Promise.all((await json()).map((item) => take(checked(item))));
  return { json: { taken: taken.filter(Boolean).length, of: taken.length } };
}

/** Where a neighbour is now: by where.json, since its address may have changed after the link came up. */
function neighbour({ cell, url }) {
  return places(process.env.CELL_FUNCTION ?? 'database').find((place) => place.cell === cell) ?? { cell, url };
}

async function replicateFrom(link) {
  const cursor = cursors.get(link.cell);
  const query = new URLSearchParams({ since: cursor?.since ?? 0, log: cursor?.log ?? '' });
  const { status, json } = await call(neighbour(link), { path: `/changes?${query}`, timeout: 5_000 });
  if (status !== 200) return false;
  await Promise.all(json.changes.map((item) => take(checked(item))));
  const moved = cursor?.log !== json.log || cursor.since !== json.until;
  if (moved) await journal.append({ cursor: { from: link.cell, log: json.log, since: json.until } });
  return json.changes.length === BATCH;
}

async function replicate() {
  while (!stopped) {
    const more = await Promise.all(readLinks().map((link) => replicateFrom(link).catch(() => false)));
    await sleep(more.includes(true) ? 0 : EVERY);
  }
}

function changes({ query }) {
  const since = query.get('log') === log.id ? Number(query.get('since')) : 0;
  const list = items.since(since, durable, BATCH);
  const until = list.length === BATCH ? list.at(-1).seq : durable;
  return { json: { log: log.id, changes: list, until } };
}

serve({
  routes: {
    'GET /items': ({ query }) => {
      const limit = Math.min(Number(query.get('limit') ?? 100) || 100, 1_000);
      const newest = items.live().sort((a, b) => b.at - a.at || (a.key < b.key ? -1 : 1));
      return { json: { items: newest.slice(0, limit).map(({ key, value, at, by }) => ({ key, value, at, by })) } };
    },
    'GET /items/:id': ({ id }) => {
      const item = items.get(id);
      if (item === undefined || item.value === null) throw new HttpError(404, `no item ${id}`);
      return { json: { key: item.key, value: item.value, at: item.at, by: item.by } };
    },
    'PUT /items/:id': async ({ id, json }) => {
      const value = await json();
      if (value === null) throw new HttpError(400, 'null is for deleted items');
      return { json: await write(id, value) };
    },
    'DELETE /items/:id': async ({ id }) => {
      if (!items.get(id)?.value) throw new HttpError(404, `no item ${id}`);
      return { json: await write(id, null) };
    },
    'GET /changes': changes,
    'POST /merge': merge,
  },
  metrics: () => ({ items: items.live().length, log: log.id, links: readLinks().map(({ cell }) => cell) }),
  close: async () => {
    stopped = true;
    await journal.close();
  },
});
void replicate();
