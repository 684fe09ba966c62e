/**
 * The queue: addresses to crawl, in a journal. Messages are on the disk; leases are not, since a queue that starts anew
 * may as well hand them out again.
 */
import { randomUUID } from 'node:crypto';
import { dataFile, openJournal } from './lib/journal.js';
import { MAX_ATTEMPTS, serveMessages, VISIBILITY } from './messages.js';

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

serveMessages({
  async add(list) {
    const fresh = list.filter(({ url }) => !messages.has(url));
    await Promise.all(fresh.map(({ url, due }) => journal.append({ id: randomUUID(), url, due, attempts: 0 })));
    return fresh.length;
  },
  async lease() {
    const now = Date.now();
    const message = earliest(now);
    if (message === null) return null;
    const lease = randomUUID();
    leases.set(message.id, { lease, until: now + VISIBILITY });
    const attempts = message.attempts + 1;
    await journal.append({ ...message, attempts, ...(attempts >= MAX_ATTEMPTS && { dead: true }) });
    return { id: message.id, url: message.url, attempts, lease };
  },
  async acknowledge({ id, lease, again }) {
    if (leases.get(id)?.lease !== lease) return 'that lease is not the current one';
    leases.delete(id);
    const message = [...messages.values()].find((candidate) => candidate.id === id);
    if (message === undefined) return 'that message is gone';
    const { url } = message;
    await journal.append(
      again === undefined ? { url, gone: true } : { id, url, due: Date.now() + Number(again), attempts: 0 },
    );
    return null;
  },
  stats() {
    const now = Date.now();
    const all = [...messages.values()];
    return {
      messages: all.length,
      due: all.filter((message) => !message.dead && message.due <= now).length,
      leased: [...leases.values()].filter(({ until }) => until > now).length,
      dead: all.filter((message) => message.dead).length,
    };
  },
  close: () => journal.close(),
});
