/**
 * The database's HTTP API, over whatever keeps the pages. Of two versions of a page the later one stays, wherever it
 * comes from; so databases that were apart can be put together in any order, as often as one likes.
 */
import { HttpError, serve } from './lib/serve.js';

/** So that any index can have it. */
const LONGEST_URL = 2_000;

/**
 * Serves a store of pages, each { url, title, text, at, crawler }:
 *
 * - `merge(pages)` takes those that are later than what is there and gives how many; they are on the disk then;
 * - `get(url)` gives a page or undefined; `search(words, limit)` gives pages, the best first;
 * - `size()` is how many there are; `close()` ends the store.
 */
export function servePages(store) {
  serve({
    routes: {
      'PUT /pages': async ({ json }) => {
        const page = checked(await json());
        await store.merge([page]);
        return { json: { url: page.url, at: page.at } };
      },
      'GET /pages': async ({ query }) => {
        const page = await store.get(query.get('url'));
        if (page === undefined) throw new HttpError(404, 'no such page');
        return { json: page };
      },
      'GET /search': async ({ query }) => {
        const limit = Math.min(Number(query.get('limit') ?? 10) || 10, 100);
        const found = await store.search(query.get('q') ?? '', limit);
        return { json: { pages: found.map(({ url, title, at }) => ({ url, title, at })) } };
      },
      'POST /merge': async ({ json }) => {
        const list = (await json()).map(checked);
        return { json: { taken: await store.merge(list), of: list.length } };
      },
    },
    metrics: async () => ({ pages: await store.size() }),
    close: () => store.close(),
  });
}

function checked(page) {
  const { url, title = '', text = '', at = Date.now(), crawler = null } = page ?? {};
  if (typeof url !== 'string' || !URL.canParse(url)) throw new HttpError(400, 'a page needs a url');
  if (url.length > LONGEST_URL) throw new HttpError(400, `a url has at most ${LONGEST_URL} characters`);
  if (!Number.isFinite(at)) throw new HttpError(400, 'at is a time in ms');
  return { url, title: String(title), text: String(text), at, crawler };
}
