/**
 * The queue's HTTP API, over whatever keeps the messages. A message is leased to one crawler for a while; not
 * acknowledged in time, it is handed out again, so each is delivered at least once.
 */
import { HttpError, serve } from './lib/serve.js';

/** How long (ms) a crawler has for a message. */
export const VISIBILITY = Number(process.env.VISIBILITY_MS ?? 15_000);
/** A message that was handed out this often without success is put aside. */
export const MAX_ATTEMPTS = 8;

/**
 * Serves a store of messages, one for each address:
 *
 * - `add([{ url, due }])` gives how many were new; `lease()` the next as { id, url, attempts, lease }, or null;
 * - `acknowledge({ id, lease, again })` ends it or, with `again` (ms), has it handed out once more after that time; gives
 *   what is wrong, or null;
 * - `stats()` gives { messages, due, leased, dead }; `close()` ends the store.
 */
export function serveMessages(store) {
  async function put({ json }) {
    const { messages: list } = await json();
    if (!Array.isArray(list)) throw new HttpError(400, 'expected { messages: [{ url, delay }] }');
    const now = Date.now();
    const asked = new Map();
    for (const { url, delay = 0 } of list) {
      if (typeof url !== 'string' || !URL.canParse(url)) throw new HttpError(400, `${url} is not an address`);
      if (!asked.has(url)) asked.set(url, { url, due: now + Number(delay) });
    }
    return { status: 201, json: { added: await store.add([...asked.values()]) } };
  }

  async function lease() {
    const message = await store.lease();
    return message === null ? { status: 204 } : { json: message };
  }

  async function acknowledge({ json }) {
    const { id, lease: held, again } = await json();
    const wrong = await store.acknowledge({ id, lease: held, again });
    if (wrong !== null) throw new HttpError(409, wrong);
    return { json: { done: id } };
  }

  serve({
    routes: {
      'POST /messages': put,
      'POST /lease': lease,
      'POST /ack': acknowledge,
      'GET /stats': async () => ({ json: await store.stats() }),
    },
    metrics: () => store.stats(),
    close: () => store.close(),
  });
}
