/**
 * The database's HTTP API and its replication, over whatever keeps the items.
 *
 * Replication: (1) the link hook adds a neighbour to links.json, (2) this program asks that neighbour for its changes
 * since the last time, (3) takes those that win, (4) remembers how far it got. Changes taken from one neighbour count as
 * changes for the next, so they reach every database that is linked at all.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { HttpError, serve } from './lib/serve.js';
import { call, places } from './lib/where.js';
import { readLinks } from './links.js';

export const ME = process.env.CELL_NAME ?? 'alone';
const EVERY = Number(process.env.REPLICATE_EVERY_MS ?? 500);
const BATCH = 500;
/** So that any index can have it. */
const LONGEST_KEY = 1_000;

/**
 * Serves a store of items, each { key, value, at, by }, in which of two versions of an item one wins (items.js). A deleted
 * item has the value null.
 *
 * - `log` names this history; a store that woke up on another cell begins another;
 * - `take(items)` takes those that win, gives how many, and has them on the disk then;
 * - `tick(now)` is a time (ms) for a new writing, later than all that was seen;
 * - `get(key)`, `newest(limit)` (live ones) and `count()` read;
 * - `changes(since, limit)` gives { changes, until }: what was taken after a local number, oldest first, and the number
 *   to ask with next; nothing that a crash could take back;
 * - `cursor(cell)` and `keepCursor({ from, log, since })` say how far a neighbour was read; `close()` ends the store.
 */
export function serveItems(store) {
  let stopped = false;

  async function write(key, value) {
    const item = checked({ key, value, at: store.tick(Date.now()), by: ME });
    await store.take([item]);
    return item;
  }

  async function replicateFrom(link) {
    const cursor = await store.cursor(link.cell);
    const query = new URLSearchParams({ since: cursor?.since ?? 0, log: cursor?.log ?? '' });
    const { status, json } = await call(neighbour(link), { path: `/changes?${query}`, timeout: 5_000 });
    if (status !== 200) return false;
    await store.take(json.changes.map(checked));
    const moved = cursor?.log !== json.log || cursor.since !== json.until;
    if (moved) await store.keepCursor({ from: link.cell, log: json.log, since: json.until });
    return json.changes.length === BATCH;
  }

  async function replicate() {
    while (!stopped) {
      const more = await Promise.all(readLinks().map((link) => replicateFrom(link).catch(() => false)));
      await sleep(more.includes(true) ? 0 : EVERY);
    }
  }

  serve({
    routes: {
      'GET /items': async ({ query }) => {
        const limit = Math.min(Number(query.get('limit') ?? 100) || 100, 1_000);
        const newest = await store.newest(limit);
        return { json: { items: newest.map(({ key, value, at, by }) => ({ key, value, at, by })) } };
      },
      'GET /items/:id': async ({ id }) => {
        const item = await store.get(id);
        if (item === undefined || item.value === null) throw new HttpError(404, `no item ${id}`);
        return { json: { key: item.key, value: item.value, at: item.at, by: item.by } };
      },
      'PUT /items/:id': async ({ id, json }) => {
        const value = await json();
        if (value === null) throw new HttpError(400, 'null is for deleted items');
        return { json: await write(id, value) };
      },
      'DELETE /items/:id': async ({ id }) => {
        if (!(await store.get(id))?.value) throw new HttpError(404, `no item ${id}`);
        return { json: await write(id, null) };
      },
      'GET /changes': async ({ query }) => {
        const since = query.get('log') === store.log ? Number(query.get('since')) || 0 : 0;
        return { json: { log: store.log, ...(await store.changes(since, BATCH)) } };
      },
      'POST /merge': async ({ json }) => {
        const items = (await json()).map(checked);
        return { json: { taken: await store.take(items), of: items.length } };
      },
    },
    metrics: async () => ({
      items: await store.count(),
      log: store.log,
      links: readLinks().map(({ cell }) => cell),
    }),
    close: async () => {
      stopped = true;
      await store.close();
    },
  });
  void replicate();
}

function checked(item) {
  const { key, value = null, at, by } = item ?? {};
  if (typeof key !== 'string' || !Number.isFinite(at) || typeof by !== 'string')
    throw new HttpError(400, 'an item has key, value, at and by');
  if (key.length > LONGEST_KEY || key.includes('\0'))
    throw new HttpError(400, `no key for an item: ${key.slice(0, 40)}`);
  return { key, value, at, by };
}

/** Where a neighbour is now: by where.json, since its address may have changed after the link came up. */
function neighbour({ cell, url }) {
  return places(process.env.CELL_FUNCTION ?? 'database').find((place) => place.cell === cell) ?? { cell, url };
}
