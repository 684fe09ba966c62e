/**
 * The crawler: gets an address from an API, fetches the page, brings the result back. It works through the APIs that the
 * front lists, each in turn; so when a new API comes up, a share of the messages goes there without further ado.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from './lib/serve.js';
import { ask, call, places, where } from './lib/where.js';
import { readPage } from './text.js';

const WORKERS = Number(process.env.WORKERS ?? 4);
/** A worker begins at most one page in this time (ms). */
const PACE = Number(process.env.PACE_MS ?? 330);
/** How long (ms) the front's list is used. */
const FRESH = 1_000;

const counts = { crawled: 0, failed: 0 };
const list = { at: 0, apis: [] };
let turn = 0;
let stopped = false;

/** The APIs in the order in which to try them now. */
async function apis() {
  if (Date.now() - list.at > FRESH) {
    list.at = Date.now();
    try {
      const { json } = await ask('front', { path: '/apis', timeout: 2_000 });
      list.apis = json.apis;
    } catch {
      list.apis = places('api').filter((place) => place.healthy);
    }
  }
  turn += 1;
  return list.apis.map((_, i) => list.apis[(turn + i) % list.apis.length]);
}

/** A page of one of our own domains is asked where the function is; any other by its address. */
function fetchPage(url) {
  const { hostname, pathname, search } = new URL(url);
  const own = Object.keys(where().functions ?? {}).find((name) =>
    places(name).some((place) => place.domain === hostname),
  );
  return own === undefined
    ? call({ url }, { path: pathname + search, timeout: 5_000 })
    : ask(own, { path: pathname + search, timeout: 5_000 });
}

/** Brings a result to the API that handed out the message, or to another when that one has gone. */
async function bring(first, others, result) {
  for (const api of [first, ...others.filter((other) => other.cell !== first.cell)]) {
    try {
      const { status } = await call(api, { method: 'POST', path: '/results', json: result });
      if (status === 200) return;
    } catch {
      // The next one; when none takes it, the message comes round again.
    }
  }
  throw new Error('no API takes the result');
}

/** One message, from an API and back. False when there was nothing to do. */
async function work() {
  const listed = await apis();
  const [api] = listed;
  if (api === undefined) return false;
  const { status, json: message } = await call(api, { path: '/next' });
  if (status !== 200) return false;
  const { id, lease, url } = message;
  const answer = await fetchPage(url);
  const page =
    answer.status === 200
      ? { url, at: Date.now(), crawler: process.env.CELL_NAME ?? null, ...readPage(answer.text, url) }
      : null;
  await bring(api, listed, { id, lease, page });
  counts.crawled += 1;
  return true;
}

async function worker() {
  while (!stopped) {
    const began = Date.now();
    let busy = false;
    try {
      busy = await work();
    } catch (error) {
      counts.failed += 1;
      counts.lastFailure = error.message;
    }
    await sleep(busy ? Math.max(0, PACE - (Date.now() - began)) : Math.max(PACE, 500));
  }
}

serve({
  routes: { 'GET /apis': async () => ({ json: { apis: (await apis()).map(({ cell }) => cell) } }) },
  metrics: () => ({ ...counts, apis: list.apis.length }),
  close: async () => {
    stopped = true;
  },
});
for (let i = 0; i < WORKERS; i += 1) void worker();
