/**
 * The database: pages by address, with a word index. Of two versions of a page the later one stays, wherever it comes
 * from; so databases that were apart can be put together in any order, as often as one likes.
 */
import { dataFile, openJournal } from './lib/journal.js';
import { HttpError, serve } from './lib/serve.js';
import { wordIndex } from './text.js';

const pages = new Map();
const index = wordIndex();

const journal = await openJournal(dataFile('pages.jsonl'), {
  apply(page) {
    if ((pages.get(page.url)?.at ?? -1) >= page.at) return;
    pages.set(page.url, page);
    index.put(page.url, `${page.title} ${page.text}`);
  },
  snapshot: () => [...pages.values()],
  size: () => pages.size,
});

function checked(page) {
  const { url, title = '', text = '', at = Date.now(), crawler = null } = page ?? {};
  if (typeof url !== 'string' || !URL.canParse(url)) throw new HttpError(400, 'a page needs a url');
  if (!Number.isFinite(at)) throw new HttpError(400, 'at is a time in ms');
  return { url, title: String(title), text: String(text), at, crawler };
}

serve({
  routes: {
    'PUT /pages': async ({ json }) => {
      const page = checked(await json());
      await journal.append(page);
      return { json: { url: page.url, at: page.at } };
    },
    'GET /pages': ({ query }) => {
      const page = pages.get(query.get('url'));
      if (page === undefined) throw new HttpError(404, 'no such page');
      return { json: page };
    },
    'GET /search': ({ query }) => {
      const limit = Math.min(Number(query.get('limit') ?? 10) || 10, 100);
      const found = index.search(query.get('q') ?? '', limit).map((url) => pages.get(url));
      return { json: { pages: found.map(({ url, title, at }) => ({ url, title, at })) } };
    },
    'POST /merge': async ({ json }) => {
      const list = (await json()).map(checked);
      const newer = list.filter((page) => (pages.get(page.url)?.at ?? -1) < page.at);
      await Promise.all(newer.map((page) => journal.append(page)));
      return { json: { taken: newer.length, of: list.length } };
    },
  },
  metrics: () => ({ pages: pages.size }),
  close: () => journal.close(),
});
