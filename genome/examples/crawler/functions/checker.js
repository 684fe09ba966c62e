/**
 * The health checker: asks every API that is known whether it is well, and reports. Two bad answers in a row make an API
 * unhealthy, one good answer makes it healthy: quick to bring a new one in, not nervous about throwing one out.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { dataFile, openJournal } from './lib/journal.js';
import { serve } from './lib/serve.js';
import { call, places } from './lib/where.js';

const EVERY = Number(process.env.EVERY_MS ?? 1_000);
const BAD_IN_A_ROW = 2;
/** How many changes are remembered. */
const MAX_HISTORY = 500;

/** By cell: { cell, url, domain, healthy, failures, since, rps, why }. */
const known = new Map();
const history = [];
let stopped = false;

const journal = await openJournal(dataFile('history.jsonl'), {
  apply(change) {
    history.push(change);
    if (history.length > MAX_HISTORY) history.shift();
  },
  snapshot: () => [...history],
  size: () => history.length,
});

async function probe(place) {
  try {
    const { status } = await call(place, { path: '/health', timeout: 1_500 });
    if (status !== 200) return { ok: false, why: `answers ${status}`, rps: null };
    const { json } = await call(place, { path: '/metrics', timeout: 1_500 });
    return { ok: true, why: 'answers', rps: json?.rps ?? null };
  } catch (error) {
    return { ok: false, why: error.code ?? error.name, rps: null };
  }
}

async function check(place) {
  const { ok, why, rps } = await probe(place);
  const before = known.get(place.cell) ?? { healthy: false, failures: 0, since: Date.now() };
  const failures = ok ? 0 : before.failures + 1;
  const healthy = ok || (before.healthy && failures < BAD_IN_A_ROW);
  const since = healthy === before.healthy ? before.since : Date.now();
  known.set(place.cell, {
    cell: place.cell,
    url: place.url,
    domain: place.domain ?? null,
    healthy,
    failures,
    since,
    rps,
    why,
  });
  if (healthy !== before.healthy) await journal.append({ at: since, cell: place.cell, healthy, why });
}

async function watch() {
  while (!stopped) {
    const now = places('api');
    for (const cell of known.keys()) if (!now.some((place) => place.cell === cell)) known.delete(cell);
    await Promise.all(now.map(check));
    await sleep(EVERY);
  }
}

serve({
  routes: {
    'GET /report': () => ({ json: { at: Date.now(), apis: [...known.values()] } }),
    'GET /history': () => ({ json: { changes: history } }),
  },
  metrics: () => ({ apis: known.size, healthy: [...known.values()].filter((api) => api.healthy).length }),
  close: async () => {
    stopped = true;
    await journal.close();
  },
});
void watch();
