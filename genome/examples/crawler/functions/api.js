/**
 * The API: clients search through it, crawlers get their work from it and bring their results to it.
 *
 * Throttling: the hook leaves a level of 0 to 100 beside this program, and each message is held back the longer before
 * it is handed to a crawler the higher that is. So crawlers come less often and clients keep their share.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { throttleLevel } from './lib/level.js';
import { HttpError, serve } from './lib/serve.js';
import { ask, call, places } from './lib/where.js';

const SITE = process.env.SITE ?? 'http://www.crawler.test/site';
/** How long (ms) a message is held back at level 100. */
const LONGEST_HOLD = Number(process.env.LONGEST_HOLD_MS ?? 2_500);
/** After this long (ms) a page is crawled again. */
const REVISIT = Number(process.env.REVISIT_MS ?? 20_000);
/** Answers to clients are kept this long (ms), so that the database is asked once for many. */
const KEEP = Number(process.env.KEEP_MS ?? 1_000);
const MAX_KEPT = 500;
/** The database may be away this long (ms), as when it moves, before this API calls itself unhealthy. */
const PATIENCE = Number(process.env.PATIENCE_MS ?? 5_000);

const kept = new Map();
let held = 0;
/** Taken as seen at the start: the way to the database may be opened only after this program is healthy. */
let databaseSeen = Date.now();
let stopped = false;

const holdBack = () => (throttleLevel() / 100) * LONGEST_HOLD;

/** What `make` gave a moment ago under this key, else what it gives now. */
function remembered(key, make) {
  const old = kept.get(key);
  if (old && old.until > Date.now()) return old.value;
  const value = make();
  kept.set(key, { until: Date.now() + KEEP, value });
  if (kept.size > MAX_KEPT) kept.delete(kept.keys().next().value);
  value.catch(() => kept.delete(key));
  return value;
}

/** What the other databases have besides the one in use: pages that were crawled through other APIs. */
async function elsewhere(path) {
  const others = places('database')
    .slice(1)
    .filter((place) => place.healthy);
  const answers = await Promise.allSettled(others.map((place) => call(place, { path, timeout: 500 })));
  return answers.flatMap(({ value }) => (value?.status === 200 ? [value.json] : []));
}

async function search({ query }) {
  const words = query.get('q') ?? '';
  const limit = Math.min(Number(query.get('limit') ?? 10) || 10, 100);
  const path = `/search?${new URLSearchParams({ q: words, limit })}`;
  const pages = await remembered(path, async () => {
    const { status, json } = await ask('database', { path });
    if (status !== 200) throw new HttpError(503, `the database answers ${status}`);
    const found = new Map(json.pages.map((page) => [page.url, page]));
    if (found.size < limit) {
      for (const other of await elsewhere(path)) {
        for (const page of other.pages) if (!found.has(page.url)) found.set(page.url, page);
      }
    }
    return [...found.values()].slice(0, limit);
  });
  return { json: { query: words, pages } };
}

async function page({ id }) {
  const url = `${SITE}/page/${id}`;
  const path = `/pages?url=${encodeURIComponent(url)}`;
  const found = await remembered(url, async () => {
    const { status, json } = await ask('database', { path });
    return status === 200 ? json : ((await elsewhere(path))[0] ?? null);
  });
  if (found === null) throw new HttpError(404, `page ${id} has not been crawled yet`);
  return { json: found };
}

/** Hands the next message to a crawler, held back as the level says. 204: nothing now, come again. */
async function next({ gone, stopping }) {
  const asked = Date.now();
  held += 1;
  try {
    while (Date.now() - asked < holdBack() && !gone() && !stopping()) await sleep(25);
  } finally {
    held -= 1;
  }
  if (gone() || stopping()) return { status: 204 };
  const { status, json } = await ask('queue', { method: 'POST', path: '/lease', json: {} });
  return status === 200 ? { json } : { status: 204 };
}

/** Takes a crawler's result: page first, then its links, then the message itself, so that nothing is lost between. */
async function result({ json }) {
  const { id, lease, page: found } = await json();
  if (typeof id !== 'string' || typeof lease !== 'string') throw new HttpError(400, 'a result names its id and lease');
  if (found) {
    const { links = [], ...stored } = found;
    await expect(ask('database', { method: 'PUT', path: '/pages', json: stored }));
    kept.delete(stored.url);
    const messages = links.filter((url) => url.startsWith(SITE)).map((url) => ({ url }));
    await expect(ask('queue', { method: 'POST', path: '/messages', json: { messages } }));
  }
  const { status } = await ask('queue', { method: 'POST', path: '/ack', json: { id, lease, again: REVISIT } });
  return { json: { stored: Boolean(found), acknowledged: status === 200 } };
}

async function expect(call) {
  const { status, text } = await call;
  if (status >= 400) throw new HttpError(status < 500 ? 400 : 503, text);
}

/** Keeps an eye on the database. */
async function watchDatabase() {
  while (!stopped) {
    try {
      const { status } = await ask('database', { path: '/health', timeout: 1_000 });
      if (status === 200) databaseSeen = Date.now();
    } catch {
      // Away at the moment; health says so when it lasts.
    }
    await sleep(500);
  }
}

/** Sees to it that the queue has a first page to crawl: again now and then, should the queue have lost it. */
async function plantSeed() {
  const json = { messages: [{ url: `${SITE}/page/0` }] };
  while (!stopped) {
    const planted = await ask('queue', { method: 'POST', path: '/messages', json }).catch(() => null);
    await sleep(planted === null ? 250 : 10_000);
  }
}

serve({
  routes: {
    'GET /search': search,
    'GET /pages/:id': page,
    'GET /next': next,
    'POST /results': result,
  },
  healthy: () => Date.now() - databaseSeen < PATIENCE,
  metrics: () => ({
    held,
    level: throttleLevel(),
    holdBackMs: holdBack(),
    database: places('database')[0]?.cell ?? null,
  }),
  close: async () => {
    stopped = true;
  },
});
void watchDatabase();
void plantSeed();
