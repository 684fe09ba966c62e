/**
 * The search: an index of words over the database's items. It follows the database by asking for changes, so nothing has
 * to be told to it, and keeps what it took in a file, so that a restart goes on from there.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { dataFile, openJournal } from './lib/journal.js';
import { serve } from './lib/serve.js';
import { call, places } from './lib/where.js';

const EVERY = Number(process.env.FOLLOW_EVERY_MS ?? 500);

const documents = new Map();
const keysByWord = new Map();
let cursor = { log: '', since: 0 };
let stopped = false;

const words = (text) =>
  new Set(
    String(text)
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? [],
  );

function put({ key, value, at }) {
  const old = documents.get(key);
  if (old !== undefined && old.at >= at) return;
  for (const word of old?.words ?? []) keysByWord.get(word)?.delete(key);
  const title = value?.title ?? '';
  const held = value === null ? new Set() : words(`${title} ${value.body ?? ''}`);
  documents.set(key, { key, value, at, title, words: held });
  for (const word of held) keysByWord.set(word, (keysByWord.get(word) ?? new Set()).add(key));
}

const journal = await openJournal(dataFile('documents.jsonl'), {
  apply(record) {
    if (record.cursor) cursor = record.cursor;
    else put(record);
  },
  snapshot: () => [...[...documents.values()].map(({ key, value, at }) => ({ key, value, at })), { cursor }],
  size: () => documents.size + 1,
});

/** Takes what changed in the database. True when there may be more at once. */
async function follow() {
  const [database] = places('database');
  const { status, json } = await call(database, { path: `/changes?${new URLSearchParams(cursor)}`, timeout: 5_000 });
  if (status !== 200) return false;
  await Promise.all(json.changes.map(({ key, value, at }) => journal.append({ key, value, at })));
  const moved = cursor.log !== json.log || cursor.since !== json.until;
  // After the items, so that a crash between the two only makes us take some again.
  if (moved) await journal.append({ cursor: { log: json.log, since: json.until } });
  return json.changes.length > 0;
}

async function keepFollowing() {
  while (!stopped) {
    const more = await follow().catch(() => false);
    await sleep(more ? 0 : EVERY);
  }
}

function search({ query }) {
  const sets = [...words(query.get('q') ?? '')].map((word) => keysByWord.get(word) ?? new Set());
  const keys = sets.length === 0 ? new Set() : sets.reduce((all, some) => all.intersection(some));
  const found = [...keys].map((key) => documents.get(key)).sort((a, b) => b.at - a.at);
  return { json: { found: found.slice(0, 50).map(({ key, title, at }) => ({ key, title, at })) } };
}

serve({
  routes: { 'GET /search': search },
  metrics: () => ({ documents: [...documents.values()].filter(({ value }) => value !== null).length }),
  close: async () => {
    stopped = true;
    await journal.close();
  },
});
void keepFollowing();
