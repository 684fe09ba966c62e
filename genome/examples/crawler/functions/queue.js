/**
 * The queue: addresses to crawl. A message is leased to one crawler for a while; not acknowledged in time, it is handed
 * out again, so each is delivered at least once. Messages are on the disk; leases are not, since a queue that starts
 * anew may as well hand them out again.
 */
import { randomUUID } from 'node:crypto';
import { dataFile, openJournal } from './lib/journal.js';
import { HttpError, serve } from './lib/serve.js';

/** How long (ms) a crawler has for a message. */
const VISIBILITY = Number(process.env.VISIBILITY_MS ?? 15_000);
/** A message that was handed out this often without success is put aside. */
const MAX_ATTEMPTS = 8;

/** By address: { id, url, due, attempts, dead }. One address is in the queue once. */
const messages = new Map();
/** By id: { lease, until }. */
const leases = new Map();

const journal = await openJournal(dataFile('messages.jsonl'), {
  apply({ gone, ...message }) {
    if (gone) messages.delete(message.url);
    else messages.set(message.url, message);
  },
  snapshot: () => [...messages.values()],
  size: () => messages.size,
});

function earliest(now) {
  let best = null;
  for (const message of messages.values()) {
    if (message.dead || message.due > now || (best !== null && best.due <= message.due)) continue;
    if ((leases.get(message.id)?.until ?? 0) > now) continue;
    best = message;
  }
  return best;
}

async function put({ json }) {
  const { messages: list } = await json();
  if (!Array.isArray(list)) throw new HttpError(400, 'expected { messages: [{ url, delay }] }');
  const fresh = new Map();
  for (const { url, delay = 0 } of list) {
    if (typeof url !== 'string' || !URL.canParse(url)) throw new HttpError(400, `${url} is not an address`);
    if (!messages.has(url)) fresh.set(url, { id: randomUUID(), url, due: Date.now() + Number(delay), attempts: 0 });
  }
  await Promise.all([...fresh.values()].map((message) => journal.append(message)));
  return { status: 201, json: { added: fresh.size } };
}

async function lease() {
  const now = Date.now();
  const message = earliest(now);
  if (message === null) return { status: 204 };
  const lease = randomUUID();
  leases.set(message.id, { lease, until: now + VISIBILITY });
  const attempts = message.attempts + 1;
  await journal.append({ ...message, attempts, ...(attempts >= MAX_ATTEMPTS && { dead: true }) });
  return { json: { id: message.id, url: message.url, attempts, lease } };
}

/** Done; or, with `again` (ms), to be handed out once more after that time. */
async function acknowledge({ json }) {
  const { id, lease, again } = await json();
  if (leases.get(id)?.lease !== lease) throw new HttpError(409, 'that lease is not the current one');
  leases.delete(id);
  const message = [...messages.values()].find((candidate) => candidate.id === id);
  if (message === undefined) throw new HttpError(409, 'that message is gone');
  const { url } = message;
  await journal.append(
    again === undefined ? { url, gone: true } : { id, url, due: Date.now() + Number(again), attempts: 0 },
  );
  return { json: { done: id } };
}

function stats() {
  const now = Date.now();
  const all = [...messages.values()];
  return {
    messages: all.length,
    due: all.filter((message) => !message.dead && message.due <= now).length,
    leased: [...leases.values()].filter(({ until }) => until > now).length,
    dead: all.filter((message) => message.dead).length,
  };
}

serve({
  routes: {
    'POST /messages': put,
    'POST /lease': lease,
    'POST /ack': acknowledge,
    'GET /stats': () => ({ json: stats() }),
  },
  metrics: stats,
  close: () => journal.close(),
});
